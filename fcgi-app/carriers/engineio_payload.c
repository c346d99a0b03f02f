/*
 * A packet is a digit, its type, and data behind it; a message of bytes is `b` and base64. Packets
 * of one payload have a record separator between them, U+001E, which no encoder writes into JSON
 * or base64. Nothing of a text is copied.
 */
#include "fcgi-app/carriers/engineio_payload.h"

#include <string.h>

#include "core/base/base64.h"
#include "core/base/crypto.h"
#include "core/base/json.h"

enum { SEPARATOR = 0x1e };

enum err engineio_packet_parse(struct engineio_packet *packet, const char *text, size_t len) {
    if (len == 0 || text[0] < '0' || text[0] > '0' + ENGINEIO_NOOP || !json_utf8(text, len))
        return ERR_SYNTAX;
    *packet = (struct engineio_packet){
        .type = (enum engineio_type)(text[0] - '0'), .data = text + 1, .len = len - 1};
    return ERR_OK;
}

/* A message of bytes. They stand behind those of others, and do not move any more: there is room
 * for all that the payload can say. */
static enum err parse_binary(struct engineio_payload *payload, struct engineio_packet *packet,
                             const char *text, size_t len) {
    size_t before = payload->bytes.len;
    enum err err = base64_decode(&payload->bytes, text, len);

    if (err != ERR_OK)
        return err;
    *packet = (struct engineio_packet){.type = ENGINEIO_MESSAGE,
                                       .binary = true,
                                       .data = len > 0 ? payload->bytes.data + before : "",
                                       .len = payload->bytes.len - before};
    return ERR_OK;
}

static enum err parse_one(struct engineio_payload *payload, const char *text, size_t len) {
    if (payload->count == ENGINEIO_PACKETS)
        return ERR_RANGE;
    struct engineio_packet *packet = &payload->packets[payload->count];
    enum err err = len > 0 && text[0] == 'b' ? parse_binary(payload, packet, text + 1, len - 1)
                                             : engineio_packet_parse(packet, text, len);
    payload->count += err == ERR_OK;
    return err;
}

enum err engineio_payload_parse(struct engineio_payload *payload, const char *text, size_t len) {
    const char *end = text + len;
    enum err err = ERR_OK;

    payload->count = 0;
    payload->bytes = buf_make(len + 1);
    (void)buf_reserve(&payload->bytes, len); /* what points into it stays right */
    for (const char *at = text, *stop; err == ERR_OK && at != NULL; at = stop) {
        stop = memchr(at, SEPARATOR, (size_t)(end - at));
        err = parse_one(payload, at, (size_t)((stop != NULL ? stop : end) - at));
        stop = stop != NULL ? stop + 1 : NULL;
    }
    return err;
}

void engineio_payload_free(struct engineio_payload *payload) {
    buf_free(&payload->bytes);
    payload->count = 0;
}

void engineio_payload_add(struct buf *out, const struct engineio_packet *packet) {
    if (out->len > 0)
        buf_char(out, SEPARATOR);
    if (packet->binary) {
        buf_char(out, 'b');
        crypto_base64(out, packet->data, packet->len);
    } else {
        buf_char(out, (char)('0' + packet->type));
        buf_add(out, packet->data, packet->len);
    }
}

void engineio_open(struct buf *out, const struct engineio_opening *opening) {
    buf_printf(out, "0{\"sid\":\"%s\",\"upgrades\":[%s],\"pingInterval\":%u,\"pingTimeout\":%u,",
               opening->id, opening->websocket ? "\"websocket\"" : "", opening->ping_interval,
               opening->ping_timeout);
    buf_printf(out, "\"maxPayload\":%zu}", opening->max_payload);
}

void engineio_refuse(struct buf *out, enum engineio_refusal refusal) {
    static const char *const words[] = {
        [ENGINEIO_TRANSPORT] = "Transport unknown",
        [ENGINEIO_SESSION] = "Session ID unknown",
        [ENGINEIO_METHOD] = "Bad handshake method",
        [ENGINEIO_REQUEST] = "Bad request",
        [ENGINEIO_FORBIDDEN] = "Forbidden",
        [ENGINEIO_VERSION] = "Unsupported protocol version",
    };
    buf_printf(out, "{\"code\":%d,\"message\":\"%s\"}", (int)refusal, words[refusal]);
}

static bool is(const char *text, const char *word) {
    return text != NULL && strcmp(text, word) == 0;
}

enum engineio_refusal engineio_judge(const struct engineio_request *request) {
    bool websocket = is(request->transport, "websocket");

    if (!websocket && !is(request->transport, "polling"))
        return ENGINEIO_TRANSPORT;
    if (!request->session && !is(request->method, "GET"))
        return ENGINEIO_METHOD;
    if (!is(request->version, "4"))
        return ENGINEIO_VERSION;
    if (websocket != request->upgrades ||
        !(is(request->method, "GET") || (is(request->method, "POST") && !websocket)))
        return ENGINEIO_REQUEST;
    return ENGINEIO_FINE;
}

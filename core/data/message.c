/*
 * Builds messages: the payload, and beside it, once it is sent, the JSON object in which
 * batches carry it. Shared by reference between the channel's tail and every batch. Owned by the
 * event loop's thread.
 */
#include "core/data/message.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/json.h"
#include "core/base/mem.h"

/* Text may grow six times its length (\u00XX); the rest is names and numbers. */
#define JSON_MAX(payload_len) (2048 + 6 * (payload_len))

/* Bytes that are no UTF-8 become base64 behind `prefix`, which begins a string. */
static void put_value(struct buf *out, const char *payload, size_t len, const char *value,
                      const char *prefix) {
    if (json_valid(payload, len)) {
        buf_text(out, value);
        json_splice(out, payload, len);
    } else if (json_utf8(payload, len)) {
        buf_text(out, value);
        json_quote(out, payload, len);
    } else {
        buf_text(out, prefix);
        crypto_base64(out, payload, len);
        buf_char(out, '"');
    }
}

void message_put_value(const struct message *message, struct buf *out) {
    put_value(out, message->payload, message->payload_len, "", "\"data:;base64,");
}

struct message *message_new(const char *channel, size_t channel_len, struct position id,
                            uint64_t at, const char *payload, size_t payload_len) {
    struct message *message = mem_new(sizeof *message + channel_len + payload_len);
    char *bytes = (char *)(message + 1);

    memcpy(bytes, channel, channel_len);
    if (payload_len > 0)
        memcpy(bytes + channel_len, payload, payload_len);
    message->id = id;
    message->at = at;
    message->channel_len = (unsigned)channel_len;
    message->payload = bytes + channel_len;
    message->payload_len = payload_len;
    message->refs = 1;
    return message;
}

static void put_object(const struct message *message, struct buf *out) {
    char text[POSITION_TEXT];

    buf_text(out, "{\"channel\":");
    json_quote(out, (const char *)(message + 1), message->channel_len);
    buf_text(out, ",\"id\":\"");
    buf_add(out, text, position_format(message->id, text));
    buf_text(out, "\",\"at\":");
    buf_uint(out, message->at);
    put_value(out, message->payload, message->payload_len,
              ",\"data\":", ",\"encoding\":\"base64\",\"data\":\"");
    buf_char(out, '}');
}

const char *message_json(struct message *message, size_t *len) {
    struct buf json = buf_make(JSON_MAX(message->payload_len));

    if (message->json == NULL) {
        put_object(message, &json);
        message->json = mem_copy(json.data, json.len); /* a buffer has room to spare */
        message->json_len = json.len;
        buf_free(&json);
    }
    *len = message->json_len;
    return message->json;
}

struct message *message_ref(struct message *message) {
    message->refs++;
    return message;
}

void message_unref(struct message *message) {
    if (message == NULL || --message->refs > 0)
        return;
    free(message->json);
    free(message);
}

/*
 * Builds messages: the payload beside the JSON object in which batches carry it.
 * Made once when a message arrives from Redis, then shared by reference between
 * the channel's tail and every batch. Owned by the event loop's thread.
 */
#include "core/data/message.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/json.h"
#include "core/base/mem.h"

/* Text may grow six times its length (\u00XX); the rest is names and numbers. */
#define JSON_MAX(payload_len) (2048 + 6 * (payload_len))

static void put_data(struct buf *out, const char *payload, size_t len) {
    if (json_valid(payload, len)) {
        buf_text(out, ",\"data\":");
        json_splice(out, payload, len);
    } else if (json_utf8(payload, len)) {
        buf_text(out, ",\"data\":");
        json_quote(out, payload, len);
    } else {
        buf_text(out, ",\"encoding\":\"base64\",\"data\":\"");
        crypto_base64(out, payload, len);
        buf_char(out, '"');
    }
}

struct message *message_new(const char *channel, size_t channel_len, struct position id,
                            uint64_t at, const char *payload, size_t payload_len) {
    struct buf json = buf_make(JSON_MAX(payload_len));
    char text[POSITION_TEXT];

    buf_text(&json, "{\"channel\":");
    json_quote(&json, channel, channel_len);
    buf_text(&json, ",\"id\":\"");
    buf_add(&json, text, position_format(id, text));
    buf_text(&json, "\",\"at\":");
    buf_uint(&json, at);
    put_data(&json, payload, payload_len);
    buf_char(&json, '}');

    struct message *message = mem_new(sizeof *message + payload_len + json.len);
    char *bytes = (char *)(message + 1);
    memcpy(bytes, json.data, json.len);
    if (payload_len > 0)
        memcpy(bytes + json.len, payload, payload_len);
    message->id = id;
    message->at = at;
    message->json = bytes;
    message->json_len = json.len;
    message->payload = bytes + json.len;
    message->payload_len = payload_len;
    message->refs = 1;
    buf_free(&json);
    return message;
}

struct message *message_ref(struct message *message) {
    message->refs++;
    return message;
}

void message_unref(struct message *message) {
    if (message != NULL && --message->refs == 0)
        free(message);
}

/*
 * Wraps jansson. Messages are checked once, when they arrive, and from then on
 * only spliced. jansson builds a tree to check a text; that costs more than a
 * mere scanner would and is paid once a message and process, not once a
 * subscriber.
 */
#include "core/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

bool json_valid(const char *text, size_t len) {
    size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    json_t *value = json_loadb(text, len, flags, NULL);
    bool valid = value != NULL;
    json_decref(value);
    return valid;
}

bool json_utf8(const char *text, size_t len) {
    json_t *value = json_stringn(text, len);
    bool valid = value != NULL;
    json_decref(value);
    return valid;
}

static int dump_to_buf(const char *piece, size_t size, void *data) {
    buf_add(data, piece, size);
    return 0;
}

void json_quote(struct buf *out, const char *text, size_t len) {
    json_t *value = json_stringn_nocheck(text, len);
    if (json_dump_callback(value, dump_to_buf, out, JSON_ENCODE_ANY) != 0)
        out->overflow = true;
    json_decref(value);
}

void json_splice(struct buf *out, const char *text, size_t len) {
    size_t from = out->len;
    buf_add(out, text, len);
    if (out->overflow)
        return;
    for (size_t i = from; i < out->len; i++) {
        if (out->data[i] == '\n' || out->data[i] == '\r')
            out->data[i] = ' ';
    }
}

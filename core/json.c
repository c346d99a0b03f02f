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

    if (memchr(text, '\0', len) != NULL)
        return false; /* jansson overlooks a raw NUL behind a number or a literal */
    json_t *value = json_loadb(text, len, flags, NULL);
    bool valid = value != NULL;
    json_decref(value);
    return valid;
}

/* ASCII, which nearly all of it is, needs nobody's opinion. */
static bool ascii(const char *text, size_t len) {
    unsigned char all = 0;
    for (size_t i = 0; i < len; i++)
        all |= (unsigned char)text[i];
    return all < 0x80;
}

bool json_utf8(const char *text, size_t len) {
    if (ascii(text, len))
        return true;
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

struct json *json_parse(const char *text, size_t len) {
    return (struct json *)json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

void json_free(struct json *json) {
    json_decref((json_t *)json);
}

struct json *json_clone(const struct json *json) {
    return (struct json *)json_deep_copy((const json_t *)json);
}

const struct json *json_member(const struct json *json, const char *name) {
    return (const struct json *)json_object_get((const json_t *)json, name);
}

bool json_is_map(const struct json *json) {
    return json_is_object((const json_t *)json);
}

size_t json_length(const struct json *json) {
    return json_array_size((const json_t *)json);
}

const struct json *json_element(const struct json *json, size_t index) {
    return (const struct json *)json_array_get((const json_t *)json, index);
}

const char *json_text(const struct json *json, size_t *len) {
    const char *text = json_string_value((const json_t *)json);
    *len = text != NULL ? json_string_length((const json_t *)json) : 0;
    return text;
}

void json_write(struct buf *out, const struct json *json) {
    if (json_dump_callback((const json_t *)json, dump_to_buf, out,
                           JSON_COMPACT | JSON_ENCODE_ANY) != 0)
        out->overflow = true;
}

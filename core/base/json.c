/*
 * JSON's strings, by jansson; whole texts are only looked at, by the scanner. Messages are
 * checked once, when they arrive, and from then on only spliced.
 */
#include "core/base/json.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/base/scan.h"

bool json_valid(const char *text, size_t len) {
    return scan_tame(text, len);
}

/* ASCII, which nearly all of it is, needs no look at its characters. */
static bool ascii(const char *text, size_t len) {
    unsigned char all = 0;
    for (size_t i = 0; i < len; i++)
        all |= (unsigned char)text[i];
    return all < 0x80;
}

bool json_utf8(const char *text, size_t len) {
    const char *end = text + len;
    size_t taken = 1;

    if (ascii(text, len))
        return true;
    for (; text < end && taken > 0; text += taken)
        taken = scan_utf8(text, end);
    return taken > 0;
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

char *json_unquote(const char *text, size_t len, size_t *said_len) {
    json_t *value = json_loadb(text, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    char *said = NULL;

    if (json_is_string(value)) {
        *said_len = json_string_length(value);
        said = mem_copy(json_string_value(value), *said_len);
    }
    json_decref(value);
    return said;
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

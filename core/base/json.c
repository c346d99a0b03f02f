/*
 * JSON's strings, read by jansson; whole texts are only looked at, by the scanner. Messages
 * are checked once, when they are sent first, and from then on only spliced.
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

bool json_single(const char *text, size_t len) {
    json_t *value = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    bool single = value != NULL;

    json_decref(value);
    return single;
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

/* What stands behind the backslash for a character that cannot stand in a string; 0: it can. */
static char escape_of(unsigned char c) {
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < 0x20 ? 'u' : 0;
    }
}

static size_t plain_run(const char *text, size_t len) {
    size_t run = 0;

    while (run < len && (unsigned char)text[run] >= 0x20 && text[run] != '"' && text[run] != '\\')
        run++;
    return run;
}

void json_quote(struct buf *out, const char *text, size_t len) {
    static const char digits[] = "0123456789ABCDEF";

    buf_char(out, '"');
    for (size_t at = 0; at < len; at++) {
        size_t run = plain_run(text + at, len - at);
        buf_add(out, text + at, run);
        at += run;
        if (at == len)
            break;
        unsigned char c = (unsigned char)text[at];
        char escaped[6] = {'\\', escape_of(c), '0', '0', digits[c >> 4], digits[c & 15]};
        buf_add(out, escaped, escaped[1] == 'u' ? 6 : 2);
    }
    buf_char(out, '"');
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

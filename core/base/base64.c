/*
 * Four characters are three bytes. The last four may end in one or two `=`, and are then two or
 * one bytes, with the bits behind them zero: so each sequence of bytes has one text.
 */
#include "core/base/base64.h"

#include <stdbool.h>
#include <stdint.h>

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The 24 bits of four characters, of which the last `pad` are `=`. */
static bool take_four(const char *text, unsigned pad, uint32_t *bits) {
    *bits = 0;
    for (unsigned i = 0; i < 4; i++) {
        int value = i < 4 - pad ? value_of(text[i]) : 0;
        if (value < 0)
            return false;
        *bits = *bits << 6 | (uint32_t)value;
    }
    return pad == 0 || (*bits & (pad == 1 ? 0xffU : 0xffffU)) == 0;
}

enum err base64_decode(struct buf *out, const char *text, size_t len) {
    size_t before = out->len;
    unsigned pad = len >= 4 && text[len - 1] == '=' ? 1 + (text[len - 2] == '=') : 0;

    if (len % 4 != 0)
        return ERR_SYNTAX;
    if (len / 4 * 3 - pad > out->max - before)
        return ERR_FULL;
    for (size_t i = 0; i < len; i += 4) {
        unsigned left = i + 4 == len ? pad : 0;
        uint32_t bits;
        if (!take_four(text + i, left, &bits)) {
            out->len = before;
            return ERR_SYNTAX;
        }
        const char bytes[] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
        buf_add(out, bytes, 3 - left);
    }
    return ERR_OK;
}

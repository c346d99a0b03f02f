/*
 * Words for workers. Anybody may publish on their channel, so each is read to its last byte,
 * and what would make workers disagree, or drop what they hold, has to be signed.
 */
#include "worker/word.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/crypto.h"

enum { DIGITS_MAX = 19, SIGN = 17 /* with a blank */, WORD_MAX = 256 };

/* Reads numbers with a blank before each, up to the end of the text. */
static bool read_numbers(const char *text, const char *end, uint64_t *out, int count) {
    for (int i = 0; i < count; i++) {
        const char *first = text + 1;
        if (text == end || *text++ != ' ')
            return false;
        out[i] = 0;
        for (; text < end && *text >= '0' && *text <= '9' && text - first < DIGITS_MAX; text++)
            out[i] = out[i] * 10 + (uint64_t)(*text - '0');
        if (text == first)
            return false;
    }
    return text == end;
}

static bool begins(const char *text, size_t len, const char *word) {
    return len > strlen(word) && memcmp(text, word, strlen(word)) == 0;
}

/* Whether the text ends in a blank and its signature. */
static bool is_signed(const char *text, size_t len, const char *secret) {
    unsigned char digest[CRYPTO_SHA1];
    char sign[SIGN + 1];
    struct buf said = buf_make(WORD_MAX);

    buf_printf(&said, "%s %.*s", secret, (int)(len - SIGN), text);
    crypto_sha1(said.data, said.len, digest);
    buf_free(&said);
    crypto_hex(sign, digest, SIGN / 2);
    return text[len - SIGN] == ' ' && memcmp(text + len - SIGN + 1, sign, SIGN - 1) == 0;
}

/* Where the text's blank of that number is, from 1 on; `end`: it has fewer. */
static const char *blank(const char *text, const char *end, int number) {
    for (; text < end; text++) {
        if (*text == ' ' && --number == 0)
            return text;
    }
    return end;
}

static struct word read_begin(const char *text, const char *end) {
    const char *behind = blank(text, end, 3);
    struct word word = {.kind = WORD_NONE};
    uint64_t n[2];

    if (!read_numbers(text, behind, n, 2))
        return word;
    word = (struct word){.kind = WORD_BEGIN, .name = {n[0], n[1]}};
    word.patterns = behind < end ? behind + 1 : end;
    word.patterns_len = (size_t)(end - word.patterns);
    return word;
}

struct word word_read(const char *text, size_t len, const char *secret) {
    struct word word = {.kind = WORD_NONE};
    uint64_t n[3];

    if (begins(text, len, "free "))
        return (struct word){.kind = WORD_FREE, .turn = text + 5, .turn_len = len - 5};
    if (len <= SIGN || len > WORD_MAX / 2)
        return word;
    const char *end = text + len - SIGN;
    if (begins(text, len - SIGN, "done") && read_numbers(text + 4, end, n, 3))
        word = (struct word){.kind = WORD_DONE, .generation = n[0], .name = {n[1], n[2]}};
    else if (begins(text, len - SIGN, "begin"))
        word = read_begin(text + 5, end);
    if (word.kind != WORD_NONE && !is_signed(text, len, secret))
        word.kind = WORD_FORGED;
    return word;
}

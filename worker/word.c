/* Words for workers. Anybody may publish on their channel, so each is read to its last byte. */
#include "worker/word.h"

#include <string.h>

enum { DIGITS_MAX = 19 };

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

struct word word_read(const char *text, size_t len) {
    const char *end = text + len;
    struct word word = {.kind = WORD_NONE};
    uint64_t n[3];

    if (begins(text, len, "done") && read_numbers(text + 4, end, n, 3)) {
        word = (struct word){.kind = WORD_DONE, .generation = n[0], .name = {n[1], n[2]}};
    } else if (begins(text, len, "begin") && read_numbers(text + 5, end, n, 2)) {
        word = (struct word){.kind = WORD_BEGIN, .name = {n[0], n[1]}};
    } else if (begins(text, len, "free ")) {
        word = (struct word){.kind = WORD_FREE, .turn = text + 5, .turn_len = len - 5};
    }
    return word;
}

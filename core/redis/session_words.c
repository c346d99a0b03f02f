/*
 * The words of a call, put together from what is borrowed; their order is that of the functions'
 * own heads in core/redis/session.lua.
 */
#include "core/redis/_session.h"

#include <string.h>

static void put(struct session_words *words, const char *at, size_t len) {
    words->at[words->count] = at != NULL ? at : "";
    words->lens[words->count++] = at != NULL ? len : 0;
}

void session_words_text(struct session_words *words, const char *text) {
    put(words, text, strlen(text));
}

void session_words_bytes(struct session_words *words, struct session_bytes bytes, size_t max) {
    words->range = words->range || bytes.len > max;
    put(words, bytes.at, bytes.len);
}

/* The number's digits, in front of `end`; returns the first. A broadcast writes thousands, for
 * which snprintf() would be a twentieth of all that they cost. */
static char *put_digits(char *end, uint64_t number) {
    do {
        *--end = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return end;
}

void session_words_number(struct session_words *words, uint64_t number) {
    char *text = words->numbers[words->used++], *end = text + SESSION_NUMBER_TEXT;
    char *first = put_digits(end, number);
    put(words, first, (size_t)(end - first));
}

void session_words_hold(struct session_words *words, const struct sessions *sessions,
                        uint64_t number) {
    char *end = words->hold + SESSION_HOLD_TEXT, *first = put_digits(end, number);

    *--first = '.';
    first -= SESSION_PROCESS - 1;
    memcpy(first, sessions->process, SESSION_PROCESS - 1);
    put(words, first, (size_t)(end - first));
}

void session_words_begin(struct session_words *words, const char *function, const char *id) {
    words->count = words->used = 0;
    words->range = false;
    session_words_text(words, "FCALL");
    session_words_text(words, function);
    session_words_text(words, "1");
    session_words_text(words, id);
}

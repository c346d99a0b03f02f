/*
 * The words of a call, put together from what is borrowed; their order is that of the functions'
 * own heads in core/redis/session.lua.
 */
#include "core/redis/_session.h"

#include <inttypes.h>
#include <stdio.h>
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

void session_words_number(struct session_words *words, uint64_t number) {
    char *text = words->numbers[words->used++];
    snprintf(text, SESSION_NUMBER_TEXT, "%" PRIu64, number);
    session_words_text(words, text);
}

void session_words_hold(struct session_words *words, const struct sessions *sessions,
                        uint64_t number) {
    snprintf(words->hold, SESSION_HOLD_TEXT, "%s.%" PRIu64, sessions->process, number);
    session_words_text(words, words->hold);
}

void session_words_begin(struct session_words *words, const char *function, const char *id) {
    words->count = words->used = 0;
    words->range = false;
    session_words_text(words, "FCALL");
    session_words_text(words, function);
    session_words_text(words, "1");
    session_words_text(words, id);
}

/*
 * An error of Redis is one line, "CODE words", and may quote what somebody sent. One that
 * was raised inside a function ends with " script: NAME, on @user_function:LINE.".
 * Pure functions.
 */
#include "core/redis/words.h"

#include <string.h>

void words_take(char out[WORDS_MAX], const char *text, size_t len) {
    static const char place[] = " script: ";
    const char *end = memmem(text, len, place, strlen(place));
    size_t used = end != NULL ? (size_t)(end - text) : len;

    used = used < WORDS_MAX - 1 ? used : WORDS_MAX - 1;
    for (size_t i = 0; i < used; i++)
        out[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
    out[used] = '\0';
}

bool words_say_away(const char *text) {
    static const char *const words[] = {"LOADING", "READONLY", "MISCONF",   "OOM",
                                        "BUSY",    "NOAUTH",   "MASTERDOWN"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncmp(text, words[i], strlen(words[i])) == 0)
            return true;
    }
    return false;
}

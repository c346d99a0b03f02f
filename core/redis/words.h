/*
 * What Redis said, fit for people: for a problem's detail, or a page of figures.
 */
#ifndef HALLEY_WORDS_H
#define HALLEY_WORDS_H

#include <stdbool.h>
#include <stddef.h>

enum { WORDS_MAX = 128 }; /* with the NUL */

/*
 * Writes an error of Redis: its code and its words, without the place in our functions that
 * Redis adds. What is no printable ASCII becomes a question mark.
 */
void words_take(char out[WORDS_MAX], const char *text, size_t len);

/* Whether that error says that Redis cannot serve anybody just now. */
bool words_say_away(const char *text);

#endif

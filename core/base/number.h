/*
 * Numbers as JSON writes them, as text. Pure functions; any thread.
 */
#ifndef HALLEY_NUMBER_H
#define HALLEY_NUMBER_H

#include <stdbool.h>

static inline bool number_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Behind the decimal digits at `at`. */
const char *number_digits(const char *at, const char *end);

/*
 * Whether a number (RFC 8259 §6) is in the range of a double: not what would be rounded to
 * infinity. What is too small is rounded to zero, and is in it.
 */
bool number_in_double(const char *at, const char *end);

#endif

/*
 * The words of one call to Redis, put together. Values only; what is added as
 * text is borrowed until it was sent.
 */
#ifndef HALLEY_CALL_H
#define HALLEY_CALL_H

#include <stddef.h>
#include <stdint.h>

enum { CALL_WORDS = 64, CALL_NUMBERS = 24, CALL_NUMBER_TEXT = 48 };

struct call {
    int argc;
    const char *argv[CALL_WORDS];
    size_t lens[CALL_WORDS];
    int numbers;
    char text[CALL_NUMBERS][CALL_NUMBER_TEXT];
};

/* Begins `FCALL function`; more words follow, the first of them the number of keys. */
void call_begin(struct call *call, const char *function);

void call_bytes(struct call *call, const char *bytes, size_t len);
void call_text(struct call *call, const char *text);
void call_number(struct call *call, uint64_t number);

/* Two numbers as two words, or as one with a blank between them. */
void call_two(struct call *call, uint64_t first, uint64_t second);
void call_pair(struct call *call, uint64_t first, uint64_t second);

#endif

/* What every test needs before it starts anything: memory that lives as long
 * as the test, names that nobody else uses, a clock, and one way to fail.
 *
 * A test is a process of its own (Check forks), so nothing is freed one by
 * one: keep() holds all of it reachable until the process ends, which leak
 * checkers accept and which keeps the tests readable.
 *
 * Failing goes through on_failure, because a test must tell Check and a bench
 * must only say so and exit.
 */
#include "keep.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void (*on_failure)(const char *file, int line, const char *message);

static void **kept;
static size_t kept_count, kept_room;

void fail_at(const char *file, int line, const char *format, ...) {
    char message[4096];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (on_failure)
        on_failure(file, line, message);
    fprintf(stderr, "%s:%d: %s\n", file, line, message);
    exit(1);
}

void *keep(void *thing) {
    must(thing, "out of memory");
    if (kept_count == kept_room) {
        kept_room = kept_room ? kept_room * 2 : 256;
        kept = realloc(kept, kept_room * sizeof *kept);
        if (!kept)
            abort();
    }
    kept[kept_count++] = thing;
    return thing;
}

char *keepv(const char *format, va_list args) {
    char *text = NULL;

    must(vasprintf(&text, format, args) >= 0, "out of memory");
    return keep(text);
}

char *keepf(const char *format, ...) {
    va_list args;
    char *text;

    va_start(args, format);
    text = keepv(format, args);
    va_end(args);
    return text;
}

char *keep_encoded_bytes(const char *bytes, size_t len) {
    char *out = keep(malloc(3 * len + 1)), *at = out;

    for (size_t i = 0; i < len; i++) {
        unsigned char byte = (unsigned char)bytes[i];

        if (isalnum(byte) || (byte && strchr("-_.~", byte)))
            *at++ = (char)byte;
        else
            at += sprintf(at, "%%%02X", byte);
    }
    *at = '\0';
    return out;
}

char *keep_encoded(const char *text) {
    return keep_encoded_bytes(text, strlen(text));
}

char *keep_nested(size_t depth) {
    char *text = keep(malloc(2 * depth + 1));

    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    text[2 * depth] = '\0';
    return text;
}

char *keep_fresh(const char *stem) {
    static unsigned count;

    return keepf("%s-%d-%u", stem, (int)getpid(), ++count);
}

int64_t now_us(void) {
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t now_ms(void) {
    return now_us() / 1000;
}

void pause_ms(int ms) {
    struct timespec span = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&span, NULL);
}

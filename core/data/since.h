/*
 * Where a reader of a channel begins: one value, from the request to the history. Pure.
 */
#ifndef HALLEY_SINCE_H
#define HALLEY_SINCE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/data/cursor.h"

enum since_kind {
    SINCE_NOW,   /* wants what comes from now on */
    SINCE_START, /* wants everything that is held */
    SINCE_LAST,  /* wants the last `last` messages */
    SINCE_AT     /* has everything up to `at` */
};

enum { SINCE_TEXT = POSITION_TEXT, SINCE_LAST_MAX = 1000000 };

struct since {
    enum since_kind kind;
    unsigned last;      /* with SINCE_LAST: 1 to SINCE_LAST_MAX */
    struct position at; /* with SINCE_AT */
};

/* Parses "now", "start" or "-K". False: it is none of them, but a cursor perhaps (cursor.h). */
bool since_parse(const char *text, size_t len, struct since *since);

/* As the history takes it (core/redis/history.h), NUL-terminated. */
void since_format(const struct since *since, char text[SINCE_TEXT]);

bool since_same(const struct since *a, const struct since *b);

#endif

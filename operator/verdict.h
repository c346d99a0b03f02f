/*
 * What became of a message, by what Redis still has of its channel. Pure.
 */
#ifndef HALLEY_VERDICT_H
#define HALLEY_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/data/cursor.h"

enum verdict {
    VERDICT_HELD,
    VERDICT_TRIMMED,
    VERDICT_EXPIRED,
    VERDICT_DELETED,
    VERDICT_NEVER_GIVEN,
    VERDICT_ANOTHER_EPOCH
};

/* What Redis has of a channel. Positions that it has not are zero. */
struct traces {
    bool counted;            /* there is a counter: `last` is the last id that was given */
    struct position last;    /* its epoch, and number */
    bool history;            /* there is a stream, perhaps an empty one */
    struct position first;   /* its first entry; zero: it is empty */
    struct position deleted; /* the greatest id that somebody deleted (XDEL) */
    uint64_t keeps;          /* how many messages are to be kept */
    bool held;               /* the entry itself is there */
};

enum verdict verdict_of(const struct traces *traces, struct position id);

/* The word for it, and why in a sentence. */
const char *verdict_word(enum verdict verdict);
const char *verdict_why(enum verdict verdict);

#endif

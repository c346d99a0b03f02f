/*
 * Live messages that do not follow the one before: another epoch, a hole, or something that
 * somebody else published into our name. History is written before it is announced, so a
 * read that begins after a message was heard brings it, or there is no such message.
 */
#ifndef HALLEY_DOUBTS_H
#define HALLEY_DOUBTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/data/cursor.h"

enum { DOUBTS_MAX = 256 }; /* ids that are kept; of more only their number is */

/* Zeroed, there are none. */
struct doubts {
    struct position *ids; /* DOUBTS_MAX of them, or NULL */
    size_t count;
    uint64_t more;  /* that found no room: judged as the last that did */
    bool forgotten; /* something may have been heard that is not known any more */
};

/* Notes an id; or that something was heard and forgotten. */
void doubts_add(struct doubts *doubts, struct position id);
void doubts_add_forgotten(struct doubts *doubts);

bool doubts_any(const struct doubts *doubts);

/* Whether this id is among them, and whether some are not known one by one. */
bool doubts_has(const struct doubts *doubts, struct position id);
bool doubts_overflowed(const struct doubts *doubts);

/*
 * How many of them a read refutes that began after them, at `from`, and found that the
 * channel stands at `tail`: what it brings lies between the two.
 */
uint64_t doubts_refuted(const struct doubts *doubts, struct position from, struct position tail);

/* Forgets all. */
void doubts_clear(struct doubts *doubts);

#endif

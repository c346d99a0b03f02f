/*
 * The tail of a channel's history, in memory: its last messages, in the order of
 * their ids. Belongs to the loop's thread.
 */
#ifndef HALLEY_TAIL_H
#define HALLEY_TAIL_H

#include <stddef.h>

#include "core/data/cursor.h"
#include "core/data/message.h"

enum { TAIL_BYTES = 1024 * 1024 }; /* of payload in one tail; at least one message is kept */

/* Zeroed, it is empty. */
struct tail {
    struct message **items;
    size_t size, first, count, bytes;
    struct position base; /* where the tail begins: after it */
};

/* Appends a message (one more reference); of more than `max` the oldest go. */
void tail_add(struct tail *tail, struct message *message, size_t max);

/* Drops its oldest message; it has one. */
void tail_shorten(struct tail *tail);

/* Empties it; it begins after `base` from now on. */
void tail_reset(struct tail *tail, struct position base);

struct message *tail_at(const struct tail *tail, long index);

/* The message of that id, or NULL; the tail's. */
struct message *tail_find(const struct tail *tail, struct position id);

/* The index of the first message after `position`, or -1 if the tail cannot tell. */
long tail_after(const struct tail *tail, struct position position);

#endif

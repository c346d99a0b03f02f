/*
 * Deadlines by the thousand: a hashed timing wheel (Varghese and Lauck, "Hashed
 * and Hierarchical Timing Wheels", 1987). Setting, moving and cancelling one costs
 * a few pointers, whatever their number; almost all are cancelled before they are
 * due, so that is what has to be cheap. In return time goes in ticks: a deadline
 * is never early, and up to one tick late. Belongs to the loop's thread.
 */
#ifndef HALLEY_WHEEL_H
#define HALLEY_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/loop.h"
#include "core/base/ring.h"

#define WHEEL_TICK 0.0625 /* seconds; 32 bits of them are eight years */

/* Stands in what has the deadline; zeroed, it has none. */
struct wheel_entry {
    struct ring ring;
    uint32_t due;
    uint32_t own; /* its owner's: it would be padding otherwise */
};

struct wheel;

typedef void wheel_fn(void *ctx, struct wheel_entry *entry);

/* `fire` is called for each entry that is due, which has no deadline any more by then. */
struct wheel *wheel_new(struct ev_loop *loop, wheel_fn *fire, void *ctx);

/* Its entries are not touched again. Safe on NULL. */
void wheel_free(struct wheel *wheel);

/* The current tick, by the loop's clock, and the first one that is `seconds` (0 or more) away. */
uint32_t wheel_now(const struct wheel *wheel);
uint32_t wheel_in(const struct wheel *wheel, double seconds);

/* Sets or moves a deadline; what is past is due with the next tick. */
void wheel_set(struct wheel *wheel, struct wheel_entry *entry, uint32_t due);

/* Does nothing to an entry that has no deadline. */
static inline void wheel_cancel(struct wheel_entry *entry) {
    ring_remove(&entry->ring);
}

static inline bool wheel_pending(const struct wheel_entry *entry) {
    return ring_linked(&entry->ring);
}

/* Calls `visit` for every entry; it may set, move and cancel any of them. */
void wheel_each(struct wheel *wheel, wheel_fn *visit, void *ctx);

#endif

/*
 * What was collected for a place, so that the next waiter that stands there need
 * not collect it again, and both are sent the same batch. Belongs to the loop's
 * thread.
 */
#ifndef HALLEY_MEMO_H
#define HALLEY_MEMO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/data/batch.h"
#include "fcgi-app/hub/waiter.h"

enum { MEMO_SLOTS = 16 };

struct memo {
    struct buf key;
    struct batch *batch; /* NULL: nothing to tell */
    bool whole;          /* with it, its waiters have everything that there is */
    bool again;          /* without one: there may be one by now, if it is looked for again */
    struct batch *empty; /* where its waiters stand, as a batch; NULL until somebody wants it */
    struct memo_place {
        struct position at;
        unsigned confirmed;
    } * places; /* where each channel stands afterwards */
};

struct memo_table {
    struct memo memo[MEMO_SLOTS];
    struct memo *last; /* found or stored last */
    size_t next;       /* the slot that is used next */
    struct buf key;    /* of the waiter that was asked for last */
};

struct memo_table memo_make(void);

/* Forgets everything. */
void memo_clear(struct memo_table *table);

/*
 * What was collected for another waiter at the same place: moves this one where that one
 * got to. NULL: nothing was, so that memo_collect() has to follow.
 */
struct memo *memo_find(struct memo_table *table, struct waiter *waiter,
                       const struct portion *portion);

/* waiter_collect() of a resolved waiter that was just looked for in vain. */
struct memo *memo_collect(struct memo_table *table, struct waiter *waiter,
                          const struct portion *portion);

/* An empty batch for a waiter that was found or collected as `memo`; the memo's. */
struct batch *memo_empty(struct memo *memo, const struct waiter *waiter, unsigned poll_after);

#endif

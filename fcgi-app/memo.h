/*
 * What was collected for a place, so that the next waiter that stands there need
 * not collect it again, and both are sent the same batch. Kept for one turn of
 * the loop. Belongs to the loop's thread.
 */
#ifndef HALLEY_MEMO_H
#define HALLEY_MEMO_H

#include <stddef.h>
#include <stdint.h>

#include "core/batch.h"
#include "core/buf.h"
#include "fcgi-app/waiter.h"

enum { MEMO_SLOTS = 16 };

struct memo {
    uint64_t hash;
    struct buf key;
    struct batch *batch; /* NULL: nothing to tell */
    struct memo_place {
        struct position at;
        unsigned confirmed;
    } * places; /* where each channel stands afterwards */
};

struct memo_table {
    struct memo memo[MEMO_SLOTS];
    size_t used;
};

/*
 * waiter_collect(), or what it found for another waiter at the same place. The
 * caller has one reference to the batch; NULL if there is nothing to tell.
 */
struct batch *memo_collect(struct memo_table *table, struct waiter *waiter, size_t bytes);

/* Forgets everything. */
void memo_clear(struct memo_table *table);

#endif

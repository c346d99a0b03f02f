/*
 * Room for many small things of one size: side by side, without an allocator's
 * header, and used again without asking it. What is given back stays the pool's until
 * all of it is freed. Belongs to the loop's thread.
 */
#ifndef HALLEY_POOL_H
#define HALLEY_POOL_H

#include <stddef.h>

struct pool {
    size_t size; /* bytes of one thing, a multiple of 8 */
    void *unused;
    void *blocks;
};

/* Allocates nothing yet. */
struct pool pool_make(size_t size);

/* Everything that was taken is gone with it. */
void pool_free(struct pool *pool);

/* One thing, zeroed; given back with pool_give(). */
void *pool_take(struct pool *pool);
void pool_give(struct pool *pool, void *thing);

#endif

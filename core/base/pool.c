/*
 * Things are cut from blocks, and those that are unused are chained through their
 * first word. A build that looks for mistakes with memory takes each thing from
 * malloc instead, so that it sees them.
 */
#include "core/base/pool.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

#if defined(__SANITIZE_ADDRESS__)
enum { POOLED = 0 };
#else
enum { POOLED = 1 };
#endif

enum { BLOCK = 16384, HEAD = sizeof(void *) };

struct pool pool_make(size_t size) {
    return (struct pool){.size = size};
}

void pool_free(struct pool *pool) {
    for (void *block = pool->blocks, *next; block != NULL; block = next) {
        next = *(void **)block;
        free(block);
    }
    *pool = pool_make(pool->size);
}

/* Cuts a new block; its first word chains the blocks. */
static void grow(struct pool *pool) {
    char *block = mem_new(BLOCK);

    *(void **)(void *)block = pool->blocks;
    pool->blocks = block;
    for (size_t at = HEAD; at + pool->size <= BLOCK; at += pool->size)
        pool_give(pool, block + at);
}

void *pool_take(struct pool *pool) {
    if (!POOLED)
        return mem_new(pool->size);
    if (pool->unused == NULL)
        grow(pool);
    void *thing = pool->unused;
    pool->unused = *(void **)thing;
    memset(thing, 0, pool->size);
    return thing;
}

void pool_give(struct pool *pool, void *thing) {
    if (!POOLED) {
        free(thing);
        return;
    }
    *(void **)thing = pool->unused;
    pool->unused = thing;
}

/* A world of workers around one Redis, in which anything may happen at any time.
 *
 * The workers' sequencers are the real ones, and so are the functions in Redis
 * (core/redis/halley.lua, on the Redis of model_redis.lua). Connections, processes and the
 * clock are the model's: what is sent waits until the dice carry it out, what is
 * answered or heard waits until they let it be read, and each may be lost on its way
 * with its connection.
 */
#ifndef HALLEY_TESTS_MODEL_H
#define HALLEY_TESTS_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where chance comes from. */
struct dice {
    void *ctx;
    unsigned (*roll)(void *ctx, unsigned sides); /* 0 to sides - 1 */
    bool (*more)(void *ctx);                     /* false: the world comes to rest */
};

/* Dice of a seed, for so many steps; and dice of bytes. */
struct seed_dice {
    uint64_t state;
    unsigned steps;
};
struct dice dice_of_seed(struct seed_dice *seed, uint64_t number, unsigned steps);

struct byte_dice {
    const uint8_t *at, *end;
};
struct dice dice_of_bytes(struct byte_dice *bytes, const uint8_t *data, size_t size);

/* What happened, for tests that want to know that something did. */
struct model_counts {
    unsigned published, heard, history, late, lost, holes, doubts, takeovers, cuts, restarts, full,
        aside;
};

/*
 * Lets the dice play with up to so many workers at a time, brings everything back that lives,
 * waits until it is at rest, and judges. NULL: all is well; else what is wrong. `trace`: tells
 * on standard output what happens.
 */
enum { MODEL_WORKERS = 4 };
const char *model_run(const struct dice *dice, int workers, struct model_counts *counts,
                      bool trace);

#endif

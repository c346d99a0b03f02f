/*
 * The porter carries the sequencer's calls to Redis, and has a clock: all that the sequencer
 * needs of the world. station.c is the real one; tests have their own.
 */
#ifndef HALLEY_PORTER_H
#define HALLEY_PORTER_H

#include <stdbool.h>

#include "core/redis/redis.h"
#include "worker/call.h"

struct porter {
    void *ctx;

    /* Seconds, of any clock that only goes forward. */
    double (*now)(void *ctx);

    /* Sends a call. `answer` is called once, later, with NULL if the connection was lost.
     * False: there is no connection, and it is not called. */
    bool (*send)(void *ctx, redis_reply_fn *answer, void *answer_ctx, const struct call *call);

    /* Redis refused a call with this. */
    void (*refused)(void *ctx, const redis_reply *error);
};

#endif

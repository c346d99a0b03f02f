/*
 * What the sequencer needs of the world: somebody who carries its calls to Redis,
 * and a clock. station.c is the real one; tests have their own.
 */
#ifndef HALLEY_WORKER_LINK_H
#define HALLEY_WORKER_LINK_H

#include <stdbool.h>

#include "core/redis/redis.h"
#include "worker/call.h"

struct link {
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

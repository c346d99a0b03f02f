/*
 * The lease by which one of several workers is at work: held in Redis, for a
 * bounded time, renewed while its holder lives. Belongs to the loop's thread.
 */
#ifndef HALLEY_LEASE_H
#define HALLEY_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/loop.h"
#include "core/redis.h"

struct lease;

struct lease_events {
    void (*granted)(void *ctx, uint64_t total); /* `total`: what was sequenced before */
    void (*lost)(void *ctx);
};

/* A lease of `milliseconds` on the job `name`, for the installation with that prefix, which is
 * borrowed as `redis` is. Asks for nothing yet. */
struct lease *lease_new(struct ev_loop *loop, struct redis *redis, const char *name,
                        const char *prefix, int milliseconds, const struct lease_events *events,
                        void *ctx);
void lease_free(struct lease *lease);

/* From now on the lease is asked for (or not) whenever it may be free. */
void lease_want(struct lease *lease, bool wanted);

/* Asks at once, if it is wanted: somebody says that it is free. */
void lease_try(struct lease *lease);

/* Gives it back, so that another worker has it at once. */
void lease_release(struct lease *lease);

/* The connection was lost, and with it the right to believe that the lease is held. */
void lease_doubt(struct lease *lease);

bool lease_held(const struct lease *lease);

/* This worker's name in the lease, and the lease's key. Owned by the lease. */
const char *lease_owner(const struct lease *lease);
const char *lease_key(const struct lease *lease);

#endif

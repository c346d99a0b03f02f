/*
 * A job of the worker: one file, one row of the table in main.c. Jobs share the loop and the
 * link to Redis, and know nothing of each other. Belongs to the loop's thread.
 */
#ifndef HALLEY_JOB_H
#define HALLEY_JOB_H

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/redis/link.h"

struct job {
    const char *name; /* in the log */

    /* All three are lent for as long as the job lives. What is returned is every other call's
     * first argument. */
    void *(*new)(struct ev_loop *loop, const struct config *config, struct link *link);

    /* Functions can be called (again); or the connection for commands was lost, and all that
     * was asked on it was answered with NULL. */
    void (*up)(void *job);
    void (*down)(void *job);

    /* Takes on nothing new, finishes what it has or leaves it to another worker, and then
     * calls `done` once, now or later. */
    void (*drain)(void *job, void (*done)(void *ctx), void *ctx);

    /* Appends a member of a JSON object, which says how the job is doing. */
    void (*report)(const void *job, struct buf *out);

    /* The link is closed already. Safe on NULL. */
    void (*free)(void *job);
};

#endif

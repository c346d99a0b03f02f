/*
 * Where an operator's command works: the configuration, one connection to Redis, and the two ways
 * in which it speaks. It reads what Halley keeps in Redis and calls Halley's functions, but is no
 * part of the installation: it claims nothing, loads nothing, and changes what it is told to.
 *
 * Questions are asked one after the other: desk_ask() returns when the answer is there. One thread.
 */
#ifndef HALLEY_DESK_H
#define HALLEY_DESK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/redis/redis.h"

struct sentinel;

struct desk {
    const struct config *config; /* borrowed */
    bool json;                   /* for scripts; else for people */
    struct ev_loop *loop;
    struct sentinel *sentinel; /* or NULL */
    struct redis *redis;
    bool away;    /* the last attempt to connect failed */
    bool foreign; /* the database is another installation's */
};

/* One line on standard error, which begins with the program's name. */
void desk_complain(const char *fmt, ...) PRINTF_LIKE(1, 2);

/*
 * Connects, and looks whether this database is that of the configuration's installation. False:
 * it was said why not. desk_close() in either case.
 */
bool desk_open(struct desk *desk, const struct config *config, bool json) MUST_CHECK;
void desk_close(struct desk *desk);

/*
 * Sends a command, waits for its reply, and lets `take` look at it (NULL: nobody does). `lens` may
 * be NULL where all are C strings. ERR_REDIS: no answer came within `redis_timeout`; ERR_REFUSED:
 * Redis said an error. Both are said on standard error, and `take` is not called.
 */
enum err desk_ask(struct desk *desk, redis_reply_fn *take, void *ctx, int argc, const char **argv,
                  const size_t *lens) MUST_CHECK;

/* The same where an error of Redis is an answer like others: `take` sees it, nothing is said. */
enum err desk_try(struct desk *desk, redis_reply_fn *take, void *ctx, int argc,
                  const char **argv) MUST_CHECK;

/* Waits for the connection for at most `redis_timeout`. False: it is not there. Says nothing. */
bool desk_back(struct desk *desk) MUST_CHECK;

/* Lets the loop run for so many seconds, or until somebody breaks it. */
void desk_rest(struct desk *desk, double seconds);

/* The options of another connection, to the same Redis. */
struct redis_options desk_options(const struct desk *desk);

/* A key that a channel has: `halley.<kind>:{<channel>}`. */
enum { DESK_KEY = 256 };
void desk_key(char out[DESK_KEY], const char *kind, const char *channel);

/* Whether it can be a channel's name; else that is said on standard error. */
bool desk_names_channel(const char *name);

#endif

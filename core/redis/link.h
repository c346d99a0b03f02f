/*
 * A program's link to Redis: one connection for commands, one that is subscribed (RESP2 does
 * not mix them), the sentinels that say where both lead, and the function library that they
 * work with. Neither connection stays where the other one leaves.
 *
 * Belongs to the loop's thread.
 */
#ifndef HALLEY_LINK_H
#define HALLEY_LINK_H

#include <stdbool.h>

#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/redis/library.h"
#include "core/redis/redis.h"

struct link;

struct link_options {
    const struct config *config;   /* borrowed */
    const char *name;              /* of the connection for commands, for CLIENT LIST; borrowed */
    const char *live_name;         /* of the subscribed one */
    bool strict;                   /* of the library (core/redis/library.h) */
    bool sessions;                 /* of the library */
    struct histogram *round_trips; /* of its commands (core/redis/redis.h); or NULL */
    /* what happens; each is called with `ctx` */
    void (*down)(void *ctx); /* the connection for commands is lost; the library is told already */
    void (*away)(void *ctx); /* an attempt to connect for them failed; NULL: nobody asks */
    const struct library_events *library; /* `ready`: functions can be called */
    void *ctx;
};

/* Begins to connect for commands when the loop runs; link_listen() to hear as well. */
struct link *link_new(struct ev_loop *loop, const struct link_options *options);

/*
 * Gives Redis so many seconds to take what it was told last, and closes both connections: what
 * is still unanswered is answered with NULL, so whoever asked must still be there. The library
 * stays. Safe on NULL.
 */
void link_close(struct link *link, double seconds);

/* Closes where that was not done, and frees. Safe on NULL. */
void link_free(struct link *link);

/* Opens the subscribed connection, which must not be there; what it brings goes to `events`. */
void link_listen(struct link *link, const struct redis_events *events, void *ctx);

/* Closes it, if it is there. Never from one of its events. */
void link_deafen(struct link *link);

/* Lent for as long as the link lives; the subscribed one until link_deafen(), NULL without it. */
struct redis *link_commands(struct link *link);
struct redis *link_subscriber(struct link *link);
struct library *link_library(struct link *link);

/* Whether functions can be called and what is published can be heard. */
bool link_up(const struct link *link);

/* Whether it is up or may be in a moment: no connection has just failed. */
bool link_hopeful(const struct link *link);

/* What Redis or the system said last instead of serving us; "" while Redis serves. */
const char *link_trouble(const struct link *link);

#endif

/*
 * A waiter is one reading request that is held: where it stands in each of its
 * channels, how it is answered, and how long it may wait. This header is shared
 * by waiter.c, which works out what a waiter is owed, and hub.c, which decides
 * when; nobody else includes it. Belongs to the loop's thread.
 */
#ifndef HALLEY_WAITER_H
#define HALLEY_WAITER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/batch.h"
#include "fcgi-app/client.h"
#include "fcgi-app/feed.h"
#include "fcgi-app/fetch.h"
#include "fcgi-app/transport.h"

enum { LIMIT_MAX = 1000 };

/* Where a subscriber of one channel stands. */
enum sub_kind {
    SUB_NOW,   /* wants what comes from now on; becomes SUB_AT as soon as the feed is live */
    SUB_START, /* wants everything that is held */
    SUB_LAST,  /* wants the last `last` messages */
    SUB_AT     /* has everything up to `at` */
};

struct sub {
    struct feed *feed;
    struct waiter *waiter;
    struct position at;
    struct fetch *fetch;       /* what was read, or is being read, for it; or NULL */
    struct sub *prev, *next;   /* of the same feed */
    struct sub *fprev, *fnext; /* waiting for the same fetch */
    unsigned last;
    unsigned confirmed; /* feed_resets() when Redis said that `at` is the newest; 0: never */
    enum sub_kind kind;
};

enum waiter_state {
    WAITER_RESOLVING, /* Redis has yet to say where it stands, or what it missed */
    WAITER_PARKED     /* has everything; waits for a message or its deadline */
};

struct waiter {
    struct hub *hub;
    struct client *client;
    struct hub_holder *holder; /* whoever asked hub_hold(); or NULL */
    const struct transport *transport;
    struct tag *tag; /* whose account it counts for, or NULL */
    struct transport_options options;
    enum waiter_state state;
    bool begun;       /* the answer's header is out: its status can no longer change */
    bool ready;       /* in the hub's list of waiters to look at */
    double wait;      /* seconds it may be parked; 0: not at all */
    bool fenced;      /* must not be answered from memory before Redis gave a sign of life */
    uint64_t fence;   /* the number of that sign of life; 0: not asked for yet */
    double ends;      /* on the loop's clock */
    double refreshed; /* when a stream last sent something */
    unsigned limit;
    unsigned retry; /* milliseconds: tells the client to come back by polling; 0: does not */
    size_t owed;    /* bytes that came while the client's queue was not empty */
    struct ev_timer timer;
    struct waiter *prev, *next;   /* all of them */
    struct waiter *rprev, *rnext; /* the ready ones */
    struct waiter *fprev, *fnext; /* those that await a sign of life */
    size_t sub_count;
    struct sub subs[];
};

/*
 * Works out for each channel where the waiter stands, and asks for reads where
 * memory cannot tell. True when all is known, so that waiter_collect() may be
 * called. Where a feed is not live, a parked waiter just stays where it is. What
 * is to begin "now" begins only if `now` is true.
 */
bool waiter_resolve(struct waiter *waiter, struct fetches *fetches, bool now);

/*
 * Takes what a resolved waiter is owed, up to its limit and `bytes` of payload,
 * and moves it forward. NULL if there is nothing to tell: no message, no gap.
 */
struct batch *waiter_collect(struct waiter *waiter, size_t bytes);

/* A batch without messages: where the waiter stands. */
struct batch *waiter_empty(const struct waiter *waiter);

/* Whether a read that it needs was refused: it can then not be answered. */
bool waiter_refused(const struct waiter *waiter);

/* Gives back what a sub has of a fetch. */
void sub_forget_fetch(struct sub *sub);

#endif

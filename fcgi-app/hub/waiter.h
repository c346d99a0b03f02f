/*
 * A waiter is one reading request that is held: where it stands in each of its
 * channels, how it is answered, and how long it may wait. This header is shared
 * by waiter.c, which works out what a waiter is owed, and the files of the hub,
 * which decide when. Belongs to the loop's thread.
 */
#ifndef HALLEY_WAITER_H
#define HALLEY_WAITER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/ring.h"
#include "core/base/wheel.h"
#include "core/data/batch.h"
#include "core/data/since.h"
#include "core/follow/feed.h"
#include "core/follow/fetch.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/rights/limits.h"
#include "fcgi-app/transports/transport.h"

/* Where a subscriber of one channel stands; SINCE_NOW becomes SINCE_AT when the feed is live. */
struct sub {
    struct feed *feed;
    struct position at;
    struct sub_read *read; /* what was read, or is being read, for it; or NULL */
    struct ring ring;      /* of the feed's subscribers */
    unsigned kind : 2;     /* enum since_kind; with `last` and `at` a struct since */
    unsigned index : 10;   /* its place among the waiter's */
    unsigned last : 20;
    unsigned confirmed : 31; /* feed_resets() when Redis said that `at` is the newest; 0: never */
    unsigned misled : 1;     /* was told what history does not hold: is owed a gap */
};

/* A sub's share of a fetch; it has one only while it needs something read. */
struct sub_read {
    struct sub *sub;
    struct fetch *fetch;
    struct ring ring; /* of those to be told when it is done */
};

/* What only a few waiters have. */
struct waiter_extra {
    struct hub_holder *holder;  /* whoever asked hub_hold(); or NULL */
    struct tag *tag;            /* whose account it counts for, or NULL */
    char *callback;             /* of its transport's options */
    const struct identity *who; /* whose rights it has; NULL: nobody known */
    bool renews;                /* its holder sees to what becomes of `who` */
    struct stake stake;         /* what it takes of its visitor's limits */
};

/* Times are ticks of the hub's wheel; deadline.own: when its wait, or its stream, is over. */
struct waiter {
    struct hub *hub;
    struct client *client;
    struct waiter_extra *extra;  /* NULL: it has none of that */
    struct wheel_entry deadline; /* when it must be looked at next; always set */
    struct ring turn;            /* of those that are ready, or that wait for a fence */
    uint32_t refreshed;          /* when a stream last sent something */
    uint32_t owed;               /* bytes that came while the client's queue was not empty */
    uint16_t limit : 10;
    uint16_t
        heartbeat : 6; /* seconds within which it must be found that its client has left; 0: none */
    uint16_t sub_count;
    uint8_t transport;     /* its index */
    uint8_t variant;       /* of its transport's options */
    uint8_t step;          /* of the times after which it is told to come back (retry.h) */
    bool parked : 1;       /* has, or had, everything; else Redis has yet to say where it stands */
    bool begun : 1;        /* the answer's header is out: its status can no longer change */
    bool waits : 1;        /* may be parked */
    bool told_to_poll : 1; /* to come back by polling: there is hardly any room */
    bool early : 1;        /* wants its header ahead, if it is parked for long */
    bool needs_fence : 1;  /* must not be answered from memory before a fence has passed */
    bool fence_passed : 1; /* a fence has, that was asked for after the request began */
    bool slow : 1;         /* has not taken all that it was sent: counted in its feeds' rows */
    struct sub subs[];
};

/* What one answer may carry. */
struct portion {
    size_t bytes;        /* of payload; at least one message */
    size_t each;         /* bytes that come with every message, and count as its payload */
    unsigned poll_after; /* milliseconds after which it says to come back; 0: it does not say */
};

/* Whether it goes on after a batch. */
static inline bool waiter_stream(const struct waiter *waiter) {
    return transport_at(waiter->transport)->stream;
}

static inline struct waiter *sub_waiter(const struct sub *sub) {
    return RING_OF(sub - sub->index, struct waiter, subs);
}

/*
 * Works out for each channel where the waiter stands, and asks for reads where
 * memory cannot tell. True when all is known, so that waiter_collect() may be
 * called. Where a feed is not live, a parked waiter just stays where it is. What
 * is to begin "now" begins only if `now` is true. The reads of all channels together
 * ask for about `bytes`, what one answer may carry, but for a message of each that is not
 * long, and the long one that comes first.
 */
bool waiter_resolve(struct waiter *waiter, struct fetches *fetches, size_t bytes, bool now);

/*
 * Takes what a resolved waiter is owed, up to its limit and a portion, and moves it
 * forward. NULL if there is nothing to tell: no message, no gap.
 */
struct batch *waiter_collect(struct waiter *waiter, const struct portion *portion);

/* A batch without messages: where the waiter stands. */
struct batch *waiter_empty(const struct waiter *waiter, unsigned poll_after);

/* What Redis said when it refused one of its channels: it cannot be answered. NULL: nothing. */
const char *waiter_refusal(const struct waiter *waiter);

/* About as many bytes as its cursor has. */
size_t waiter_cursor_bytes(const struct waiter *waiter);

/*
 * Up to where a live feed's messages are for this subscriber: a poll takes all, who waits
 * takes what is shown.
 */
struct position sub_end(const struct sub *sub);

/* Where the subscriber stands, apart from its waiter. */
static inline struct since sub_since(const struct sub *sub) {
    return (struct since){(enum since_kind)sub->kind, sub->last, sub->at};
}

/* Gives back what a sub has of a fetch. */
void sub_forget_read(struct sub *sub);

#endif

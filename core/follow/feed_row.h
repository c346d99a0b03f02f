/*
 * What a feed and the hub have in common: the hub's row of a feed, and what feeds tell the
 * hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_FEED_ROW_H
#define HALLEY_FEED_ROW_H

#include <stdbool.h>

#include "core/base/ring.h"
#include "core/data/cursor.h"
#include "core/data/message.h"

struct feed;

/* What the hub keeps with a feed. */
struct feed_row {
    struct ring subs;  /* everybody who subscribes */
    struct ring ready; /* waiters that are to be looked at because of this feed */
    struct ring turn;  /* its place among the rows that have any */
    unsigned slow;     /* subscribers who have not taken what they were sent */
    bool told;         /* all subscribers were made ready since one had its turn */
};

struct feeds_events {
    /* a message was appended to the tail; it is not shown yet */
    void (*message)(void *ctx, struct feed *feed, const struct message *message);
    /* there is more to show, or the feed is live again and may stand somewhere else */
    void (*moved)(void *ctx, struct feed *feed);
    /* Redis refuses the channel: feed_refusal() says why. Nobody is served by it for now */
    void (*refused)(void *ctx, struct feed *feed);
    /*
     * what was shown of the messages behind `from`, up to `to`, is not what history holds:
     * whoever stands behind `from` may have missed something; who stands up to `to` goes on
     * at `from`
     */
    void (*misled)(void *ctx, struct feed *feed, struct position from, struct position to);
};

#endif

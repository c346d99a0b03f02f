/*
 * What the hub keeps with a feed: who subscribes, and who of them is to be looked at. Belongs
 * to the loop's thread.
 */
#ifndef HALLEY_FEED_ROW_H
#define HALLEY_FEED_ROW_H

#include <stdbool.h>

#include "core/base/ring.h"
#include "core/follow/feed.h"

struct feed_row {
    struct ring subs;  /* everybody who subscribes */
    struct ring ready; /* waiters that are to be looked at because of this feed */
    struct ring turn;  /* its place among the rows that have any */
    unsigned slow;     /* subscribers who have not taken what they were sent */
    bool told;         /* all subscribers were made ready since one had its turn */
};

static inline struct feed_row *feed_row(struct feed *feed) {
    return feed_room(feed);
}

#endif

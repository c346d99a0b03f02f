/*
 * A waiter's stay in the hub, from its beginning to its end. One of the files of the hub.
 * Belongs to the loop's thread.
 */
#ifndef HALLEY_STAY_H
#define HALLEY_STAY_H

#include "fcgi-app/counts/tally.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/hub/feed_row.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/hub/waiter.h"

/*
 * A waiter for a reading request, whose callback it takes over, with subs that have no feeds
 * yet. It has no deadline yet, and is not ready. `holder` is borrowed; NULL: there is none.
 */
struct waiter *stay_begin(struct hub *hub, struct client *client, const struct hub_read *read,
                          struct hub_holder *holder);

/*
 * Has the waiter take its turn soon, in the row of a feed that has something for it; or
 * of the first of its feeds.
 */
void stay_ready_in(struct waiter *waiter, struct feed_row *row);
void stay_ready(struct waiter *waiter);

/* Notes whether the waiter has yet to take what it was sent. */
void stay_set_slow(struct waiter *waiter, bool slow);

/* Counts what the waiter spends: for its transport, and for its tag if it has one. */
void stay_spend(struct waiter *waiter, const struct tally *spent);

/* Frees the waiter, whose client is somebody else's by now. */
void stay_end(struct waiter *waiter);

#endif

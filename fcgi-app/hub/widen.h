/*
 * A waiter who watches a pattern gets channels while it is held. One of the files of the hub.
 * Belongs to the loop's thread.
 */
#ifndef HALLEY_WIDEN_H
#define HALLEY_WIDEN_H

#include "fcgi-app/hub/waiter.h"

/* A waiter's subs at the most: what an index of a sub can tell apart. */
enum { WIDEST = 1024 };

/* Whether there may be somebody who may read the channel. */
bool widen_possible(const struct config *config, const char *name, size_t len);

/*
 * Has everybody who watches the pattern, whose feed this is, read these channels from their
 * start, unless they do already or may not. Where one cannot be held any more it ends.
 */
struct hub_channel;
void widen_all(struct hub *hub, struct feed *pattern, const struct hub_channel *channels,
               size_t count);

#endif

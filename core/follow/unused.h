/*
 * Feeds that nobody uses: they rest, for somebody who comes back, or are spent and go. One of
 * the files of a feed. Belongs to the loop's thread.
 */
#ifndef HALLEY_UNUSED_H
#define HALLEY_UNUSED_H

#include "core/follow/_feed.h"

/* From now on it is unused; it stays as it is. */
void unused_rest(struct feed *feed);

/* It is neither used nor subscribed: it is freed when the loop comes round. */
void unused_spend(struct feed *feed);

/* Who has rested for longest; NULL: none does. Borrowed. */
struct feed *unused_longest(struct feeds *feeds);

#endif

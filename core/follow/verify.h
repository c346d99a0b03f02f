/*
 * Whether what a feed has passed on is what history holds. For mend.c alone. Pure.
 */
#ifndef HALLEY_VERIFY_H
#define HALLEY_VERIFY_H

#include "core/follow/_feed.h"
#include "core/redis/page.h"

/* Whether two messages have the same time and payload. */
bool verify_same(const struct message *a, const struct message *b);

/* What was passed on under that id, if it is still known; or NULL. */
const struct message *verify_told(const struct feed *feed, struct position id);

/* Whether a page that ends in the feed's epoch says that the feed went too far. */
bool verify_too_far(const struct feed *feed, const struct history_page *page);

/*
 * Up to where history holds what was passed on, by a page that begins in front of the first
 * suspect; the feed's own place if nothing speaks against that.
 */
struct position verify_page(const struct feed *feed, const struct history_page *page);

#endif

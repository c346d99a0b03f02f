/*
 * What feeds and reads tell the hub. One of the files of the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_NEWS_H
#define HALLEY_NEWS_H

#include "core/follow/feed.h"
#include "core/follow/fetch.h"

/* For feeds_new(); their context is the hub. */
extern const struct feeds_events news_events;

/* For fetches_new(): makes ready whoever waits for this read. */
void news_fetched(void *ctx, struct fetch *fetch);

#endif

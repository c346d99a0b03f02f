/*
 * Channel names: what they may be, and what Redis knows them by.
 */
#ifndef HALLEY_CHANNEL_H
#define HALLEY_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

enum { CHANNEL_MAX = 200 };

/* What a bare publish is addressed to, and what the sequenced feed is named after. */
#define CHANNEL_BARE_PREFIX "halley:"
#define CHANNEL_LIVE_PREFIX "halley.live:"

/* 1 to CHANNEL_MAX bytes of UTF-8, no control characters, none of { } *. */
bool channel_valid(const char *name, size_t len);

/* Names that begin with ~ are Halley's own: never publishable from outside. */
bool channel_reserved(const char *name, size_t len);

/* Appends the pub/sub name of a channel's sequenced feed, `halley.live:{name}`. */
void channel_live_name(struct buf *out, const char *name, size_t len);

/*
 * Finds the channel's name inside `halley.live:{name}`. Returns false if `live`
 * is not such a name.
 */
bool channel_from_live(const char *live, size_t live_len, const char **name, size_t *len);

#endif

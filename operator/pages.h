/*
 * Reads a channel's history, page by page, as every reader of Halley does (halley_read), so that
 * what is missing is told as it is told to browsers.
 */
#ifndef HALLEY_PAGES_H
#define HALLEY_PAGES_H

#include <stddef.h>

#include "core/data/cursor.h"
#include "core/data/message.h"
#include "operator/desk.h"

/* What a read finds, in order. Each is called with `ctx`. */
struct pages_events {
    void (*message)(void *ctx, struct message *message);
    void (*gap)(void *ctx); /* something that was owed is missing between what stands around it */
};

/*
 * Reads what follows `since` ("now", "start", "-K", or a position as text), up to `limit` messages
 * (0: all). `*after` (may be NULL) is where a reader stands behind what it was given. Errors as
 * desk_ask(), said there; `*after` is then good for what was given before.
 */
enum err pages_read(struct desk *desk, const char *channel, const char *since, size_t limit,
                    const struct pages_events *events, void *ctx,
                    struct position *after) MUST_CHECK;

#endif

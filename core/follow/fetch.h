/*
 * Reads of the history that somebody waits for: collected over one turn of the loop,
 * so that thousands who stand at the same place cost one read. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_FETCH_H
#define HALLEY_FETCH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/ring.h"
#include "core/data/since.h"
#include "core/follow/counts.h"
#include "core/follow/feed.h"
#include "core/redis/history.h"
#include "core/redis/words.h"

/* A read, asked for, under way or done. `page` may be looked at once done. */
struct fetch {
    struct fetches *owner;
    uint64_t serial; /* no two fetches of a process have the same */
    struct feed *feed;
    struct since since;
    unsigned limit;
    size_t bytes;
    size_t longest;
    bool sent;
    bool done;
    struct position stood;    /* where the feed stood when it was sent */
    struct history_page page; /* its messages are referenced by the fetch */
    char why[WORDS_MAX];      /* the page's */
    struct ring waiting;      /* its owner's: those to be told */
    unsigned refs;
    struct fetch *prev, *next;
};

struct fetches;

/* `done` is called for each fetch when it has its page (err is ERR_OK or ERR_REFUSED). */
struct fetches *fetches_new(struct follow_counts *counts, struct history *history,
                            void (*done)(void *ctx, struct fetch *fetch), void *ctx);
void fetches_free(struct fetches *fetches);

/*
 * The read of `feed` after `since` (history_read), with one more reference: one that was asked
 * for in this turn of the loop, or a new one. A read that was sent is never
 * joined: it may have been carried out before the caller's request began.
 */
struct fetch *fetch_take(struct fetches *fetches, struct feed *feed, const struct since *since,
                         unsigned limit, size_t bytes, size_t longest);
void fetch_release(struct fetch *fetch);

/* Sends what was asked for; what cannot be sent now stays. Once a turn of the loop. */
void fetches_send(struct fetches *fetches);

#endif

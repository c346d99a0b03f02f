/*
 * Collected reads. Whoever stands where memory knows nothing takes a
 * fetch; before the loop sleeps they are sent, pipelined. When Redis is away
 * they stay, and go out when it is back; those who wait decide how
 * long that is worth waiting for.
 */
#include "core/follow/fetch.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

struct fetches {
    struct follow_counts *counts;
    struct history *history;
    void (*done)(void *ctx, struct fetch *fetch);
    void *ctx;
    struct fetch *unsent;
    uint64_t serial;
};

struct fetches *fetches_new(struct follow_counts *counts, struct history *history,
                            void (*done)(void *ctx, struct fetch *fetch), void *ctx) {
    struct fetches *fetches = mem_new(sizeof *fetches);
    fetches->counts = counts;
    fetches->history = history;
    fetches->done = done;
    fetches->ctx = ctx;
    return fetches;
}

void fetches_free(struct fetches *fetches) {
    free(fetches);
}

struct fetch *fetch_take(struct fetches *fetches, struct feed *feed, const struct since *since,
                         unsigned limit, size_t bytes, size_t longest) {
    struct fetch *fetch;

    DL_FOREACH (fetches->unsent, fetch) {
        if (fetch->feed == feed && fetch->limit == limit && fetch->bytes == bytes &&
            fetch->longest == longest && since_same(&fetch->since, since)) {
            fetch->refs++;
            return fetch;
        }
    }
    fetch = mem_new(sizeof *fetch);
    fetch->owner = fetches;
    fetch->serial = ++fetches->serial;
    fetch->feed = feed;
    fetch->limit = limit;
    fetch->bytes = bytes;
    fetch->longest = longest;
    fetch->refs = 1;
    ring_init(&fetch->waiting);
    fetch->since = *since;
    DL_PREPEND(fetches->unsent, fetch);
    return fetch;
}

void fetch_release(struct fetch *fetch) {
    if (fetch == NULL || --fetch->refs > 0)
        return;
    if (!fetch->sent)
        DL_DELETE(fetch->owner->unsent, fetch);
    page_free(&fetch->page);
    free(fetch);
}

/* What the feed passed on, history must have held by then. */
static void compare(const struct fetch *fetch) {
    struct feed *feed = fetch->feed;

    if (fetch->page.err == ERR_OK && fetch->refs > 1 && fetch->stood.n > 0 && feed_live(feed) &&
        position_compare(fetch->stood, feed_position(feed)) == 0 &&
        position_compare(fetch->page.tail, fetch->stood) < 0)
        feed_doubt(feed);
}

static void on_page(void *ctx, const struct history_page *page) {
    struct fetch *fetch = ctx;
    struct fetches *fetches = fetch->owner;

    if (page->err == ERR_REDIS && fetch->refs > 1) {
        fetch->sent = false; /* it goes out again when Redis is back */
        DL_PREPEND(fetches->unsent, fetch);
        fetch_release(fetch);
        return;
    }
    fetch->page = *page;
    if (page->err == ERR_REFUSED) {
        snprintf(fetch->why, sizeof fetch->why, "%s", page->why);
        fetch->page.why = fetch->why;
    }
    fetch->page.messages = mem_new(page->count * sizeof(struct message *));
    for (size_t i = 0; i < page->count; i++)
        fetch->page.messages[i] = message_ref(page->messages[i]);
    fetch->done = true;
    compare(fetch);
    if (fetch->refs > 1)
        fetches->done(fetches->ctx, fetch);
    fetch_release(fetch);
}

void fetches_send(struct fetches *fetches) {
    struct fetch *fetch, *next;
    char since[SINCE_TEXT];
    size_t len;

    if (!history_ready(fetches->history))
        return;
    DL_FOREACH_SAFE (fetches->unsent, fetch, next) {
        const char *name = feed_name(fetch->feed, &len);
        since_format(&fetch->since, since);
        if (history_read(fetches->history, name, len, since, fetch->limit, fetch->bytes,
                         fetch->longest, on_page, fetch) != ERR_OK)
            return;
        DL_DELETE(fetches->unsent, fetch);
        fetch->sent = true;
        fetch->stood = feed_live(fetch->feed) ? feed_position(fetch->feed) : (struct position){0};
        fetch->refs++; /* the read's own */
        fetches->counts->reads++;
    }
}

/*
 * Feeds. The order that makes a feed exact: subscribe, wait until Redis confirms
 * it, only then read where the channel stands; what is heard in between is kept
 * aside and what is already known by its id is dropped. Live ids are checked
 * for holes. A hole, or a subscription that was lost and is back, is mended from
 * the history (mend.c) before what is behind it is passed on:
 *
 *   OFF ─► SUBSCRIBING ─► SUBSCRIBED ─► SYNCING ─► LIVE ─► LEAVING ─► freed or OFF
 *    ▲          │              │            │        │ │ hole
 *    └──────────┴── connection lost ────────┴────────┘ └──► SYNCING
 *
 * Where Redis refuses to subscribe, or to read, the feed keeps what it said: whoever
 * uses it is told that, and whoever comes when the pause is over makes it try again.
 *
 * A feed that nobody uses is kept `linger` seconds, for a long-poller that comes
 * back; where there are too many, the one that has been unused for longest goes first. A
 * channel that is only polled, and not often, is not subscribed at all: its feed is bare.
 * No feed is freed but when the loop comes round: whoever uses it may be on the stack.
 */
#include "core/follow/feed.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/follow/_feed.h"
#include "core/follow/hear.h"
#include "core/follow/mend.h"
#include "core/follow/subscription.h"
#include "core/follow/unused.h"

#define SWEEP    2.0  /* seconds between looks for feeds that nobody uses */
#define SWEEP_ON 0.05 /* and between those that leave SWEEP_MOST, while there are more */
#define LOOK     0.01 /* and for those whose doubts can be settled, while there are any */

enum {
    SWEEP_MOST = 256,   /* feeds that are left in one look */
    PARTING_MAX = 4096, /* feeds over FEEDS_MAX while others are on their way out */
};

static void feed_free(struct feed *feed) {
    mend_forget(feed);
    gather_begin(&feed->gather);
    if (feed->feeds->events->gone != NULL)
        feed->feeds->events->gone(feed->feeds->ctx, feed);
    ring_remove(&feed->unused);
    HASH_DEL(feed->feeds->by_name, feed);
    free(feed->name);
    free(feed);
}

static void on_gathered(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct feed *feed = timer->data;
    (void)loop, (void)events;
    gather_begin(&feed->gather);
    hear_show(feed);
}

/* Lets go of a feed that nobody uses. What is being subscribed or read rests once more. */
static void leave(struct feed *feed) {
    if (feed->state == FEED_LIVE || feed->state == FEED_SUBSCRIBED) {
        ring_remove(&feed->unused);
        feed->bare = true;
        subscription_end(feed);
    } else if (feed->state == FEED_OFF) {
        unused_spend(feed);
    } else {
        unused_rest(feed);
    }
}

/* Leaves the feeds that nobody has used for `linger` seconds, some at a time. */
static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct feeds *feeds = timer->data;
    struct feed *feed = unused_longest(feeds);
    int left = 0;
    (void)events;

    while (feed != NULL && left < SWEEP_MOST &&
           ev_now(loop) - feed->idle_since >= feeds->config->linger) {
        leave(feed);
        left++;
        feed = unused_longest(feeds);
    }
    timer->repeat = left < SWEEP_MOST ? SWEEP : SWEEP_ON;
    ev_timer_again(loop, timer);
}

static void on_tidy(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct feeds *feeds = timer->data;
    (void)loop, (void)events;

    while (!ring_empty(&feeds->spent)) {
        struct feed *feed = RING_OF(feeds->spent.next, struct feed, unused);
        if (feed->reads == 0 && feed->state == FEED_OFF)
            feed_free(feed);
        else
            unused_rest(feed);
    }
}

static void on_look(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    mend_look(timer->data);
}

struct feeds *feeds_new(struct ev_loop *loop, struct follow_counts *counts,
                        const struct config *config, const struct feeds_events *events, void *ctx) {
    struct feeds *feeds = mem_new(sizeof *feeds);
    feeds->loop = loop;
    feeds->counts = counts;
    feeds->config = config;
    feeds->events = events;
    feeds->ctx = ctx;
    ev_timer_init(&feeds->sweep, on_sweep, SWEEP, SWEEP);
    feeds->sweep.data = feeds;
    ev_timer_start(loop, &feeds->sweep);
    ring_init(&feeds->unused);
    ring_init(&feeds->spent);
    ev_timer_init(&feeds->tidy, on_tidy, 0, 0);
    feeds->tidy.data = feeds;
    ring_init(&feeds->due);
    ring_init(&feeds->kept);
    ev_init(&feeds->look, on_look);
    feeds->look.repeat = LOOK;
    feeds->look.data = feeds;
    return feeds;
}

void feeds_attach(struct feeds *feeds, struct redis *subscriber, struct history *history) {
    feeds->subscriber = subscriber;
    feeds->history = history;
}

void feeds_free(struct feeds *feeds) {
    struct feed *feed, *next;

    if (feeds == NULL)
        return;
    ev_timer_stop(feeds->loop, &feeds->look);
    ev_timer_stop(feeds->loop, &feeds->sweep);
    ev_timer_stop(feeds->loop, &feeds->tidy);
    HASH_ITER (hh, feeds->by_name, feed, next) {
        feed_free(feed);
    }
    free(feeds);
}

/* Whether there may be one more feed: one that nobody uses gives way. */
static bool make_room(struct feeds *feeds) {
    struct feed *feed = unused_longest(feeds);

    if (HASH_COUNT(feeds->by_name) < FEEDS_MAX)
        return true;
    if (feed != NULL) {
        feeds->counts->channels_dropped++;
        leave(feed);
    }
    return (feed != NULL || !ring_empty(&feeds->spent)) &&
           HASH_COUNT(feeds->by_name) < FEEDS_MAX + PARTING_MAX;
}

static struct feed *feed_new(struct feeds *feeds, const char *channel, size_t len) {
    struct feed *feed = mem_new(sizeof *feed + feeds->events->room);

    feed->feeds = feeds;
    feed->name = mem_copy(channel, len);
    feed->len = len;
    feed->bare = true;
    feed->resets = 1;
    feed->serial = ++feeds->serial;
    gather_init(&feed->gather, feeds->loop, config_channel(feeds->config, channel, len)->batch_ms,
                on_gathered, feed);
    HASH_ADD_KEYPTR(hh, feeds->by_name, feed->name, feed->len, feed);
    if (feeds->events->made != NULL)
        feeds->events->made(feeds->ctx, feed);
    return feed;
}

struct feed *feeds_take(struct feeds *feeds, const char *channel, size_t len, bool polls) {
    struct feed *feed;

    HASH_FIND(hh, feeds->by_name, channel, len, feed);
    if (feed == NULL && !make_room(feeds))
        return NULL;
    if (feed == NULL)
        feed = feed_new(feeds, channel, len);
    ring_remove(&feed->unused);
    feed->users++;
    if (feed->bare && (!polls || heat_add(&feeds->heat, feed->hh.hashv, ev_now(feeds->loop))))
        feed->bare = false;
    if (!feed->bare && feed->state == FEED_OFF && feed->refusal == NULL)
        subscription_begin(feed); /* one that is leaving is subscribed as soon as it has left */
    subscription_wake(feed);
    return feed;
}

bool feeds_know(const struct feeds *feeds, const char *channel, size_t len) {
    const struct feed *feed;

    HASH_FIND(hh, feeds->by_name, channel, len, feed);
    return feed != NULL;
}

void feed_release(struct feed *feed) {
    if (--feed->users > 0)
        return;
    if (feed->bare && feed->state == FEED_OFF)
        unused_spend(feed);
    else
        unused_rest(feed);
}

bool feed_bare(const struct feed *feed) {
    return feed->bare;
}

const char *feed_name(const struct feed *feed, size_t *len) {
    *len = feed->len;
    return feed->name;
}

bool feed_live(const struct feed *feed) {
    return feed->state == FEED_LIVE;
}

bool feed_sure(const struct feed *feed) {
    return !doubts_any(&feed->doubts) && feed->suspects.count == 0;
}

const char *feed_refusal(const struct feed *feed) {
    return feed->refusal;
}

void feed_doubt(struct feed *feed) {
    mend_doubt(feed);
}

struct position feed_position(const struct feed *feed) {
    return feed->position;
}

struct position feed_shown(const struct feed *feed) {
    return feed->shown;
}

unsigned feed_resets(const struct feed *feed) {
    return feed->resets;
}

long feed_count(const struct feed *feed) {
    return (long)feed->tail.count;
}

struct message *feed_at(const struct feed *feed, long index) {
    return tail_at(&feed->tail, index);
}

long feed_after(const struct feed *feed, struct position position) {
    if (position_compare(position, feed->position) == 0)
        return feed_count(feed);
    return tail_after(&feed->tail, position);
}

void *feed_room(struct feed *feed) {
    return feed->room;
}

uint64_t feed_serial(const struct feed *feed) {
    return feed->serial;
}

void feeds_each(struct feeds *feeds, void (*each)(void *ctx, struct feed *feed), void *ctx) {
    for (struct feed *feed = feeds->by_name; feed != NULL; feed = feed->hh.next)
        each(ctx, feed);
}

/*
 * Feeds. The order that makes a feed exact: subscribe, wait until Redis confirms
 * it, only then read where the channel stands; what is heard in between is kept
 * aside and what is already known by its id is dropped. Live ids are checked
 * for holes. A hole, or a subscription that was lost and is back, is mended from
 * the history before anything else is passed on:
 *
 *   OFF ─► SUBSCRIBING ─► SUBSCRIBED ─► SYNCING ─► LIVE ─► LEAVING ─► freed or OFF
 *    ▲          │              │            │        │ │ hole
 *    └──────────┴── connection lost ────────┴────────┘ └──► SUBSCRIBED
 *
 * A mending read that brings everything, without a gap, is appended like live
 * messages. Otherwise the tail is emptied, the feed goes on at the end of the
 * channel, and `resets` counts up: every subscriber then stands somewhere that
 * memory knows nothing about, and the hub reads the history for it, which tells
 * a gap exactly.
 *
 * A feed that nobody uses is kept `linger` seconds, for a long-poller that comes
 * back.
 */
#include "fcgi-app/feed.h"

#include <stdlib.h>
#include <string.h>

#include "core/buf.h"
#include "core/collections.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/names.h"
#include "fcgi-app/gather.h"
#include "fcgi-app/tail.h"

enum { PENDING_MAX = 256 }; /* messages kept aside while a feed is mended */
#define SWEEP 2.0           /* seconds between looks for feeds that nobody uses */

enum feed_state {
    FEED_OFF,         /* not subscribed: made just now, or the connection is away */
    FEED_SUBSCRIBING, /* asked for; not confirmed */
    FEED_SUBSCRIBED,  /* confirmed; the history must be read as soon as that is possible */
    FEED_SYNCING,     /* being read; live messages are kept aside */
    FEED_LIVE,
    FEED_LEAVING /* unsubscribing; not confirmed, so it cannot be subscribed again yet */
};

struct feed {
    UT_hash_handle hh;
    struct feeds *feeds;
    char *name;
    size_t len;
    enum feed_state state;
    unsigned users;
    ev_tstamp idle_since;
    unsigned reads;           /* under way; a feed with any is not freed */
    unsigned attempt;         /* which read counts; the answers of others are dropped */
    bool known;               /* `position` was read at least once */
    struct position position; /* where the feed stands: the tail's last, or its base */
    unsigned resets;
    struct tail tail;
    struct message **pending; /* PENDING_MAX of them, or NULL while there are none */
    size_t pending_count;
    struct position shown; /* up to where those who wait may see */
    struct gather gather;
    struct feed_row row;
    uint64_t serial;
};

struct feeds {
    struct ev_loop *loop;
    struct stats *stats;
    const struct config *config;
    const struct feeds_events *events;
    void *ctx;
    struct redis *subscriber;
    struct history *history;
    struct feed *by_name;
    uint64_t serial; /* of the last feed that was made */
    struct ev_timer sweep;
};

struct sync_call {
    struct feed *feed;
    unsigned attempt;
};

/* ------------------------------------------------------------------- messages */

/* Shows all that there is. */
static void show(struct feed *feed) {
    feed->shown = feed->position;
    feed->feeds->events->moved(feed->feeds->ctx, feed);
}

static void on_gathered(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct feed *feed = timer->data;
    (void)loop, (void)events;
    gather_begin(&feed->gather);
    show(feed);
}

static void append(struct feed *feed, struct message *message) {
    tail_add(&feed->tail, message, (size_t)feed->feeds->config->tail);
    feed->position = message->id;
    feed->feeds->events->message(feed->feeds->ctx, feed, message);
    if (gather_note(&feed->gather))
        show(feed);
}

static void pending_clear(struct feed *feed) {
    for (size_t i = 0; i < feed->pending_count; i++)
        message_unref(feed->pending[i]);
    feed->pending_count = 0;
    free(feed->pending);
    feed->pending = NULL;
}

/* Keeps a message aside. When there are too many they are forgotten: the hole is then seen. */
static void pending_add(struct feed *feed, struct message *message) {
    if (feed->pending_count == PENDING_MAX)
        pending_clear(feed);
    if (feed->pending == NULL)
        feed->pending = mem_new(PENDING_MAX * sizeof *feed->pending);
    feed->pending[feed->pending_count++] = message_ref(message);
}

/* -------------------------------------------------------------- states and reads */

static void sync_feed(struct feed *feed);

/* The one place where a feed's state changes. */
static void set_state(struct feed *feed, enum feed_state state) {
    struct stats *stats = feed->feeds->stats;
    bool was_on = feed->state != FEED_OFF, is_on = state != FEED_OFF;

    feed->state = state;
    stats->channels += (uint64_t)is_on - (uint64_t)was_on;
    if (state == FEED_OFF || state == FEED_LEAVING)
        pending_clear(feed);
}

static void subscribe(struct feed *feed) {
    struct buf name = buf_make(LIVE_NAME_MAX);
    names_live(&name, feed->feeds->config->prefix, feed->name, feed->len);
    if (redis_subscribe(feed->feeds->subscriber, name.data, name.len, false) == ERR_OK)
        set_state(feed, FEED_SUBSCRIBING);
    buf_free(&name);
}

static void unsubscribe(struct feed *feed) {
    struct buf name = buf_make(LIVE_NAME_MAX);
    names_live(&name, feed->feeds->config->prefix, feed->name, feed->len);
    if (redis_unsubscribe(feed->feeds->subscriber, name.data, name.len, false) == ERR_OK)
        set_state(feed, FEED_LEAVING);
    buf_free(&name);
}

/* Takes a live message: the next one, one already known, or one behind a hole. */
static bool take_live(struct feed *feed, struct message *message) {
    struct position at = feed->position, id = message->id;

    if (id.epoch == at.epoch && id.n <= at.n)
        return true;
    if (id.epoch == at.epoch && id.n == at.n + 1) {
        append(feed, message);
        return true;
    }
    pending_add(feed, message);
    return false;
}

/* What was kept aside follows what was read; the rest waits if there is a hole again. */
static void take_pending(struct feed *feed) {
    struct message **kept = feed->pending;
    size_t count = feed->pending_count;
    bool whole = true;

    feed->pending = NULL;
    feed->pending_count = 0;
    for (size_t i = 0; i < count; i++) {
        if (position_compare(kept[i]->id, feed->position) > 0) {
            if (whole)
                whole = take_live(feed, kept[i]);
            else
                pending_add(feed, kept[i]);
        }
        message_unref(kept[i]);
    }
    free(kept);
    if (!whole)
        sync_feed(feed);
}

static void reset_to(struct feed *feed, struct position position) {
    if (feed->known)
        feed->resets++;
    tail_reset(&feed->tail, position);
    feed->position = position;
    feed->known = true;
}

static void on_synced(void *ctx, const struct history_page *page) {
    struct sync_call *call = ctx;
    struct feed *feed = call->feed;
    bool counts = call->attempt == feed->attempt && feed->state == FEED_SYNCING;

    feed->reads--;
    free(call);
    if (!counts)
        return;
    if (page->err != ERR_OK) {
        set_state(feed, FEED_SUBSCRIBED); /* read again when the history is ready */
        return;
    }
    if (!feed->known || page->gap || page->more) {
        reset_to(feed, page->tail);
    } else {
        for (size_t i = 0; i < page->count; i++)
            append(feed, page->messages[i]);
        feed->position = page->tail;
        if (feed->tail.count == 0)
            feed->tail.base = page->tail;
    }
    set_state(feed, FEED_LIVE);
    take_pending(feed);
    if (feed->state == FEED_LIVE)
        show(feed);
}

static void sync_feed(struct feed *feed) {
    char since[POSITION_TEXT] = "now";
    struct feeds *feeds = feed->feeds;

    if (feed->known) {
        position_format(feed->position, since);
        feeds->stats->resyncs++;
    }
    struct sync_call *call = mem_new(sizeof *call);
    *call = (struct sync_call){.feed = feed, .attempt = ++feed->attempt};
    feeds->stats->reads++;
    set_state(feed, FEED_SUBSCRIBED);
    if (history_read(feeds->history, feed->name, feed->len, since, (unsigned)feeds->config->tail,
                     HISTORY_PAGE, on_synced, call) != ERR_OK) {
        free(call);
        return;
    }
    feed->reads++;
    set_state(feed, FEED_SYNCING);
}

/* ------------------------------------------------------------ what Redis tells us */

void feeds_up(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        subscribe(feed);
    }
}

void feeds_down(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        set_state(feed, FEED_OFF);
    }
}

void feeds_ready(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        if (feed->state == FEED_SUBSCRIBED)
            sync_feed(feed);
    }
}

void feeds_doubt(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        if (feed->state == FEED_LIVE)
            sync_feed(feed);
    }
}

static struct feed *find_live_name(struct feeds *feeds, const char *channel, size_t len) {
    const char *name;
    size_t name_len;
    struct feed *feed = NULL;

    if (names_of_live(feeds->config->prefix, channel, len, &name, &name_len))
        HASH_FIND(hh, feeds->by_name, name, name_len, feed);
    return feed;
}

static void feed_free(struct feed *feed) {
    set_state(feed, FEED_OFF);
    gather_begin(&feed->gather);
    ring_remove(&feed->row.turn);
    tail_reset(&feed->tail, feed->position);
    HASH_DEL(feed->feeds->by_name, feed);
    free(feed->name);
    free(feed);
}

void feeds_subscribed(struct feeds *feeds, const char *channel, size_t len, bool on) {
    struct feed *feed = find_live_name(feeds, channel, len);

    if (feed == NULL)
        return;
    if (on && feed->state == FEED_SUBSCRIBING) {
        sync_feed(feed);
    } else if (!on && feed->state == FEED_LEAVING) {
        set_state(feed, FEED_OFF);
        if (feed->users > 0)
            subscribe(feed);
        else if (feed->reads == 0)
            feed_free(feed);
    }
}

void feeds_message(struct feeds *feeds, const char *channel, size_t len, const char *text,
                   size_t text_len) {
    struct feed *feed = find_live_name(feeds, channel, len);
    struct position id;
    uint64_t at;
    const char *payload;
    size_t payload_len;

    if (feed == NULL || feed->state < FEED_SUBSCRIBING || feed->state > FEED_LIVE)
        return;
    if (history_parse_live(text, text_len, &id, &at, &payload, &payload_len) != ERR_OK)
        return; /* somebody else's publish into our name */
    feeds->stats->live++;
    struct message *message = message_new(feed->name, feed->len, id, at, payload, payload_len);
    if (feed->state != FEED_LIVE)
        pending_add(feed, message);
    else if (!take_live(feed, message))
        sync_feed(feed);
    message_unref(message);
}

/* --------------------------------------------------------------------- life and use */

/* Leaves the feeds that nobody has used for `linger` seconds. */
static void on_sweep(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct feeds *feeds = timer->data;
    struct feed *feed, *next;
    (void)events;

    HASH_ITER (hh, feeds->by_name, feed, next) {
        if (feed->users > 0 || ev_now(loop) - feed->idle_since < feeds->config->linger)
            continue;
        if (feed->state == FEED_LIVE || feed->state == FEED_SUBSCRIBED)
            unsubscribe(feed);
        else if (feed->state == FEED_OFF && feed->reads == 0)
            feed_free(feed);
    }
}

struct feeds *feeds_new(struct ev_loop *loop, struct stats *stats, const struct config *config,
                        const struct feeds_events *events, void *ctx) {
    struct feeds *feeds = mem_new(sizeof *feeds);
    feeds->loop = loop;
    feeds->stats = stats;
    feeds->config = config;
    feeds->events = events;
    feeds->ctx = ctx;
    ev_timer_init(&feeds->sweep, on_sweep, SWEEP, SWEEP);
    feeds->sweep.data = feeds;
    ev_timer_start(loop, &feeds->sweep);
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
    ev_timer_stop(feeds->loop, &feeds->sweep);
    HASH_ITER (hh, feeds->by_name, feed, next) {
        feed_free(feed);
    }
    free(feeds);
}

struct feed *feeds_take(struct feeds *feeds, const char *channel, size_t len) {
    struct feed *feed;

    HASH_FIND(hh, feeds->by_name, channel, len, feed);
    if (feed == NULL) {
        if (HASH_COUNT(feeds->by_name) >= FEEDS_MAX)
            return NULL;
        feed = mem_new(sizeof *feed);
        feed->feeds = feeds;
        feed->name = mem_copy(channel, len);
        feed->len = len;
        feed->resets = 1;
        feed->serial = ++feeds->serial;
        gather_init(&feed->gather, feeds->loop,
                    config_channel(feeds->config, channel, len)->batch_ms, on_gathered, feed);
        ring_init(&feed->row.subs);
        ring_init(&feed->row.ready);
        HASH_ADD_KEYPTR(hh, feeds->by_name, feed->name, feed->len, feed);
        subscribe(feed);
    }
    feed->users++;
    return feed;
}

void feed_release(struct feed *feed) {
    if (--feed->users == 0)
        feed->idle_since = ev_now(feed->feeds->loop);
}

const char *feed_name(const struct feed *feed, size_t *len) {
    *len = feed->len;
    return feed->name;
}

bool feed_live(const struct feed *feed) {
    return feed->state == FEED_LIVE;
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

struct feed_row *feed_row(struct feed *feed) {
    return &feed->row;
}

uint64_t feed_serial(const struct feed *feed) {
    return feed->serial;
}

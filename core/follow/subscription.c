/*
 * A feed is subscribed, confirmed, then read; refused it keeps what Redis said, and is asked
 * for again by whoever comes when the pause is over.
 */
#include "core/follow/subscription.h"

#include <stdlib.h>

#include "core/base/buf.h"
#include "core/data/names.h"
#include "core/follow/mend.h"
#include "core/follow/unused.h"

void subscription_begin(struct feed *feed) {
    struct buf name = buf_make(LIVE_NAME_MAX);
    names_live(&name, feed->feeds->config->prefix, feed->name, feed->len);
    if (redis_subscribe(feed->feeds->subscriber, name.data, name.len, false) == ERR_OK)
        mend_set_state(feed, FEED_SUBSCRIBING);
    buf_free(&name);
}

void subscription_end(struct feed *feed) {
    struct buf name = buf_make(LIVE_NAME_MAX);
    names_live(&name, feed->feeds->config->prefix, feed->name, feed->len);
    if (redis_unsubscribe(feed->feeds->subscriber, name.data, name.len, false) == ERR_OK)
        mend_set_state(feed, FEED_LEAVING);
    buf_free(&name);
}

static void forgive(struct feed *feed) {
    free(feed->refusal);
    feed->refusal = NULL;
}

/* Whether there is a reason to ask Redis for what it has refused, if it has. */
static bool wanted(const struct feed *feed) {
    return feed->refusal == NULL || feed->users > 0;
}

void subscription_wake(struct feed *feed) {
    mend_settle(feed);
    if (feed->refusal == NULL || !pause_over(&feed->pause, ev_now(feed->feeds->loop)))
        return;
    if (feed->state != FEED_OFF && feed->state != FEED_SUBSCRIBED)
        return;
    forgive(feed);
    if (feed->state == FEED_OFF)
        subscription_begin(feed);
    else
        mend_read(feed);
}

/* ------------------------------------------------------------ what Redis tells us */

void feeds_up(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        if (feed->bare || !wanted(feed))
            continue;
        forgive(feed);
        subscription_begin(feed);
    }
}

void feeds_down(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        mend_set_state(feed, FEED_OFF);
        if (feed->users == 0)
            unused_spend(feed); /* it need not be subscribed again */
    }
}

void feeds_ready(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        if (feed->state == FEED_SUBSCRIBED && wanted(feed))
            mend_read(feed);
    }
}

void feeds_doubt(struct feeds *feeds) {
    struct feed *feed, *next;
    HASH_ITER (hh, feeds->by_name, feed, next) {
        if (feed->state == FEED_LIVE)
            mend_doubt(feed);
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

void feeds_subscribed(struct feeds *feeds, const char *channel, size_t len, bool on) {
    struct feed *feed = find_live_name(feeds, channel, len);

    if (feed == NULL)
        return;
    if (on && feed->state == FEED_SUBSCRIBING) {
        mend_read(feed);
    } else if (!on && feed->state == FEED_LEAVING) {
        mend_set_state(feed, FEED_OFF);
        if (feed->users == 0)
            unused_spend(feed);
        else if (feed->refusal == NULL && !feed->bare) /* else whoever comes later tries again */
            subscription_begin(feed);
    }
}

void feeds_refused(struct feeds *feeds, const char *channel, size_t len, const char *words) {
    struct feed *feed = find_live_name(feeds, channel, len);

    if (feed == NULL || feed->state != FEED_SUBSCRIBING)
        return;
    subscription_end(feed); /* or the library that we use would remember it for ever */
    mend_refuse(feed, words);
}

void feeds_message(struct feeds *feeds, const char *channel, size_t len, const char *text,
                   size_t text_len) {
    struct feed *feed = find_live_name(feeds, channel, len);
    struct page_live live;

    if (feed == NULL || feed->state < FEED_SUBSCRIBING || feed->state > FEED_LIVE)
        return;
    if (page_parse_live(text, text_len, &live) != ERR_OK)
        return; /* somebody else's publish into our name */
    feeds->counts->live++;
    mend_hear(feed, &live);
}

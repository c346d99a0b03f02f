/*
 * What feeds and reads tell the hub: which waiters have something to look at, which miss what
 * is sent meanwhile, and which were told what history does not hold.
 */
#include "fcgi-app/hub/news.h"

#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/stay.h"

/* Those who have not taken what they were sent: they miss this one, for as long as they may. */
static void owe(struct hub *hub, struct feed *feed, const struct message *message) {
    struct ring *subs = &feed_row(feed)->subs, *at, *next;

    for (at = subs->next; at != subs; at = next) {
        struct waiter *waiter = sub_waiter(RING_OF(at, struct sub, ring));
        next = at->next; /* a waiter has one sub for each feed, so `next` stays */
        if (!waiter->slow)
            continue;
        waiter->owed += (uint32_t)message->payload_len;
        if (client_backlog(waiter->client) + waiter->owed > (size_t)hub->config->max_backlog) {
            hub->stats->cut_off++;
            deliver_drop(waiter);
        }
    }
}

static void on_feed_moved(void *ctx, struct feed *feed) {
    struct feed_row *row = feed_row(feed);
    (void)ctx;

    if (row->told)
        return;
    row->told = true;
    for (struct ring *at = row->subs.next; at != &row->subs; at = at->next)
        stay_ready_in(sub_waiter(RING_OF(at, struct sub, ring)), row);
}

static void on_feed_message(void *ctx, struct feed *feed, const struct message *message) {
    if (feed_row(feed)->slow > 0)
        owe(ctx, feed, message);
}

void news_fetched(void *ctx, struct fetch *fetch) {
    (void)ctx;
    while (!ring_empty(&fetch->waiting)) {
        struct sub_read *read = RING_OF(fetch->waiting.next, struct sub_read, ring);
        ring_remove(&read->ring);
        stay_ready(sub_waiter(read->sub));
    }
}

/*
 * They go on in front of what they were told wrongly, and behind a gap. Who has read on from
 * there in history is told of the gap as well: it may have gone over a message.
 */
static void on_feed_misled(void *ctx, struct feed *feed, struct position from, struct position to) {
    struct ring *subs = &feed_row(feed)->subs;
    (void)ctx;

    for (struct ring *at = subs->next; at != subs; at = at->next) {
        struct sub *sub = RING_OF(at, struct sub, ring);
        if (sub->kind != SINCE_AT || position_compare(sub->at, from) <= 0)
            continue;
        sub->misled = true;
        if (position_compare(sub->at, to) > 0)
            continue;
        sub->at = from;
        sub_forget_read(sub);
    }
}

static void on_feed_made(void *ctx, struct feed *feed) {
    (void)ctx;
    ring_init(&feed_row(feed)->subs);
    ring_init(&feed_row(feed)->ready);
}

static void on_feed_gone(void *ctx, struct feed *feed) {
    (void)ctx;
    ring_remove(&feed_row(feed)->turn);
}

const struct feeds_events news_events = {.room = sizeof(struct feed_row),
                                         .made = on_feed_made,
                                         .gone = on_feed_gone,
                                         .message = on_feed_message,
                                         .moved = on_feed_moved,
                                         .refused = on_feed_moved,
                                         .misled = on_feed_misled};

/*
 * A waiter's turn. A waiter's life: it is resolved when Redis has said where it stands (at
 * most redis_timeout, then 503) ─► answered at once, or parked until a message
 * comes (one batch and done, or for streams one after the other), its deadline
 * passes (an empty batch), it leaves, or the process drains.
 *
 * Guarantee 6, a read sees what was acknowledged before it began: whatever Redis
 * has already sent on the subscribed connection is read before a new request is
 * answered from memory. Redis may tell the publisher before it tells us, so a
 * request that cannot wait for a message (a poll), or that begins "now", also waits
 * for a fence that was asked for after the request began, unless Redis has told that
 * there is nothing to wait for (tracking.c). One fence is asked for at a time, for all
 * requests that have come meanwhile. A long-poller with its cursor needs none.
 *
 * lighttpd notices a browser that has left no sooner than it has something to send
 * on: there, a long poll that is parked for longer than EARLY_HEADER is sent its
 * header ahead. Apache notices nothing until it fails to send: there a wait is sent white space
 * (`heartbeat`), and a stream its sign of life, so often that it does in time.
 */
#include "fcgi-app/hub/turn.h"

#include <string.h>

#include "core/data/wildcard.h"

#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/stay.h"
#include "fcgi-app/hub/trouble.h"

#define EARLY_HEADER 1.0 /* seconds */

enum { BATCH_BYTES = 1024 * 1024 }; /* of payload in one answer; at least one message */

static size_t batch_bytes(const struct waiter *waiter) {
    return waiter_transport(waiter)->stream ? (size_t)waiter->hub->config->max_backlog
                                            : BATCH_BYTES;
}

/* What comes with each message: of several channels a cursor, of one that is too short to count. */
static size_t each_message(const struct waiter *waiter) {
    return waiter_transport(waiter)->cursors && waiter->sub_count > 1 ? waiter_cursor_bytes(waiter)
                                                                      : 0;
}

/* What is kept of the waiter's place, where others may stand too; NULL: Redis has yet to tell. */
static struct memo *look_up(struct waiter *waiter) {
    struct hub *hub = waiter->hub;
    struct portion portion = {.bytes = batch_bytes(waiter),
                              .each = each_message(waiter),
                              .poll_after = waiter_poll_after(waiter)};
    struct memo *memo = memo_find(&hub->memo, waiter, &portion);

    if (memo == NULL && (!waiter_resolve(waiter, hub->fetches, portion.bytes, true) ||
                         waiter_refusal(waiter) != NULL))
        return NULL;
    if (memo == NULL)
        memo = memo_find(&hub->memo, waiter, &portion);
    if (memo == NULL)
        memo = memo_collect(&hub->memo, waiter, &portion);
    return memo->again ? look_up(waiter) : memo;
}

static uint32_t ticks(int seconds) {
    return (uint32_t)(seconds / WHEEL_TICK);
}

/*
 * For how long, in ticks, the waiter may be silent; UINT32_MAX: to its end. Its web server notices
 * at the second of two heartbeats that the browser has left: the first is answered with a reset.
 */
static uint32_t silence(const struct waiter *waiter) {
    bool stream = waiter_transport(waiter)->keepalive != NULL;
    uint32_t longest = stream ? ticks(waiter->hub->config->keepalive) : UINT32_MAX;
    uint32_t half = ticks(waiter->heartbeat) / 2;

    return half > 0 && half < longest ? half : longest;
}

/* When a parked waiter must be looked at next: its end, or its next sign of life. */
static void set_deadline(struct waiter *waiter) {
    struct hub *hub = waiter->hub;
    uint32_t next = waiter->deadline.own, longest = silence(waiter);

    if (longest != UINT32_MAX && waiter->refreshed + longest < next)
        next = waiter->refreshed + longest;
    if (waiter->early && !waiter->begun && !waiter_transport(waiter)->stream) {
        uint32_t early = wheel_in(hub->wheel, EARLY_HEADER);
        next = early < next ? early : next;
    }
    wheel_set(hub->wheel, &waiter->deadline, next);
}

/* The waiter has everything: from now on its deadline is its own. False: the waiter is gone. */
static bool park(struct waiter *waiter) {
    if (waiter->parked)
        return true;
    waiter->parked = true;
    waiter->hub->unresolved--;
    waiter->hub->stats->waiters++;
    client_hold(waiter->client);
    if (waiter_transport(waiter)->stream && !waiter->begun && !deliver_begin(waiter, NULL))
        return false;
    set_deadline(waiter);
    return true;
}

/* A stream has everything: it waits for more, or ends where there is no room for that. */
static void rest(struct waiter *waiter) {
    if (waiter->waits)
        (void)park(waiter);
    else if (waiter->begun || deliver_begin(waiter, NULL))
        deliver_end(waiter);
}

/* Sends a stream batch after batch, until it has everything or its queue fills. */
static void feed_stream(struct waiter *waiter, struct memo *memo) {
    bool whole = false;

    while (memo != NULL && memo->batch != NULL && !whole) {
        struct batch *batch = batch_ref(memo->batch);
        whole = memo->whole;
        bool here = (waiter->begun || deliver_begin(waiter, batch)) &&
                    deliver_next(waiter, batch) && (!waiter->waits || park(waiter));
        batch_unref(batch);
        if (!here)
            return;
        memo = waiter->slow || whole ? NULL : look_up(waiter);
    }
    if (memo != NULL || (whole && !waiter->slow && !waiter->waits))
        rest(waiter);
}

static void answer_once(struct waiter *waiter, struct memo *memo) {
    if (memo->batch == NULL && waiter->waits) {
        (void)park(waiter);
        return;
    }
    struct batch *batch = batch_ref(
        memo->batch != NULL ? memo->batch : memo_empty(memo, waiter, waiter_poll_after(waiter)));
    deliver_batch(waiter, batch);
    batch_unref(batch);
}

/* Patterns stand in front of a waiter's channels. Of what becomes a channel nothing is told but
 * what is heard. */
static bool watches_pattern(const struct waiter *waiter) {
    size_t len = 0;
    const char *name = waiter->sub_count > 0 ? feed_name(waiter->subs[0].feed, &len) : "";
    return wildcard_is(name, len);
}

/* Whether the waiter may be answered from memory, being behind its fence; else wants a fence. */
static bool behind_fence(struct waiter *waiter) {
    bool hurries = waiter->hub->draining && !waiter->told_to_poll; /* it came before */

    if (!waiter->needs_fence || waiter->fence_passed || hurries)
        return true;
    waiter->fence_passed = !watches_pattern(waiter) && tracking_spares_fence(waiter->hub->tracking);
    if (waiter->fence_passed)
        return true;
    if (!ring_linked(&waiter->turn)) {
        ring_add(&waiter->hub->fence_wanted, &waiter->turn);
        waiter->hub->fence_wanted_count++;
    }
    return false;
}

static void refuse_late(struct waiter *waiter) {
    struct problem problem;
    deliver_refuse(waiter, hub_explain(waiter->hub, &problem, "Redis does not answer"));
}

/* Whether one of the waiter's channels is refused. The waiter is over then. */
static bool refused(struct waiter *waiter) {
    const char *words = waiter_refusal(waiter);
    struct problem problem;

    if (words == NULL)
        return false;
    deliver_refuse(waiter,
                   problem_later(&problem, 503, 2, "channel: Redis refuses to read it: %s", words));
    return true;
}

void turn_take(struct waiter *waiter) {
    if (waiter->slow)
        return; /* the waiter has its turn when it has taken what it was sent */
    if (refused(waiter))
        return;
    if (!behind_fence(waiter)) {
        /* while the fence is awaited */
        (void)waiter_resolve(waiter, waiter->hub->fetches, batch_bytes(waiter), false);
        return;
    }
    struct memo *memo = look_up(waiter);
    if (memo == NULL)
        (void)refused(waiter);
    else if (waiter_transport(waiter)->stream)
        feed_stream(waiter, memo);
    else
        answer_once(waiter, memo);
}

/* A parked waiter's deadline comes before its end. False: the waiter is gone. */
static bool look_after(struct waiter *waiter) {
    uint32_t now = wheel_now(waiter->hub->wheel), longest = silence(waiter);

    if (waiter->slow) /* its client has enough to read */
        waiter->refreshed = now;
    if (longest != UINT32_MAX && waiter->refreshed + longest <= now)
        return deliver_heartbeat(waiter);
    return waiter->begun || deliver_begin(waiter, NULL);
}

void turn_late(void *ctx, struct wheel_entry *entry) {
    struct waiter *waiter = RING_OF(entry, struct waiter, deadline);
    (void)ctx;

    if (!waiter->parked) {
        refuse_late(waiter);
    } else if (entry->due >= waiter->deadline.own) {
        deliver_end(waiter);
    } else if (look_after(waiter)) {
        set_deadline(waiter);
    }
}

void turn_set_deadline(struct waiter *waiter, double seconds) {
    struct wheel *wheel = waiter->hub->wheel;
    wheel_set(wheel, &waiter->deadline, wheel_in(wheel, seconds));
}

static void on_drained(void *ctx) {
    struct waiter *waiter = ctx;
    stay_set_slow(waiter, false);
    stay_ready(waiter);
}

/* Over TCP who has left cannot be told from who only sends no more; who has answers with a reset.
 */
static void on_doubted(void *ctx) {
    struct waiter *waiter = ctx;
    if (waiter->begun && !waiter->slow && waiter_transport(waiter)->keepalive != NULL)
        (void)deliver_heartbeat(waiter);
}

const struct client_events turn_events = {
    .gone = deliver_gone, .drained = on_drained, .doubted = on_doubted};

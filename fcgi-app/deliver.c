/*
 * Deliveries. A waiter's life: RESOLVING until Redis has said where it stands (at
 * most redis_timeout, then 503) ─► answered at once, or PARKED until a message
 * comes (one batch and done, or for streams one after the other), its deadline
 * passes (an empty batch), it leaves, or the process drains.
 *
 * Guarantee 6, a read sees what was acknowledged before it began: whatever Redis
 * has already sent on the subscribed connection is read before a new request is
 * answered from memory. Redis may tell the publisher before it tells us, so a
 * request that cannot wait for a message (a poll), or that begins "now", also
 * awaits a sign of life that was asked for after it began: one for all such
 * requests of a turn of the loop. A long-poller with its cursor needs none.
 *
 * A slow reader of a stream: while its queue is not empty it is sent nothing
 * more, and what it misses is counted in `owed`; beyond max_backlog it is cut
 * off, and comes back with its cursor. So it costs one batch of memory at most.
 */
#include "fcgi-app/deliver.h"

#include <stdlib.h>

#include "core/collections.h"
#include "fcgi-app/holder.h"
#include "fcgi-app/hub_state.h"

enum { BATCH_BYTES = 1024 * 1024 }; /* of payload in one answer; at least one message */

/* --------------------------------------------------------------- waiters: ends */

/* Counts what a waiter spends: for its transport, and for its tag if it has one. */
void deliver_spend(struct waiter *waiter, struct tally spent) {
    struct tally *sum =
        tally_of_transport(waiter->hub->tallies, transport_index(waiter->transport));
#define ADD(name) sum->name += spent.name;
    TALLY_LIST(ADD)
#undef ADD
    tag_add(waiter->tag, &spent);
}

void deliver_ready(struct waiter *waiter) {
    if (waiter->ready)
        return;
    waiter->ready = true;
    DL_APPEND2(waiter->hub->ready, waiter, rprev, rnext);
}

/* Frees a waiter whose client is somebody else's by now. */
void deliver_forget(struct waiter *waiter) {
    struct hub *hub = waiter->hub;

    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub_forget_fetch(sub);
        if (sub->feed != NULL) {
            DL_DELETE(*feed_subs(sub->feed), sub);
            feed_release(sub->feed);
        }
    }
    deliver_spend(waiter, (struct tally){.held = -1});
    tag_release(waiter->tag);
    if (waiter->ready)
        DL_DELETE2(hub->ready, waiter, rprev, rnext);
    if (waiter->fence > hub->fence_passed)
        DL_DELETE2(hub->awaiting, waiter, fprev, fnext);
    hub->unresolved -= !waiter->begun;
    DL_DELETE(hub->waiters, waiter);
    ev_timer_stop(hub->loop, &waiter->timer);
    free(waiter->options.callback);
    if (waiter->holder != NULL)
        waiter->holder->waiter = NULL;
    hub->stats->waiters--;
    free(waiter);
}

void deliver_drop(struct waiter *waiter) {
    struct client *client = waiter->client;
    deliver_forget(waiter); /* first: who holds the client may go with it */
    client_drop(client);
}

static void on_gone(void *ctx) {
    struct waiter *waiter = ctx;
    waiter->hub->stats->gone++;
    deliver_drop(waiter);
}

void deliver_refuse(struct waiter *waiter, const struct problem *problem) {
    struct client *client = waiter->client;
    waiter->hub->stats->answers_503++;
    deliver_forget(waiter);
    client_refuse(client, problem);
}

/* ------------------------------------------------------------ waiters: answers */

static const struct buf *rendering(struct waiter *waiter, struct batch *batch, struct buf *own) {
    const struct transport *transport = waiter->transport;
    bool shared = waiter->options.callback == NULL;
    const struct buf *text;

    if (transport->render == NULL)
        return batch_json(batch);
    text = shared ? batch_kept(batch, transport, waiter->options.variant) : NULL;
    if (text != NULL)
        return text;
    transport->render(&waiter->options, batch, own);
    text = shared ? batch_keep(batch, transport, waiter->options.variant, own) : NULL;
    return text != NULL ? text : own;
}

static void count_batch(struct waiter *waiter, const struct batch *batch, size_t bytes) {
    struct stats *stats = waiter->hub->stats;

    deliver_spend(waiter, (struct tally){.batches = 1,
                                         .messages = (int64_t)batch_size(batch),
                                         .empty = batch_size(batch) == 0,
                                         .bytes_out = (int64_t)bytes});
    stats->batches++;
    stats->messages += batch_size(batch);
    stats->batches_empty += batch_size(batch) == 0;
    stats->gaps += batch_has_gap(batch);
}

static void finish_with(struct waiter *waiter, struct batch *batch) {
    struct buf head = buf_make(1024), own = buf_make(SIZE_MAX / 2);
    const struct buf *text = rendering(waiter, batch, &own);
    struct part parts[2];
    size_t count = 0;

    if (!waiter->begun) {
        answer_head(&head, 200, waiter->transport->content_type);
        parts[count++] = (struct part){head.data, head.len};
    }
    parts[count++] = (struct part){text->data, text->len};
    count_batch(waiter, batch, head.len + text->len);
    client_finish(waiter->client, parts, count);
    buf_free(&head);
    buf_free(&own);
    deliver_forget(waiter);
}

/* The header, and a stream's first bytes: where `first` begins. False: the waiter is gone. */
static bool begin(struct waiter *waiter, const struct batch *first) {
    struct buf head = buf_make(SIZE_MAX / 2);

    if (waiter->transport->content_type != NULL)
        answer_head(&head, 200, waiter->transport->content_type);
    if (waiter->transport->begin != NULL) {
        struct batch *start = first != NULL ? batch_before(first) : waiter_empty(waiter);
        waiter->transport->begin(&waiter->options, start, &head);
        batch_unref(start);
    }
    enum err err = client_send(waiter->client, &(struct part){head.data, head.len}, 1);
    deliver_spend(waiter, (struct tally){.bytes_out = (int64_t)head.len});
    buf_free(&head);
    waiter->begun = true;
    waiter->hub->unresolved--;
    waiter->refreshed = ev_now(waiter->hub->loop);
    if (err != ERR_OK)
        on_gone(waiter);
    else if (waiter->holder != NULL)
        waiter->holder->begun(waiter->holder);
    return err == ERR_OK;
}

/* Sends one batch on a stream. False: the waiter is gone. */
static bool send_on(struct waiter *waiter, struct batch *batch) {
    struct buf own = buf_make(SIZE_MAX / 2);
    const struct buf *text = rendering(waiter, batch, &own);

    count_batch(waiter, batch, text->len);
    enum err err = client_send(waiter->client, &(struct part){text->data, text->len}, 1);
    buf_free(&own);
    waiter->refreshed = ev_now(waiter->hub->loop);
    if (err != ERR_OK)
        on_gone(waiter);
    return err == ERR_OK;
}

/* The time is over: an empty batch, or the polite end of a stream. */
void deliver_end(struct waiter *waiter) {
    struct buf text = buf_make(SIZE_MAX / 2);

    if (!waiter->transport->stream) {
        struct batch *batch = waiter_empty(waiter);
        finish_with(waiter, batch);
        batch_unref(batch);
        return;
    }
    if (waiter->transport->end != NULL)
        waiter->transport->end(&waiter->options, &text);
    struct client *client = waiter->client;
    deliver_forget(waiter);
    client_finish(client, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

/* ------------------------------------------------------------- the waiter's turn */

static struct batch *collect(struct waiter *waiter) {
    struct hub *hub = waiter->hub;
    size_t bytes = waiter->transport->stream ? (size_t)hub->config->max_backlog : BATCH_BYTES;
    return memo_collect(&hub->memo, waiter, bytes);
}

/* When a parked waiter must be looked at next: its end, or a stream's next heartbeat. */
static void set_timer(struct waiter *waiter) {
    struct hub *hub = waiter->hub;
    double at = waiter->ends;

    if (waiter->transport->keepalive != NULL && waiter->refreshed + hub->config->keepalive < at)
        at = waiter->refreshed + hub->config->keepalive;
    double delay = at - ev_now(hub->loop);
    ev_timer_stop(hub->loop, &waiter->timer);
    ev_timer_set(&waiter->timer, delay > 0 ? delay : 0, 0);
    ev_timer_start(hub->loop, &waiter->timer);
}

static void park(struct waiter *waiter) {
    if (waiter->state == WAITER_PARKED && waiter->begun)
        return;
    waiter->state = WAITER_PARKED;
    if (waiter->begun || begin(waiter, NULL))
        set_timer(waiter);
}

/* Sends a stream its next batch. False: it has everything, or it is gone (then `*gone`). */
static bool send_next(struct waiter *waiter, bool *gone) {
    struct batch *batch = collect(waiter);
    bool here = waiter->begun || begin(waiter, batch);

    if (here && batch != NULL)
        here = send_on(waiter, batch);
    *gone = !here;
    bool sent = here && batch != NULL;
    batch_unref(batch);
    return sent;
}

/* A stream is sent batch after batch until it has everything or its queue fills. */
static void feed_stream(struct waiter *waiter) {
    bool gone = false;

    while ((!waiter->begun || client_backlog(waiter->client) == 0) &&
           waiter_resolve(waiter, waiter->hub->fetches, true)) {
        if (!send_next(waiter, &gone))
            break;
        waiter->state = WAITER_PARKED;
    }
    if (gone)
        return;
    waiter->state = WAITER_PARKED;
    set_timer(waiter);
}

static void answer_once(struct waiter *waiter) {
    struct batch *batch = collect(waiter);

    if (batch == NULL && waiter->wait > 0) {
        park(waiter);
        return;
    }
    if (batch == NULL)
        batch = waiter_empty(waiter);
    finish_with(waiter, batch);
    batch_unref(batch);
}

/* Whether all that was acknowledged before the request began has been heard; asks if need be. */
static bool heard_all(struct waiter *waiter) {
    struct hub *hub = waiter->hub;

    if (!waiter->fenced || hub->draining)
        return true;
    if (waiter->fence == 0) {
        if (hub->fence == 0)
            hub->fence = redis_pulse(hub->subscriber);
        waiter->fence = hub->fence;
        if (waiter->fence != 0)
            DL_APPEND2(hub->awaiting, waiter, fprev, fnext);
    }
    return waiter->fence != 0 && waiter->fence <= hub->fence_passed;
}

void deliver_turn(struct waiter *waiter) {
    struct problem problem;

    bool heard = heard_all(waiter);
    if (!waiter_resolve(waiter, waiter->hub->fetches, heard) || !heard)
        return;
    if (waiter_refused(waiter)) {
        problem_later(&problem, 503, 5, "channel: Redis refuses to read its history");
        if (waiter->begun)
            deliver_end(waiter);
        else
            deliver_refuse(waiter, &problem);
        return;
    }
    if (waiter->transport->stream)
        feed_stream(waiter);
    else
        answer_once(waiter);
}

static void heartbeat(struct waiter *waiter) {
    struct buf text = buf_make(SIZE_MAX / 2);

    waiter->refreshed = ev_now(waiter->hub->loop);
    if (client_backlog(waiter->client) == 0) {
        struct batch *place = waiter_empty(waiter);
        waiter->transport->keepalive(&waiter->options, place, &text);
        batch_unref(place);
        enum err err = client_send(waiter->client, &(struct part){text.data, text.len}, 1);
        deliver_spend(waiter, (struct tally){.bytes_out = (int64_t)text.len});
        buf_free(&text);
        if (err != ERR_OK) {
            on_gone(waiter);
            return;
        }
    }
    set_timer(waiter);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct waiter *waiter = timer->data;
    struct problem problem;
    (void)events;

    if (!waiter->begun) {
        problem_later(&problem, 503, 2, "Redis does not answer");
        deliver_refuse(waiter, &problem);
    } else if (ev_now(loop) + 0.001 < waiter->ends) {
        heartbeat(waiter);
    } else {
        deliver_end(waiter);
    }
}

static void on_drained(void *ctx) {
    struct waiter *waiter = ctx;
    waiter->owed = 0;
    deliver_ready(waiter);
}

const struct client_events deliver_events = {.gone = on_gone, .drained = on_drained};

void deliver_set_deadline(struct waiter *waiter, double seconds) {
    struct ev_loop *loop = waiter->hub->loop;

    ev_timer_stop(loop, &waiter->timer);
    ev_timer_init(&waiter->timer, on_timer, seconds, 0);
    waiter->timer.data = waiter;
    ev_timer_start(loop, &waiter->timer);
}

/*
 * Deliveries. A waiter's life: it is resolved when Redis has said where it stands (at
 * most redis_timeout, then 503) ─► answered at once, or parked until a message
 * comes (one batch and done, or for streams one after the other), its deadline
 * passes (an empty batch), it leaves, or the process drains.
 *
 * A long poll is answered with one send, header and all. Only where the web server
 * notices a browser that has left no sooner than it has a header to send on
 * (lighttpd), one that is parked for longer than EARLY_HEADER is sent its header ahead.
 *
 * Guarantee 6, a read sees what was acknowledged before it began: whatever Redis
 * has already sent on the subscribed connection is read before a new request is
 * answered from memory. Redis may tell the publisher before it tells us, so a
 * request that cannot wait for a message (a poll), or that begins "now", also
 * awaits a sign of life that was asked for after it began. One is asked for at a
 * time, for all who have come meanwhile. A long-poller with its cursor needs none.
 *
 * A slow reader of a stream: while its queue is not empty it is sent nothing
 * more, and what it misses is counted in `owed`; beyond max_backlog it is cut
 * off, and comes back with its cursor. So it costs one batch of memory at most.
 */
#include "fcgi-app/deliver.h"

#include <stdlib.h>

#include "fcgi-app/holder.h"
#include "fcgi-app/hub_state.h"

#define EARLY_HEADER 1.0 /* seconds */

enum {
    LENGTH_FIELD = 64,        /* bytes of answer_length(), at most */
    BATCH_BYTES = 1024 * 1024 /* of payload in one answer; at least one message */
};

static const struct transport *transport_of(const struct waiter *waiter) {
    return transport_at(waiter->transport);
}

static unsigned retry_of(const struct waiter *waiter) {
    return waiter->retry ? (unsigned)waiter->hub->config->retry : 0;
}

/* --------------------------------------------------------------- waiters: ends */

void deliver_spend(struct waiter *waiter, const struct tally *spent) {
    struct tally *sum = tally_of_transport(waiter->hub->tallies, waiter->transport);
#define ADD(name) sum->name += spent->name;
    TALLY_LIST(ADD)
#undef ADD
    if (waiter->extra != NULL)
        tag_add(waiter->extra->tag, spent);
}

void deliver_ready_in(struct waiter *waiter, struct feed_row *row) {
    if (ring_linked(&waiter->turn)) /* ready, or will be when Redis gives its sign of life */
        return;
    ring_add(&row->ready, &waiter->turn);
    if (!ring_linked(&row->turn))
        ring_add(&waiter->hub->rows, &row->turn);
}

void deliver_ready(struct waiter *waiter) {
    bool any = waiter->sub_count > 0;
    deliver_ready_in(waiter, any ? feed_row(waiter->subs[0].feed) : &waiter->hub->row);
}

/* Notes whether it has yet to take what it was sent. */
static void set_slow(struct waiter *waiter, bool slow) {
    if (waiter->slow == slow)
        return;
    waiter->slow = slow;
    waiter->owed = 0;
    for (size_t i = 0; i < waiter->sub_count; i++) {
        if (waiter->subs[i].feed != NULL)
            feed_row(waiter->subs[i].feed)->slow += slow ? 1U : -1U;
    }
}

static void forget_extra(struct waiter *waiter) {
    struct waiter_extra *extra = waiter->extra;

    if (extra == NULL)
        return;
    tag_release(extra->tag);
    free(extra->callback);
    if (extra->holder != NULL)
        extra->holder->waiter = NULL;
    free(extra);
}

/* Frees a waiter whose client is somebody else's by now. */
void deliver_forget(struct waiter *waiter) {
    struct hub *hub = waiter->hub;

    set_slow(waiter, false);
    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub_forget_read(sub);
        if (sub->feed != NULL) {
            ring_remove(&sub->ring);
            feed_release(sub->feed);
        }
    }
    deliver_spend(waiter, &(struct tally){.held = -1});
    forget_extra(waiter);
    ring_remove(&waiter->turn);
    wheel_cancel(&waiter->deadline);
    hub->unresolved -= !waiter->parked;
    hub->stats->waiters -= waiter->parked;
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

static struct transport_options options_of(const struct waiter *waiter) {
    return (struct transport_options){.config = waiter->hub->config,
                                      .variant = waiter->variant,
                                      .callback =
                                          waiter->extra != NULL ? waiter->extra->callback : NULL};
}

static const struct buf *rendering(struct waiter *waiter, struct batch *batch, struct buf *own) {
    const struct transport *transport = transport_of(waiter);
    struct transport_options options = options_of(waiter);
    bool shared = options.callback == NULL;
    const struct buf *text;

    if (transport->render == NULL)
        return batch_json(batch);
    text = shared ? batch_kept(batch, transport, options.variant) : NULL;
    if (text != NULL)
        return text;
    transport->render(&options, batch, own);
    text = shared ? batch_keep(batch, transport, options.variant, own) : NULL;
    return text != NULL ? text : own;
}

static void count_batch(struct waiter *waiter, const struct batch *batch, size_t bytes) {
    struct stats *stats = waiter->hub->stats;

    deliver_spend(waiter, &(struct tally){.batches = 1,
                                          .messages = (int64_t)batch_size(batch),
                                          .empty = batch_size(batch) == 0,
                                          .bytes_out = (int64_t)bytes});
    stats->batches++;
    stats->messages += batch_size(batch);
    stats->batches_empty += batch_size(batch) == 0;
    if (waiter->waits && !transport_of(waiter)->stream && batch_size(batch) > 1)
        stats->requests_saved += batch_size(batch) - 1;
    stats->gaps += batch_has_gap(batch);
}

static void finish_with(struct waiter *waiter, struct batch *batch) {
    struct buf own = buf_make(SIZE_MAX / 2);
    const struct buf *text = rendering(waiter, batch, &own);
    const struct buf *head = &waiter->hub->heads[waiter->transport];
    struct buf length = buf_make(LENGTH_FIELD);
    struct client *client = waiter->client;
    size_t from = waiter->begun ? 2 : 0;

    answer_length(&length, text->len);
    const struct part parts[] = {
        {head->data, head->len}, {length.data, length.len}, {text->data, text->len}};
    count_batch(waiter, batch, (waiter->begun ? 0 : head->len + length.len) + text->len);
    deliver_forget(waiter);
    client_finish(client, parts + from, 3 - from);
    buf_free(&length);
    buf_free(&own);
}

/* Sends the parts on a stream, then frees `own`. False: the waiter is gone. */
static bool send_text(struct waiter *waiter, const struct part *parts, size_t count,
                      struct buf *own) {
    enum err err = client_send(waiter->client, parts, count);

    buf_free(own);
    if (err != ERR_OK) {
        on_gone(waiter);
        return false;
    }
    waiter->refreshed = wheel_now(waiter->hub->wheel);
    set_slow(waiter, client_backlog(waiter->client) > 0);
    return true;
}

/* The header, and a stream's first bytes: where `first` begins. False: the waiter is gone. */
static bool begin(struct waiter *waiter, const struct batch *first) {
    const struct buf *head = &waiter->hub->heads[waiter->transport];
    struct transport_options options = options_of(waiter);
    struct buf text = buf_make(SIZE_MAX / 2);

    if (transport_of(waiter)->begin != NULL) {
        struct batch *start =
            first != NULL ? batch_before(first) : waiter_empty(waiter, retry_of(waiter));
        transport_of(waiter)->begin(&options, start, &text);
        batch_unref(start);
    }
    waiter->begun = true;
    const struct part parts[] = {
        {head->data, head->len}, {"\r\n", head->len > 0 ? 2 : 0}, {text.data, text.len}};
    if (!send_text(waiter, parts, 3, &text))
        return false;
    if (waiter->extra != NULL && waiter->extra->holder != NULL)
        waiter->extra->holder->begun(waiter->extra->holder);
    return true;
}

/* Sends one batch on a stream. False: the waiter is gone. */
static bool send_on(struct waiter *waiter, struct batch *batch) {
    struct buf own = buf_make(SIZE_MAX / 2);
    const struct buf *text = rendering(waiter, batch, &own);

    count_batch(waiter, batch, text->len);
    return send_text(waiter, &(struct part){text->data, text->len}, 1, &own);
}

/* The time is over: an empty batch, or the polite end of a stream. */
void deliver_end(struct waiter *waiter) {
    struct buf text = buf_make(SIZE_MAX / 2);

    if (!transport_of(waiter)->stream) {
        struct batch *batch = waiter_empty(waiter, retry_of(waiter));
        finish_with(waiter, batch);
        batch_unref(batch);
        return;
    }
    struct transport_options options = options_of(waiter);
    if (transport_of(waiter)->end != NULL)
        transport_of(waiter)->end(&options, &text);
    struct client *client = waiter->client;
    deliver_forget(waiter);
    client_finish(client, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

/* ------------------------------------------------------------- the waiter's turn */

/* What is kept of a place that others stand at too; NULL: Redis has yet to tell. */
static struct memo *look_up(struct waiter *waiter) {
    struct hub *hub = waiter->hub;
    bool stream = transport_of(waiter)->stream;
    struct portion portion = {.bytes = stream ? (size_t)hub->config->max_backlog : BATCH_BYTES,
                              .retry = retry_of(waiter)};
    struct memo *memo = memo_find(&hub->memo, waiter, &portion);

    if (memo != NULL || !waiter_resolve(waiter, hub->fetches, true) || waiter_refused(waiter))
        return memo;
    memo = memo_find(&hub->memo, waiter, &portion);
    return memo != NULL ? memo : memo_collect(&hub->memo, waiter, &portion);
}

static uint32_t ticks(int seconds) {
    return (uint32_t)(seconds / WHEEL_TICK);
}

/* When a parked waiter must be looked at next: its end, or a stream's next heartbeat. */
static void set_deadline(struct waiter *waiter) {
    struct hub *hub = waiter->hub;
    uint32_t at = waiter->deadline.own;

    uint32_t next = at;

    if (transport_of(waiter)->keepalive != NULL)
        next = waiter->refreshed + ticks(hub->config->keepalive);
    else if (waiter->early && !waiter->begun)
        next = wheel_in(hub->wheel, EARLY_HEADER);
    wheel_set(hub->wheel, &waiter->deadline, next < at ? next : at);
}

/* It has everything: from now on its deadline is its own. False: it is gone. */
static bool park(struct waiter *waiter) {
    if (waiter->parked)
        return true;
    waiter->parked = true;
    waiter->hub->unresolved--;
    waiter->hub->stats->waiters++;
    client_hold(waiter->client);
    if (transport_of(waiter)->stream && !waiter->begun && !begin(waiter, NULL))
        return false;
    set_deadline(waiter);
    return true;
}

/* A stream is sent batch after batch until it has everything or its queue fills. */
static void feed_stream(struct waiter *waiter, struct memo *memo) {
    while (memo != NULL && memo->batch != NULL) {
        struct batch *batch = batch_ref(memo->batch);
        bool here =
            (waiter->begun || begin(waiter, batch)) && send_on(waiter, batch) && park(waiter);
        batch_unref(batch);
        if (!here)
            return;
        memo = waiter->slow ? NULL : look_up(waiter);
    }
    if (memo != NULL)
        (void)park(waiter);
}

static void answer_once(struct waiter *waiter, struct memo *memo) {
    if (memo->batch == NULL && waiter->waits) {
        (void)park(waiter);
        return;
    }
    struct batch *batch =
        batch_ref(memo->batch != NULL ? memo->batch : memo_empty(memo, waiter, retry_of(waiter)));
    finish_with(waiter, batch);
    batch_unref(batch);
}

/* Whether all that was acknowledged before the request began has been heard; asks if need be. */
static bool heard_all(struct waiter *waiter) {
    if (!waiter->fenced || waiter->heard || waiter->hub->draining)
        return true;
    if (!ring_linked(&waiter->turn)) {
        ring_add(&waiter->hub->unheard, &waiter->turn);
        waiter->hub->joined = true;
    }
    return false;
}

static void refuse_unread(struct waiter *waiter) {
    struct problem problem;

    problem_later(&problem, 503, 5, "channel: Redis refuses to read its history");
    if (waiter->begun)
        deliver_end(waiter);
    else
        deliver_refuse(waiter, &problem);
}

void deliver_turn(struct waiter *waiter) {
    if (waiter->slow)
        return; /* it is looked at again when it has taken what it was sent */
    if (!heard_all(waiter)) {
        (void)waiter_resolve(waiter, waiter->hub->fetches, false); /* meanwhile */
        return;
    }
    struct memo *memo = look_up(waiter);
    if (memo == NULL && waiter_refused(waiter))
        refuse_unread(waiter);
    else if (memo != NULL && transport_of(waiter)->stream)
        feed_stream(waiter, memo);
    else if (memo != NULL)
        answer_once(waiter, memo);
}

/* False: the waiter is gone. */
static bool heartbeat(struct waiter *waiter) {
    struct transport_options options = options_of(waiter);
    struct buf text = buf_make(SIZE_MAX / 2);

    struct batch *place = waiter_empty(waiter, retry_of(waiter));
    transport_of(waiter)->keepalive(&options, place, &text);
    batch_unref(place);
    deliver_spend(waiter, &(struct tally){.bytes_out = (int64_t)text.len});
    return send_text(waiter, &(struct part){text.data, text.len}, 1, &text);
}

/* A parked waiter is looked at before its end. False: it is gone. */
static bool look_after(struct waiter *waiter) {
    uint32_t now = wheel_now(waiter->hub->wheel);

    if (!transport_of(waiter)->stream)
        return waiter->begun || begin(waiter, NULL);
    if (waiter->slow) /* it has enough to read */
        waiter->refreshed = now;
    return waiter->refreshed + ticks(waiter->hub->config->keepalive) > now || heartbeat(waiter);
}

void deliver_late(void *ctx, struct wheel_entry *entry) {
    struct waiter *waiter = RING_OF(entry, struct waiter, deadline);
    struct problem problem;
    (void)ctx;

    if (!waiter->parked) {
        problem_later(&problem, 503, 2, "Redis does not answer");
        if (waiter->begun)
            deliver_end(waiter);
        else
            deliver_refuse(waiter, &problem);
    } else if (entry->due >= waiter->deadline.own) {
        deliver_end(waiter);
    } else if (look_after(waiter)) {
        set_deadline(waiter);
    }
}

void deliver_set_deadline(struct waiter *waiter, double seconds) {
    struct wheel *wheel = waiter->hub->wheel;
    wheel_set(wheel, &waiter->deadline, wheel_in(wheel, seconds));
}

static void on_drained(void *ctx) {
    struct waiter *waiter = ctx;
    set_slow(waiter, false);
    deliver_ready(waiter);
}

const struct client_events deliver_events = {.gone = on_gone, .drained = on_drained};

/*
 * The hub. One turn of the loop:
 *
 *   sockets ── requests, live messages, pages ──► waiters marked ready
 *   before the loop sleeps: each ready waiter is resolved, and sent what it is
 *   owed; then the reads that they asked for go to Redis
 *
 * So a burst of messages that arrived together leaves in one batch, and waiters
 * that stand at the same place share one: the first builds it, `memo` hands it
 * to the others.
 *
 * A waiter's life: RESOLVING until Redis has said where it stands (at most
 * redis_timeout, then 503) ─► answered at once, or PARKED until a message comes
 * (one batch and done, or for streams one after the other), its deadline passes
 * (an empty batch), it leaves, or the process drains.
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
#include "fcgi-app/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/collections.h"
#include "core/log.h"
#include "core/mem.h"
#include "fcgi-app/feed.h"
#include "fcgi-app/fetch.h"
#include "fcgi-app/waiter.h"

enum {
    BATCH_BYTES = 1024 * 1024, /* of payload in one answer; at least one message */
    MEMO_SLOTS = 16
};
#define EARLY         0.1 /* waits end up to this part early, at random, so as not to return in step */
#define DRAIN_RESOLVE 1.0 /* seconds that unanswered questions to Redis have while draining */

/* What was collected for a place, so that the next waiter there need not. */
struct memo {
    uint64_t hash;
    struct buf key;
    struct batch *batch; /* NULL: nothing to tell */
    struct place {
        struct position at;
        unsigned confirmed;
    } * places; /* where each channel stands afterwards */
};

struct call {
    void (*run)(void *ctx, bool up);
    void *ctx;
    double expires;
    struct call *next;
};

struct hub {
    struct ev_loop *loop;
    const struct config *config;
    struct stats *stats;
    struct redis *subscriber;
    struct redis *commands;
    struct history *history;
    struct feeds *feeds;
    struct fetches *fetches;
    struct tallies *tallies;
    struct waiter *waiters;
    struct waiter *ready;
    struct waiter *awaiting; /* a sign of life of Redis */
    uint64_t unresolved;     /* waiters whose answer has not begun */
    struct ev_prepare before_sleep;
    struct memo memo[MEMO_SLOTS];
    size_t memo_used;
    struct call *calls; /* wait for Redis */
    struct ev_timer call_timer;
    uint64_t fence;        /* the number that polls of this turn of the loop await; 0: none */
    uint64_t fence_passed; /* the last one that came back */
    bool draining;
};

static void look_at(struct waiter *waiter);

/* --------------------------------------------------------------- waiters: ends */

/* Counts what a waiter spends: for its transport, and for its tag if it has one. */
static void spend(struct waiter *waiter, struct tally spent) {
    struct tally *sum =
        tally_of_transport(waiter->hub->tallies, transport_index(waiter->transport));
#define ADD(name) sum->name += spent.name;
    TALLY_LIST(ADD)
#undef ADD
    tag_add(waiter->tag, &spent);
}

static void mark_ready(struct waiter *waiter) {
    if (waiter->ready)
        return;
    waiter->ready = true;
    DL_APPEND2(waiter->hub->ready, waiter, rprev, rnext);
}

/* Frees a waiter whose client is somebody else's by now. */
static void waiter_free(struct waiter *waiter) {
    struct hub *hub = waiter->hub;

    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub_forget_fetch(sub);
        if (sub->feed != NULL) {
            DL_DELETE(*feed_subs(sub->feed), sub);
            feed_release(sub->feed);
        }
    }
    spend(waiter, (struct tally){.held = -1});
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

static void waiter_drop(struct waiter *waiter) {
    struct client *client = waiter->client;
    waiter_free(waiter); /* first: who holds the client may go with it */
    client_drop(client);
}

static void on_gone(void *ctx) {
    struct waiter *waiter = ctx;
    waiter->hub->stats->gone++;
    waiter_drop(waiter);
}

static void fail(struct waiter *waiter, const struct problem *problem) {
    struct client *client = waiter->client;
    waiter->hub->stats->answers_503++;
    waiter_free(waiter);
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

    spend(waiter, (struct tally){.batches = 1,
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
    waiter_free(waiter);
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
    spend(waiter, (struct tally){.bytes_out = (int64_t)head.len});
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
static void end(struct waiter *waiter) {
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
    waiter_free(waiter);
    client_finish(client, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

/* ----------------------------------------------------------------------- memo */

static void memo_clear(struct hub *hub) {
    for (size_t i = 0; i < hub->memo_used; i++) {
        batch_unref(hub->memo[i].batch);
        buf_free(&hub->memo[i].key);
        free(hub->memo[i].places);
    }
    hub->memo_used = 0;
}

/* Everything that decides what a resolved waiter is owed. */
static void memo_key(const struct waiter *waiter, size_t bytes, struct buf *key) {
    const uint64_t head[] = {waiter->limit, waiter->retry, bytes};

    buf_add(key, head, sizeof head);
    for (size_t i = 0; i < waiter->sub_count; i++) {
        const struct sub *sub = &waiter->subs[i];
        struct position end = feed_position(sub->feed);
        const uint64_t place[] = {(uintptr_t)sub->feed,
                                  sub->kind,
                                  sub->last,
                                  sub->confirmed,
                                  sub->at.epoch,
                                  sub->at.n,
                                  end.epoch,
                                  end.n,
                                  feed_resets(sub->feed),
                                  sub->fetch != NULL ? sub->fetch->serial : 0};
        buf_add(key, place, sizeof place);
    }
}

static uint64_t memo_hash(const struct buf *key) {
    uint64_t hash;
    HASH_JEN(key->data, key->len, hash);
    return hash;
}

static struct memo *memo_find(struct hub *hub, uint64_t hash, const struct buf *key) {
    for (size_t i = 0; i < hub->memo_used; i++) {
        struct memo *memo = &hub->memo[i];
        if (memo->hash == hash && memo->key.len == key->len &&
            memcmp(memo->key.data, key->data, key->len) == 0)
            return memo;
    }
    return NULL;
}

static void memo_store(struct hub *hub, uint64_t hash, struct buf *key, const struct waiter *waiter,
                       struct batch *batch) {
    if (hub->memo_used == MEMO_SLOTS)
        memo_clear(hub);
    struct memo *memo = &hub->memo[hub->memo_used++];
    *memo = (struct memo){.hash = hash, .key = *key, .batch = batch ? batch_ref(batch) : NULL};
    memo->places = mem_new(waiter->sub_count * sizeof *memo->places);
    for (size_t i = 0; i < waiter->sub_count; i++)
        memo->places[i] = (struct place){waiter->subs[i].at, waiter->subs[i].confirmed};
    *key = buf_make(SIZE_MAX / 2);
}

/* Moves a waiter to where the first one at its place got to. */
static struct batch *memo_apply(const struct memo *memo, struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub->at = memo->places[i].at;
        sub->confirmed = memo->places[i].confirmed;
        sub->kind = SUB_AT;
        sub_forget_fetch(sub);
    }
    return memo->batch ? batch_ref(memo->batch) : NULL;
}

static struct batch *collect(struct waiter *waiter) {
    struct hub *hub = waiter->hub;
    size_t bytes = waiter->transport->stream ? (size_t)hub->config->max_backlog : BATCH_BYTES;
    struct buf key = buf_make(SIZE_MAX / 2);

    memo_key(waiter, bytes, &key);
    uint64_t hash = memo_hash(&key);
    const struct memo *memo = memo_find(hub, hash, &key);
    struct batch *batch = memo != NULL ? memo_apply(memo, waiter) : waiter_collect(waiter, bytes);
    if (memo == NULL)
        memo_store(hub, hash, &key, waiter, batch);
    buf_free(&key);
    return batch;
}

/* ------------------------------------------------------------- the waiter's turn */

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

static void look_at(struct waiter *waiter) {
    struct problem problem;

    bool heard = heard_all(waiter);
    if (!waiter_resolve(waiter, waiter->hub->fetches, heard) || !heard)
        return;
    if (waiter_refused(waiter)) {
        problem_later(&problem, 503, 5, "channel: Redis refuses to read its history");
        if (waiter->begun)
            end(waiter);
        else
            fail(waiter, &problem);
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
        spend(waiter, (struct tally){.bytes_out = (int64_t)text.len});
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
        fail(waiter, &problem);
    } else if (ev_now(loop) + 0.001 < waiter->ends) {
        heartbeat(waiter);
    } else {
        end(waiter);
    }
}

static void on_drained(void *ctx) {
    struct waiter *waiter = ctx;
    waiter->owed = 0;
    mark_ready(waiter);
}

static const struct client_events waiter_client_events = {.gone = on_gone, .drained = on_drained};

/* ------------------------------------------------------------ what feeds tell us */

static void on_feed_message(void *ctx, struct feed *feed, const struct message *message) {
    struct hub *hub = ctx;
    struct sub *sub, *next;

    DL_FOREACH_SAFE (*feed_subs(feed), sub, next) {
        struct waiter *waiter = sub->waiter;
        if (client_backlog(waiter->client) == 0) {
            mark_ready(waiter);
            continue;
        }
        waiter->owed += message->payload_len;
        if (client_backlog(waiter->client) + waiter->owed > (size_t)hub->config->max_backlog) {
            hub->stats->cut_off++;
            waiter_drop(waiter); /* a waiter has one sub for each feed, so `next` stays */
        }
    }
}

static void on_feed_moved(void *ctx, struct feed *feed) {
    struct sub *sub;
    (void)ctx;
    DL_FOREACH (*feed_subs(feed), sub) {
        mark_ready(sub->waiter);
    }
}

static void on_fetched(void *ctx, struct fetch *fetch) {
    struct sub *sub, *next;
    (void)ctx;
    DL_FOREACH_SAFE2(fetch->waiting, sub, next, fnext) {
        mark_ready(sub->waiter);
    }
    fetch->waiting = NULL;
}

static const struct feeds_events hub_feeds_events = {.message = on_feed_message,
                                                     .moved = on_feed_moved};

static void on_before_sleep(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
    struct hub *hub = prepare->data;
    (void)loop, (void)events;

    while (hub->ready != NULL) {
        struct waiter *waiter = hub->ready;
        DL_DELETE2(hub->ready, waiter, rprev, rnext);
        waiter->ready = false;
        look_at(waiter);
    }
    memo_clear(hub);
    hub->fence = 0;
    fetches_send(hub->fetches);
}

/* ------------------------------------------------------------ what Redis tells us */

static void run_calls(struct hub *hub, bool up, double before) {
    struct call *calls = hub->calls, *call, *next;

    hub->calls = NULL;
    LL_FOREACH_SAFE (calls, call, next) {
        if (!up && call->expires > before) {
            LL_PREPEND(hub->calls, call);
            continue;
        }
        call->run(call->ctx, up);
        free(call);
    }
    if (hub->calls == NULL)
        ev_timer_stop(hub->loop, &hub->call_timer);
}

/* Nobody is kept waiting for a Redis that refuses connections. */
static void on_away(void *ctx) {
    struct hub *hub = ctx;
    struct waiter *waiter, *next;
    struct problem problem;

    problem_later(&problem, 503, 2, "Redis is away");
    DL_FOREACH_SAFE (hub->waiters, waiter, next) {
        if (!waiter->begun)
            fail(waiter, &problem);
    }
    run_calls(hub, false, ev_now(hub->loop) + 1e9);
}

static void on_commands_up(void *ctx) {
    struct hub *hub = ctx;
    history_up(hub->history);
}

static void on_commands_down(void *ctx) {
    struct hub *hub = ctx;
    history_down(hub->history);
}

static void on_ready(void *ctx) {
    struct hub *hub = ctx;
    feeds_ready(hub->feeds);
    run_calls(hub, true, 0);
}

static void on_pulsed(void *ctx, uint64_t number) {
    struct hub *hub = ctx;

    hub->fence_passed = number;
    while (hub->awaiting != NULL && hub->awaiting->fence <= number) { /* in the order of asking */
        struct waiter *waiter = hub->awaiting;
        DL_DELETE2(hub->awaiting, waiter, fprev, fnext);
        mark_ready(waiter);
    }
}

/* A lost connection answers nothing any more: those who wait for it ask again. */
static void forget_fences(struct hub *hub) {
    while (hub->awaiting != NULL) {
        struct waiter *waiter = hub->awaiting;
        DL_DELETE2(hub->awaiting, waiter, fprev, fnext);
        waiter->fence = 0;
        mark_ready(waiter);
    }
    hub->fence = 0;
}

static void on_subscriber_up(void *ctx) {
    struct hub *hub = ctx;
    feeds_up(hub->feeds);
}

static void on_subscriber_down(void *ctx) {
    struct hub *hub = ctx;
    feeds_down(hub->feeds);
    forget_fences(hub);
}

static void on_message(void *ctx, const char *channel, size_t channel_len, const char *payload,
                       size_t payload_len) {
    struct hub *hub = ctx;
    feeds_message(hub->feeds, channel, channel_len, payload, payload_len);
}

static void on_subscribed(void *ctx, const char *channel, size_t channel_len, bool on) {
    struct hub *hub = ctx;
    feeds_subscribed(hub->feeds, channel, channel_len, on);
}

static const struct redis_events command_events = {
    .up = on_commands_up, .down = on_commands_down, .away = on_away};
static const struct redis_events subscriber_events = {.up = on_subscriber_up,
                                                      .down = on_subscriber_down,
                                                      .away = on_away,
                                                      .message = on_message,
                                                      .subscribed = on_subscribed,
                                                      .pulsed = on_pulsed};

static void on_call_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hub *hub = timer->data;
    (void)events;
    run_calls(hub, false, ev_now(loop));
}

void hub_when_up(struct hub *hub, double seconds, void (*run)(void *ctx, bool up), void *ctx) {
    if (hub_redis_up(hub) || !hub_redis_hopeful(hub)) {
        run(ctx, hub_redis_up(hub));
        return;
    }
    struct call *call = mem_new(sizeof *call);
    *call = (struct call){.run = run, .ctx = ctx, .expires = ev_now(hub->loop) + seconds};
    LL_PREPEND(hub->calls, call);
    if (!ev_is_active(&hub->call_timer))
        ev_timer_again(hub->loop, &hub->call_timer);
}

bool hub_redis_up(const struct hub *hub) {
    return history_ready(hub->history) && redis_state(hub->subscriber) == REDIS_UP;
}

bool hub_redis_hopeful(const struct hub *hub) {
    return redis_state(hub->subscriber) != REDIS_DOWN && redis_state(hub->commands) != REDIS_DOWN;
}

/* ------------------------------------------------------------------ new requests */

static void sub_begin(struct sub *sub, const struct hub_channel *channel) {
    static const enum sub_kind kinds[] = {[SINCE_NOW] = SUB_NOW,
                                          [SINCE_START] = SUB_START,
                                          [SINCE_LAST] = SUB_LAST,
                                          [SINCE_AT] = SUB_AT};
    sub->kind = kinds[channel->since];
    sub->last = channel->last;
    sub->at = channel->at;
}

static bool take_feeds(struct waiter *waiter, const struct hub_read *read) {
    for (size_t i = 0; i < read->channel_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub->waiter = waiter;
        sub->feed = feeds_take(waiter->hub->feeds, read->channels[i].name, read->channels[i].len);
        if (sub->feed == NULL)
            return false;
        DL_APPEND(*feed_subs(sub->feed), sub);
        sub_begin(sub, &read->channels[i]);
        waiter->fenced = waiter->fenced || sub->kind == SUB_NOW;
    }
    return true;
}

/* Near the limit a long-poller is answered at once and told to poll: slower, not refused. */
static void degrade_near_limit(struct hub *hub, struct waiter *waiter) {
    uint64_t most = (uint64_t)hub->config->max_waiters;

    if (waiter->transport->stream || waiter->wait == 0 || hub->stats->waiters < most - most / 10)
        return;
    waiter->wait = 0;
    waiter->retry = (unsigned)hub->config->retry;
    hub->stats->answers_retry++;
}

static struct waiter *waiter_new(struct hub *hub, struct client *client,
                                 const struct hub_read *read) {
    struct waiter *waiter = mem_new(sizeof *waiter + read->channel_count * sizeof waiter->subs[0]);
    double longest = read->transport->stream ? hub->config->max_stream : read->timeout;

    waiter->hub = hub;
    waiter->client = client;
    waiter->transport = read->transport;
    waiter->options = read->options;
    waiter->limit = read->limit;
    waiter->wait = read->transport->waits ? longest : 0;
    waiter->ends = ev_now(hub->loop) + longest * (1 - EARLY * drand48());
    if (read->ends > 0)
        waiter->ends = read->ends;
    waiter->sub_count = read->channel_count;
    ev_timer_init(&waiter->timer, on_timer, hub->config->redis_timeout, 0);
    waiter->timer.data = waiter;
    degrade_near_limit(hub, waiter);
    waiter->fenced = waiter->wait == 0;
    DL_APPEND(hub->waiters, waiter);
    hub->unresolved++;
    hub->stats->waiters++;
    waiter->tag = tag_take(hub->tallies, read->tag);
    spend(waiter,
          (struct tally){.requests = read->bytes > 0, .bytes_in = (int64_t)read->bytes, .held = 1});
    return waiter;
}

/*
 * A wait that finds no room becomes a poll (above), which needs a place only until
 * it is answered: it is refused only where as many as there may be waiters have no
 * answer yet.
 */
static bool admit(struct hub *hub, const struct hub_read *read, struct problem *problem) {
    uint64_t most = (uint64_t)hub->config->max_waiters;

    if (hub->draining)
        problem_later(problem, 503, 1, "this process is shutting down");
    else if (!hub_redis_hopeful(hub))
        problem_later(problem, 503, 2, "Redis is away");
    else if (hub->unresolved >= most || (read->transport->stream && hub->stats->waiters >= most))
        problem_later(problem, 503, 5, "no room for another waiter: max_waiters is %d",
                      hub->config->max_waiters);
    else
        return true;
    return false;
}

bool hub_hold(struct hub *hub, struct client *client, const struct hub_read *read,
              struct hub_holder *holder, struct problem *problem) {
    if (!admit(hub, read, problem)) {
        free(read->options.callback);
        return false;
    }
    redis_drain(hub->subscriber);
    struct waiter *waiter = waiter_new(hub, client, read);
    if (!take_feeds(waiter, read)) {
        problem_later(problem, 503, 5, "no room for another channel: %d are in use", FEEDS_MAX);
        waiter_free(waiter);
        return false;
    }
    waiter->holder = holder;
    if (holder != NULL)
        holder->waiter = waiter;
    ev_timer_start(hub->loop, &waiter->timer);
    client_watch(client, &waiter_client_events, waiter);
    look_at(waiter);
    return true;
}

bool hub_read(struct hub *hub, struct client *client, const struct hub_read *read,
              struct problem *problem) {
    return hub_hold(hub, client, read, NULL, problem);
}

struct hub_places hub_release(struct waiter *waiter) {
    static const enum since_kind kinds[] = {[SUB_NOW] = SINCE_NOW,
                                            [SUB_START] = SINCE_START,
                                            [SUB_LAST] = SINCE_LAST,
                                            [SUB_AT] = SINCE_AT};
    struct hub_places places = {.count = waiter->sub_count, .ends = waiter->ends};

    snprintf(places.tag, sizeof places.tag, "%s", tag_name(waiter->tag));
    places.channels = mem_new((places.count + 1) * sizeof *places.channels);
    for (size_t i = 0; i < places.count; i++) {
        const struct sub *sub = &waiter->subs[i];
        struct hub_channel *channel = &places.channels[i];
        const char *name = feed_name(sub->feed, &channel->len);
        channel->name = mem_copy(name, channel->len);
        channel->since = kinds[sub->kind];
        channel->last = sub->last;
        channel->at = sub->at;
    }
    waiter_free(waiter);
    return places;
}

void hub_places_free(struct hub_places *places) {
    for (size_t i = 0; i < places->count; i++)
        free((char *)(uintptr_t)places->channels[i].name);
    free(places->channels);
    *places = (struct hub_places){0};
}

/* --------------------------------------------------------------- draining and life */

void hub_drain(struct hub *hub) {
    struct waiter *waiter, *next;

    hub->draining = true;
    DL_FOREACH_SAFE (hub->waiters, waiter, next) {
        if (waiter->begun) {
            end(waiter);
            continue;
        }
        waiter->wait = 0;
        ev_timer_stop(hub->loop, &waiter->timer);
        ev_timer_set(&waiter->timer, DRAIN_RESOLVE, 0);
        ev_timer_start(hub->loop, &waiter->timer);
    }
}

bool hub_draining(const struct hub *hub) {
    return hub->draining;
}

struct hub *hub_new(struct ev_loop *loop, const struct config *config, struct stats *stats) {
    struct hub *hub = mem_new(sizeof *hub);
    struct redis_options commands = {.url = config->redis,
                                     .name = "halley.fcgi",
                                     .timeout = config->redis_timeout,
                                     .events = &command_events,
                                     .ctx = hub};
    struct redis_options subscriber = commands;

    subscriber.name = "halley.fcgi-live";
    subscriber.subscriber = true;
    subscriber.events = &subscriber_events;
    hub->loop = loop;
    hub->config = config;
    hub->stats = stats;
    hub->commands = redis_new(loop, &commands);
    hub->subscriber = redis_new(loop, &subscriber);
    hub->history = history_new(loop, hub->commands, on_ready, hub);
    hub->feeds = feeds_new(loop, stats, config, &hub_feeds_events, hub);
    feeds_attach(hub->feeds, hub->subscriber, hub->history);
    hub->tallies = tallies_new(loop, hub->commands);
    hub->fetches = fetches_new(stats, hub->history, on_fetched, hub);
    ev_prepare_init(&hub->before_sleep, on_before_sleep);
    ev_init(&hub->call_timer, on_call_timer);
    hub->call_timer.repeat = 0.1;
    hub->before_sleep.data = hub->call_timer.data = hub;
    ev_prepare_start(loop, &hub->before_sleep);
    return hub;
}

void hub_free(struct hub *hub) {
    struct waiter *waiter, *next;

    if (hub == NULL)
        return;
    run_calls(hub, false, ev_now(hub->loop) + 1e9);
    DL_FOREACH_SAFE (hub->waiters, waiter, next) {
        waiter_drop(waiter);
    }
    tallies_free(hub->tallies);
    redis_free(hub->commands);
    redis_free(hub->subscriber);
    memo_clear(hub);
    fetches_free(hub->fetches);
    feeds_free(hub->feeds);
    history_free(hub->history);
    ev_prepare_stop(hub->loop, &hub->before_sleep);
    ev_timer_stop(hub->loop, &hub->call_timer);
    free(hub);
}

struct tallies *hub_tallies(struct hub *hub) {
    return hub->tallies;
}

struct history *hub_history(struct hub *hub) {
    return hub->history;
}

struct redis *hub_commands(struct hub *hub) {
    return hub->commands;
}

const struct config *hub_config(const struct hub *hub) {
    return hub->config;
}

struct stats *hub_stats(struct hub *hub) {
    return hub->stats;
}

struct ev_loop *hub_loop(struct hub *hub) {
    return hub->loop;
}

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
 */
#include "fcgi-app/hub.h"

#include <stdlib.h>

#include "core/collections.h"
#include "core/mem.h"
#include "fcgi-app/deliver.h"
#include "fcgi-app/hub_state.h"

#define DRAIN_RESOLVE 1.0 /* seconds that unanswered questions to Redis have while draining */

struct call {
    void (*run)(void *ctx, bool up);
    void *ctx;
    double expires;
    struct call *next;
};

/* ------------------------------------------------------------ what feeds tell us */

static void on_feed_message(void *ctx, struct feed *feed, const struct message *message) {
    struct hub *hub = ctx;
    struct sub *sub, *next;

    DL_FOREACH_SAFE (*feed_subs(feed), sub, next) {
        struct waiter *waiter = sub->waiter;
        if (client_backlog(waiter->client) == 0) {
            deliver_ready(waiter);
            continue;
        }
        waiter->owed += message->payload_len;
        if (client_backlog(waiter->client) + waiter->owed > (size_t)hub->config->max_backlog) {
            hub->stats->cut_off++;
            deliver_drop(waiter); /* a waiter has one sub for each feed, so `next` stays */
        }
    }
}

static void on_feed_moved(void *ctx, struct feed *feed) {
    struct sub *sub;
    (void)ctx;
    DL_FOREACH (*feed_subs(feed), sub) {
        deliver_ready(sub->waiter);
    }
}

static void on_fetched(void *ctx, struct fetch *fetch) {
    struct sub *sub, *next;
    (void)ctx;
    DL_FOREACH_SAFE2(fetch->waiting, sub, next, fnext) {
        deliver_ready(sub->waiter);
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
        deliver_turn(waiter);
    }
    memo_clear(&hub->memo);
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
            deliver_refuse(waiter, &problem);
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
        deliver_ready(waiter);
    }
}

/* A lost connection answers nothing any more: those who wait for it ask again. */
static void forget_fences(struct hub *hub) {
    while (hub->awaiting != NULL) {
        struct waiter *waiter = hub->awaiting;
        DL_DELETE2(hub->awaiting, waiter, fprev, fnext);
        waiter->fence = 0;
        deliver_ready(waiter);
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

/* --------------------------------------------------------------- draining and life */

void hub_drain(struct hub *hub) {
    struct waiter *waiter, *next;

    hub->draining = true;
    DL_FOREACH_SAFE (hub->waiters, waiter, next) {
        if (waiter->begun) {
            deliver_end(waiter);
            continue;
        }
        waiter->wait = 0;
        deliver_set_deadline(waiter, DRAIN_RESOLVE);
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
        deliver_drop(waiter);
    }
    tallies_free(hub->tallies);
    redis_free(hub->commands);
    redis_free(hub->subscriber);
    memo_clear(&hub->memo);
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

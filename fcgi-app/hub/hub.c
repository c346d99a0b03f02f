/*
 * The hub. One turn of the loop:
 *
 *   sockets ── requests, live messages, pages ──► waiters marked ready
 *   before the loop sleeps: each ready waiter is resolved, and sent what it is
 *   owed; then the reads that they asked for go to Redis
 *
 * So a burst of messages that arrived together leaves in one batch, and waiters
 * that stand at the same place share one: the first builds it, `memo` hands it
 * to the others. Those who are ready stand in rows, one for each channel; rows
 * take turns, and so do they and the sockets, so that a crowd delays nobody else.
 */
#include "fcgi-app/hub/hub.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/census.h"
#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/directory.h"
#include "fcgi-app/hub/news.h"
#include "fcgi-app/hub/revocations.h"
#include "fcgi-app/hub/rows.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/hub/turn.h"
#include "fcgi-app/rights/revoked.h"

#define FINISH_MAX    1.0 /* seconds that Redis has at the end to take what it was told last */
#define DRAIN_RESOLVE 1.0 /* seconds that unanswered questions to Redis have while draining */

struct call {
    bool known; /* waits for what was revoked, too */
    void (*run)(void *ctx, bool up);
    void *ctx;
    double expires;
    struct call *next;
};

/* ------------------------------------------------------------ what Redis tells us */

static void run_calls(struct hub *hub, bool up, double before) {
    struct call *calls = hub->calls, *call, *next;

    hub->calls = NULL;
    LL_FOREACH_SAFE (calls, call, next) {
        if (up ? call->known && revoked_stale(hub->revoked) : call->expires > before) {
            LL_PREPEND(hub->calls, call);
            continue;
        }
        call->run(call->ctx, up);
        free(call);
    }
    if (hub->calls == NULL)
        ev_timer_stop(hub->loop, &hub->call_timer);
}

static void tell_stream(void *ctx, struct wheel_entry *entry) {
    deliver_redis(RING_OF(entry, struct waiter, deadline), ctx);
}

/* A stream brings nothing while Redis is away: those who look at it are to know why. */
static void tell_streams(struct hub *hub) {
    static char away[] = "away", up[] = "up";

    if (hub->redis_told == hub_redis_up(hub))
        return;
    hub->redis_told = hub_redis_up(hub);
    wheel_each(hub->wheel, tell_stream, hub->redis_told ? up : away);
}

static void refuse_unresolved(void *ctx, struct wheel_entry *entry) {
    struct waiter *waiter = RING_OF(entry, struct waiter, deadline);
    const char *why = ctx;
    struct problem problem;

    problem_later(&problem, 503, 2, "%s", why);
    if (!waiter->parked)
        deliver_refuse(waiter, &problem);
}

/* Nobody is kept waiting for a Redis that refuses connections. */
static void on_away(void *ctx) {
    struct hub *hub = ctx;

    struct problem problem;

    hub_explain(hub, &problem, "Redis is away");
    wheel_each(hub->wheel, refuse_unresolved, problem.detail);
    run_calls(hub, false, ev_now(hub->loop) + 1e9);
    directory_away(hub->directory);
}

static void on_commands_down(void *ctx) {
    struct hub *hub = ctx;
    history_give_up(hub->history, NULL);
    sessions_give_up(hub->sessions);
    revocations_away(hub);
    tell_streams(hub);
}

static void on_ready(void *ctx) {
    struct hub *hub = ctx;
    revocations_ready(hub);
    history_resume(hub->history);
    sessions_resume(hub->sessions);
    feeds_ready(hub->feeds);
    directory_ready(hub->directory);
    run_calls(hub, true, 0);
    tell_streams(hub);
}

/* What Redis says while it starts, or is busy: whoever asks may wait for the end of that. */
static bool passes(const char *why) {
    return strncmp(why, "LOADING", 7) == 0 || strncmp(why, "BUSY", 4) == 0;
}

static void refuse_all_unresolved(struct hub *hub, const char *why) {
    char words[WORDS_MAX], text[WORDS_MAX + 16];

    words_take(words, why, strlen(why));
    snprintf(text, sizeof text, "Redis: %s", words);
    wheel_each(hub->wheel, refuse_unresolved, text);
}

static void on_refused(void *ctx, const char *why) {
    struct hub *hub = ctx;
    history_give_up(hub->history, why);
    sessions_give_up(hub->sessions);
    if (!passes(why)) {
        refuse_all_unresolved(hub, why);
        directory_away(hub->directory);
    }
    tell_streams(hub);
}

static void on_renewed(void *ctx) {
    struct hub *hub = ctx;
    feeds_doubt(hub->feeds);
}

static const struct library_events library_events = {
    .ready = on_ready, .refused = on_refused, .renewed = on_renewed};

static void on_fence_passed(void *ctx, uint64_t number) {
    rows_fence_passed(ctx, number);
}

static void on_subscriber_up(void *ctx) {
    struct hub *hub = ctx;
    const char *own = session_channel(hub->sessions);

    if (hub->ear_count > 0)
        (void)!redis_subscribe(hub->subscriber, own, strlen(own), false);
    hub->stats->redis_reconnects += hub->heard_before;
    hub->heard_before = true;
    census_up(hub);
    revocations_up(hub);
    feeds_up(hub->feeds);
    directory_up(hub->directory);
    tell_streams(hub);
}

static void on_subscriber_down(void *ctx) {
    struct hub *hub = ctx;
    feeds_down(hub->feeds);
    directory_down(hub->directory);
    rows_fence_lost(hub);
    revocations_away(hub);
    tell_streams(hub);
}

static void on_message(void *ctx, const char *channel, size_t channel_len, const char *payload,
                       size_t payload_len) {
    struct hub *hub = ctx;
    uint64_t number;
    enum session_word word =
        session_hear(hub->sessions, channel, channel_len, payload, payload_len, &number);

    for (size_t i = 0; word != SESSION_WORD_NONE && i < hub->ear_count; i++)
        hub->ears[i].ears->word(hub->ears[i].ctx, word, number);
    if (word == SESSION_WORD_NONE &&
        !census_message(hub, channel, channel_len, payload, payload_len) &&
        !revocations_message(hub, channel, channel_len, payload, payload_len) &&
        !directory_message(hub->directory, channel, channel_len, payload, payload_len))
        feeds_message(hub->feeds, channel, channel_len, payload, payload_len);
}

/* What was said while nobody listened was missed. */
static bool own_subscribed(struct hub *hub, const char *channel, size_t len, bool on) {
    const char *own = session_channel(hub->sessions);

    if (strlen(own) != len || memcmp(own, channel, len) != 0)
        return false;
    for (size_t i = 0; on && i < hub->ear_count; i++)
        hub->ears[i].ears->again(hub->ears[i].ctx);
    return true;
}

static void on_subscribed(void *ctx, const char *channel, size_t channel_len, bool on) {
    struct hub *hub = ctx;

    if (own_subscribed(hub, channel, channel_len, on) ||
        census_subscribed(hub, channel, channel_len) ||
        revocations_subscribed(hub, channel, channel_len, on))
        return;
    if (!health_subscribed(hub->health, channel, channel_len, NULL, 0) &&
        !directory_subscribed(hub->directory, channel, channel_len, on ? NULL : ""))
        feeds_subscribed(hub->feeds, channel, channel_len, on);
}

static void on_subscription_refused(void *ctx, const char *channel, size_t channel_len,
                                    const char *why, size_t why_len) {
    struct hub *hub = ctx;
    char words[WORDS_MAX];

    if (health_subscribed(hub->health, channel, channel_len, why, why_len) ||
        census_subscribed(hub, channel, channel_len) ||
        revocations_subscribed(hub, channel, channel_len, false))
        return;
    words_take(words, why, why_len);
    if (!directory_subscribed(hub->directory, channel, channel_len, words))
        feeds_refused(hub->feeds, channel, channel_len, words);
}

static const struct redis_events subscriber_events = {.up = on_subscriber_up,
                                                      .down = on_subscriber_down,
                                                      .away = on_away,
                                                      .message = on_message,
                                                      .subscribed = on_subscribed,
                                                      .refused = on_subscription_refused,
                                                      .pulsed = on_fence_passed};

static void on_call_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hub *hub = timer->data;
    (void)events;
    run_calls(hub, false, ev_now(loop));
}

static void call_later(struct hub *hub, double seconds, bool known, void (*run)(void *, bool),
                       void *ctx) {
    bool up = hub_redis_up(hub);

    if ((up && !(known && revoked_stale(hub->revoked))) || !hub_redis_hopeful(hub)) {
        run(ctx, up);
        return;
    }
    struct call *call = mem_new(sizeof *call);
    *call = (struct call){
        .known = known, .run = run, .ctx = ctx, .expires = ev_now(hub->loop) + seconds};
    LL_PREPEND(hub->calls, call);
    if (!ev_is_active(&hub->call_timer))
        ev_timer_again(hub->loop, &hub->call_timer);
}

void hub_when_up(struct hub *hub, double seconds, void (*run)(void *ctx, bool up), void *ctx) {
    call_later(hub, seconds, false, run, ctx);
}

void hub_when_known(struct hub *hub, double seconds, void (*run)(void *ctx, bool up), void *ctx) {
    call_later(hub, seconds, true, run, ctx);
}

/* Goes on with what waited for it. */
static void on_revoked_known(struct hub *hub) {
    if (hub_redis_up(hub))
        run_calls(hub, true, 0);
}

bool hub_redis_up(const struct hub *hub) {
    return link_up(hub->link);
}

bool hub_redis_hopeful(const struct hub *hub) {
    return link_hopeful(hub->link);
}

/* --------------------------------------------------------------- draining and life */

static void drain(void *ctx, struct wheel_entry *entry) {
    struct waiter *waiter = RING_OF(entry, struct waiter, deadline);
    (void)ctx;

    if (waiter->parked) {
        deliver_end(waiter);
        return;
    }
    waiter->waits = false;
    turn_set_deadline(waiter, DRAIN_RESOLVE);
}

void hub_drain(struct hub *hub) {
    hub->draining = true;
    library_rest(hub->library);
    hub->newcomers = true; /* nobody waits for a fence any more: read at least what is here */
    wheel_each(hub->wheel, drain, NULL);
}

bool hub_draining(const struct hub *hub) {
    return hub->draining;
}

/* The head of a good answer is the same for all of a transport, up to its length. */
static struct head_kept *heads_new(void) {
    size_t count = 0;
    while (transport_at(count) != NULL)
        count++;
    return mem_new(count * sizeof(struct head_kept));
}

static void heads_free(struct head_kept *heads) {
    for (size_t i = 0; transport_at(i) != NULL; i++)
        head_kept_free(&heads[i]);
    free(heads);
}

static void drop(void *ctx, struct wheel_entry *entry) {
    (void)ctx;
    deliver_drop(RING_OF(entry, struct waiter, deadline));
}

static struct link *link_to_redis(struct hub *hub) {
    const struct link_options options = {.config = hub->config,
                                         .name = "halley.fcgi",
                                         .live_name = "halley.fcgi-live",
                                         .sessions = true,
                                         .round_trips = &hub->stats->round_trips,
                                         .down = on_commands_down,
                                         .away = on_away,
                                         .library = &library_events,
                                         .ctx = hub};
    struct link *link = link_new(hub->loop, &options);

    link_listen(link, &subscriber_events, hub);
    return link;
}

struct hub *hub_new(struct ev_loop *loop, const struct config *config, struct stats *stats) {
    struct hub *hub = mem_new(sizeof *hub);

    hub->loop = loop;
    hub->config = config;
    hub->stats = stats;
    hub->capacity = capacity_new(config, stats);
    hub->limits = limits_new(config, stats, hub->capacity);
    hub->link = link_to_redis(hub);
    hub->commands = link_commands(hub->link);
    hub->subscriber = link_subscriber(hub->link);
    hub->library = link_library(hub->link);
    hub->health = health_new(loop, config, hub->library, hub->commands, hub->subscriber);
    hub->history = history_new(loop, hub->commands, hub->library, config->prefix);
    hub->sessions = sessions_new(hub->commands, hub->library, config->prefix);
    hub->feeds = feeds_new(loop, &stats->follow, config, &news_events, hub);
    feeds_attach(hub->feeds, hub->subscriber, hub->history);
    hub->directory = directory_new(hub);
    hub->tallies = tallies_new(loop, hub->commands, stats);
    hub->tracking = tracking_new(loop, config, &stats->follow);
    hub->fetches = fetches_new(&stats->follow, hub->history, news_fetched, hub);
    hub->wheel = wheel_new(loop, turn_late, hub);
    hub->singles = pool_make(sizeof(struct waiter) + sizeof(struct sub));
    hub->memo = memo_make();
    hub->heads = heads_new();
    ev_init(&hub->call_timer, on_call_timer);
    hub->call_timer.repeat = 0.1;
    hub->call_timer.data = hub;
    rows_start(hub);
    hub->revoked_known = on_revoked_known;
    revocations_start(hub);
    return hub;
}

void hub_free(struct hub *hub) {
    if (hub == NULL)
        return;
    run_calls(hub, false, ev_now(hub->loop) + 1e9);
    wheel_each(hub->wheel, drop, NULL);
    directory_away(hub->directory);
    tallies_free(hub->tallies);
    /* what Redis says on the way out, that it is ready too, is told to all waiters: there are none
     */
    link_close(hub->link, FINISH_MAX);
    wheel_free(hub->wheel);
    pool_free(&hub->singles);
    heads_free(hub->heads);
    tracking_free(hub->tracking);
    memo_clear(&hub->memo);
    fetches_free(hub->fetches);
    directory_free(hub->directory);
    feeds_free(hub->feeds);
    history_free(hub->history);
    sessions_free(hub->sessions);
    health_free(hub->health);
    link_free(hub->link);
    rows_stop(hub);
    revocations_stop(hub);
    capacity_free(hub->capacity);
    ev_timer_stop(hub->loop, &hub->call_timer);
    limits_free(hub->limits);
    free(hub);
}

struct revoked *hub_revoked(struct hub *hub) {
    return hub->revoked;
}

struct limits *hub_limits(struct hub *hub) {
    return hub->limits;
}

struct tallies *hub_tallies(struct hub *hub) {
    return hub->tallies;
}

struct history *hub_history(struct hub *hub) {
    return hub->history;
}

struct health *hub_health(struct hub *hub) {
    return hub->health;
}

struct sessions *hub_sessions(struct hub *hub) {
    return hub->sessions;
}

void hub_hear(struct hub *hub, const struct hub_ears *ears, void *ctx) {
    if (hub->ear_count == HUB_EARS)
        abort(); /* a new carrier, for which there is no room yet */
    hub->ears[hub->ear_count++] = (struct hub_ear){ears, ctx};
}

struct library *hub_library(struct hub *hub) {
    return hub->library;
}

void hub_look_around(struct hub *hub) {
    capacity_look(hub->capacity, ev_now(hub->loop));
    limits_look(hub->limits);
}

void hub_count_now(struct hub *hub) {
    const struct library_counts *counts = library_counts(hub->library);
    hub->stats->library_loads = counts->loads;
    hub->stats->prefix_conflicts = counts->conflicts;
    hub->stats->prefix_renewals = counts->renewals;
    hub->stats->held_together = capacity_held(hub->capacity, ev_now(hub->loop));
    hub->stats->max_waiters = capacity_most(hub->config);
}

struct capacity *hub_capacity(struct hub *hub) {
    return hub->capacity;
}

struct redis *hub_commands(struct hub *hub) {
    return hub->commands;
}

struct directory *hub_directory(struct hub *hub) {
    return hub->directory;
}

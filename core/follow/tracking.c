/*
 * A poll must see what was acknowledged before it began, and Redis may tell the
 * publisher before it tells us. Asking it each time wakes up two processes. But Redis can
 * say by itself that something has changed (CLIENT TRACKING in broadcasting mode,
 * https://redis.io/docs/manual/client-side-caching/), and says it first:
 *
 *   a turn of Redis     publishers' commands are run, the messages and the replies are
 *                       queued, and at its end the invalidations of all keys that changed;
 *                       then it writes, the connection that was queued last before others
 *   so our socket       holds the invalidation before the publisher's holds its reply
 *
 * So there is a connection of its own for invalidations. While it has none to read,
 * everything that was acknowledged is heard, and polls need no fence. Once there was one, a
 * message is under way, and polls need a fence, as they do without all this, until one has
 * passed on the subscribed connection that was asked for after the invalidation came.
 *
 * That holds where a write fills the other side's socket at once, and one thread writes:
 * with Redis 7 itself at the other end of a unix socket (it names its process, the kernel
 * names our peer), without io-threads. Elsewhere nothing is known, and polls ask. And where
 * it ought to hold it is tried first (order.c), each time that the connection is made.
 *
 * One thing would stand in the way: an answer to a question of this connection's own is
 * queued before the invalidations of the same turn, so that others' answers are written
 * first. So polls need a fence while such a question is under way.
 *
 * The connection costs Redis a message for each turn in which something is published, so
 * there is one only while many polls come.
 */
#include "core/follow/tracking.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/follow/order.h"
#include "core/redis/redis.h"

#define CHANNEL "__redis__:invalidate"
#define PREFIX  "halley.meta:" /* of the keys that every publish changes (core/redis/halley.lua) */

enum {
    MANY = 200,      /* polls in a second that are worth it */
    POOR_MAX = 10,   /* seconds that it is kept though it is not */
    REFUSED_MAX = 60 /* seconds until a Redis that will not do is asked again */
};

enum tracking_state {
    TRACKING_OFF,     /* there is no connection */
    TRACKING_SETTING, /* it is being made, or made again, and set up */
    TRACKING_TRYING,  /* it is set up; whether what it tells can be relied on is being tried */
    TRACKING_ON,      /* what changes is told */
    TRACKING_REFUSED  /* this Redis will not do: the connection is closed by the timer */
};

struct tracking {
    struct ev_loop *loop;
    const struct config *config;
    struct follow_counts *counts;
    struct redis *redis; /* NULL: off */
    struct order *order; /* the trial; or NULL */
    enum tracking_state state;
    bool needs_fence;     /* something changed that may not be heard yet */
    uint64_t fence;       /* behind which it is heard; 0: none was asked for since */
    unsigned polls, told; /* in this second: that asked, and how often Redis said something */
    unsigned poor;        /* seconds in a row that were not worth it */
    unsigned refused;     /* seconds that are left of REFUSED_MAX */
    struct ev_timer second;
};

/* ------------------------------------------------------------------ setting up */

static void refuse(struct tracking *tracking, const char *why) {
    if (tracking->refused == 0)
        log_info("tracking.off", "why=\"%s\": polls ask Redis instead", why);
    tracking->state = TRACKING_REFUSED;
    tracking->refused = REFUSED_MAX;
}

/* Asks the next question of the set-up; its answer is given to `next`. */
static void ask(struct tracking *tracking, redis_reply_fn *next, int argc, const char **argv) {
    size_t lens[8];

    for (int i = 0; i < argc; i++)
        lens[i] = strlen(argv[i]);
    if (redis_command(tracking->redis, next, tracking, argc, argv, lens) == ERR_OK)
        redis_flush(tracking->redis);
}

/* The set-up goes on with this answer. False: the connection was lost, or Redis refuses. */
static bool goes_on(struct tracking *tracking, const redis_reply *reply) {
    size_t len;

    if (reply == NULL || tracking->state != TRACKING_SETTING)
        return false; /* when it is up again it begins anew */
    if (redis_is_error(reply))
        refuse(tracking, redis_text(reply, &len));
    return !redis_is_error(reply);
}

static void subscribe(struct tracking *tracking) {
    if (redis_subscribe(tracking->redis, CHANNEL, strlen(CHANNEL), false) == ERR_OK)
        redis_flush(tracking->redis);
}

static void on_tracks(void *ctx, const redis_reply *reply) {
    struct tracking *tracking = ctx;

    if (goes_on(tracking, reply))
        subscribe(tracking);
}

/* The invalidations come on this same connection, as RESP2 has it. */
static void on_client_id(void *ctx, const redis_reply *reply) {
    char id[24];

    snprintf(id, sizeof id, "%lld", (long long)redis_integer(reply, 0));
    if (goes_on(ctx, reply))
        ask(ctx, on_tracks, 8,
            (const char *[]){"CLIENT", "TRACKING", "ON", "REDIRECT", id, "BCAST", "PREFIX",
                             PREFIX});
}

static void on_threads(void *ctx, const redis_reply *reply) {
    size_t len;
    const char *threads = redis_text(redis_item(reply, 1), &len);

    if (!goes_on(ctx, reply))
        return;
    if (threads == NULL || strcmp(threads, "1") != 0)
        refuse(ctx, "several threads of Redis write");
    else
        ask(ctx, on_client_id, 2, (const char *[]){"CLIENT", "ID"});
}

/* The number behind `name` in what INFO says; 0 if it is not there. */
static long field(const char *info, const char *name) {
    const char *at = info != NULL ? strstr(info, name) : NULL;
    return at != NULL ? strtol(at + strlen(name), NULL, 10) : 0;
}

static void on_info(void *ctx, const redis_reply *reply) {
    struct tracking *tracking = ctx;
    size_t len;
    const char *info = redis_text(reply, &len);

    if (!goes_on(tracking, reply))
        return;
    if (field(info, "redis_version:") != 7)
        refuse(tracking, "not known of this version");
    else if (field(info, "process_id:") != redis_peer(tracking->redis))
        refuse(tracking, "Redis is not at the other end of a unix socket");
    else
        ask(tracking, on_threads, 3, (const char *[]){"CONFIG", "GET", "io-threads"});
}

/* ------------------------------------------------------------ the connection */

static void on_up(void *ctx) {
    struct tracking *tracking = ctx;

    if (tracking->state == TRACKING_REFUSED)
        return;
    tracking->state = TRACKING_SETTING;
    ask(tracking, on_info, 2, (const char *[]){"INFO", "server"});
}

static void end_trial(struct tracking *tracking) {
    order_free(tracking->order);
    tracking->order = NULL;
}

static void on_down(void *ctx) {
    struct tracking *tracking = ctx;

    end_trial(tracking);
    tracking->counts->tracking = 0;
    if (tracking->state != TRACKING_REFUSED)
        tracking->state = TRACKING_SETTING;
}

/* What was published before is under way perhaps. */
static void need_fence(struct tracking *tracking) {
    tracking->needs_fence = true;
    tracking->fence = 0;
}

static void on_tried(void *ctx, int rounds) {
    struct tracking *tracking = ctx;

    end_trial(tracking);
    if (rounds < ORDER_ROUNDS) {
        refuse(tracking, "it answered before it told of the change");
        return;
    }
    log_info("tracking.on", "rounds=%d: Redis tells of changes before it answers", rounds);
    tracking->state = TRACKING_ON;
    tracking->counts->tracking = 1;
    need_fence(tracking);
}

static void on_subscribed(void *ctx, const char *channel, size_t channel_len, bool on) {
    struct tracking *tracking = ctx;
    (void)channel, (void)channel_len, (void)on;

    if (tracking->state != TRACKING_SETTING)
        return;
    tracking->state = TRACKING_TRYING;
    tracking->order =
        order_new(tracking->loop, tracking->config, tracking->redis, PREFIX, on_tried, tracking);
}

static void on_message(void *ctx, const char *channel, size_t channel_len, const char *payload,
                       size_t payload_len) {
    struct tracking *tracking = ctx;
    (void)channel, (void)channel_len, (void)payload, (void)payload_len;

    order_heard(tracking->order);
    tracking->told += tracking->state == TRACKING_ON;
    need_fence(tracking);
}

static const struct redis_events events = {
    .up = on_up, .down = on_down, .message = on_message, .subscribed = on_subscribed};

static void start(struct tracking *tracking) {
    struct redis_options options = {.url = tracking->config->redis,
                                    .config = tracking->config,
                                    .name = "halley.fcgi-tracking",
                                    .prefix = tracking->config->prefix,
                                    .timeout = tracking->config->redis_timeout,
                                    .subscriber = true,
                                    .events = &events,
                                    .ctx = tracking};

    tracking->redis = redis_new(tracking->loop, &options);
    tracking->state = TRACKING_SETTING;
    tracking->poor = 0;
}

static void stop(struct tracking *tracking) {
    end_trial(tracking);
    tracking->counts->tracking = 0;
    redis_free(tracking->redis);
    tracking->redis = NULL;
    tracking->state = TRACKING_OFF;
}

/* ------------------------------------------------------------- what it is for */

void tracking_look(struct tracking *tracking) {
    if (tracking->state == TRACKING_ON)
        redis_drain(tracking->redis);
}

bool tracking_spares_fence(struct tracking *tracking) {
    if (tracking->polls++ == 0)
        ev_timer_again(tracking->loop, &tracking->second);
    if (tracking->config->tracking && tracking->polls == MANY && tracking->state == TRACKING_OFF &&
        tracking->refused == 0 && strncmp(tracking->config->redis, "unix:", 5) == 0)
        start(tracking);
    bool spared =
        tracking->state == TRACKING_ON && !tracking->needs_fence && !redis_owed(tracking->redis);
    tracking->counts->polls_fresh += spared;
    return spared;
}

void tracking_fence_asked(struct tracking *tracking, uint64_t number) {
    tracking->counts->pulses++;
    if (tracking->needs_fence && tracking->fence == 0)
        tracking->fence = number;
}

void tracking_fence_passed(struct tracking *tracking, uint64_t number) {
    if (tracking->fence != 0 && number >= tracking->fence)
        tracking->needs_fence = false;
}

void tracking_judge(struct tracking *tracking) {
    bool set_up = tracking->state != TRACKING_SETTING && tracking->state != TRACKING_TRYING;
    bool worth = set_up && tracking->polls >= MANY &&
                 tracking->told < tracking->polls; /* a set-up that gets stuck begins anew */

    tracking->refused -= tracking->refused > 0;
    tracking->poor = worth ? 0 : tracking->poor + 1;
    if (tracking->state == TRACKING_REFUSED ||
        (tracking->state != TRACKING_OFF && tracking->poor >= POOR_MAX))
        stop(tracking);
    if (tracking->state == TRACKING_OFF && tracking->polls == 0 && tracking->refused == 0)
        ev_timer_stop(tracking->loop, &tracking->second);
    tracking->polls = tracking->told = 0;
}

static void on_second(struct ev_loop *loop, struct ev_timer *timer, int revents) {
    (void)loop, (void)revents;
    tracking_judge(timer->data);
}

struct tracking *tracking_new(struct ev_loop *loop, const struct config *config,
                              struct follow_counts *counts) {
    struct tracking *tracking = mem_new(sizeof *tracking);
    tracking->loop = loop;
    tracking->config = config;
    tracking->counts = counts;
    ev_init(&tracking->second, on_second);
    tracking->second.repeat = 1;
    tracking->second.data = tracking;
    return tracking;
}

void tracking_free(struct tracking *tracking) {
    if (tracking == NULL)
        return;
    stop(tracking);
    ev_timer_stop(tracking->loop, &tracking->second);
    free(tracking);
}

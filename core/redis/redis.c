/*
 * A Redis connection on the event loop, by hiredis: its life, and its signs of life. Both
 * programs hold two. The way to Redis is in connect.c, the greeting in greet.c, the way out in
 * loss.c; _redis.h has the whole list.
 *
 * On a connection that is up a question goes out at least every PULSE seconds: ROLE again, or on
 * a subscribed connection SUBSCRIBE to the same channel again, which Redis confirms each time
 * (hiredis 0.14 keeps a callback for every PING that is sent in subscribed mode). If nothing at
 * all comes back for `timeout` seconds, the connection is given up.
 */
#include "core/redis/_redis.h"

#include <stdlib.h>
#include <sys/socket.h>

#include "core/base/mem.h"
#include "core/redis/resolver.h"

#define PULSE 2.0

/* ------------------------------------------------------------ signs of life */

/* The resolver goes on; the next attempt takes up what it has found by then. */
static void judge_look_up(struct redis *redis) {
    if (ev_now(redis->loop) - redis->resolving > redis->timeout)
        redis_lose(redis, "its name is not resolved in time");
}

static void on_pulse(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct redis *redis = timer->data;
    (void)events;

    if (redis->resolving != 0)
        judge_look_up(redis);
    if (redis->hiredis == NULL)
        return;
    if (redis->asked != 0 && ev_now(loop) - redis->asked > redis->timeout &&
        ev_now(loop) - redis->heard > redis->timeout) {
        redis_give_up(redis, "no answer in time");
        return;
    }
    if (redis->state != REDIS_UP)
        return;
    redis_settle(redis);
    if (redis->subscriber) {
        redis_pulse(redis);
        return;
    }
    redis_asked(redis);
    redis_ask_role(redis);
}

/* ----------------------------------------------------------- life and looks */

static void pair(struct redis *redis, struct redis *companion) {
    if (companion->companion != NULL)
        companion->companion->companion = NULL;
    redis->companion = companion;
    companion->companion = redis;
}

struct redis *redis_new(struct ev_loop *loop, const struct redis_options *options) {
    struct redis *redis = mem_new(sizeof *redis);
    redis->loop = loop;
    redis->name = mem_string(options->name);
    redis->timeout = options->timeout;
    redis->subscriber = options->subscriber;
    if (options->subscriber)
        names_own(redis->pulse_name, options->prefix, "pulse");
    redis->events = options->events;
    redis->ctx = options->ctx;
    redis->backoff = BACKOFF_FIRST;
    if (target_parse(options->url, &redis->target) != ERR_OK)
        abort(); /* main() has checked it */
    if (redis->target.path == NULL)
        redis->resolver = resolver_new(loop, redis_on_found, redis);
    redis->config = options->config;
    redis->round_trips = options->round_trips;
    redis->where = options->where;
    redis->where_ctx = options->where_ctx;
    redis->any_role = options->any_role;
    redis->quiet = options->quiet;
    if (options->companion != NULL)
        pair(redis, options->companion);
    ev_timer_init(&redis->end, redis_on_end, 0, 0);
    ev_timer_init(&redis->retry, redis_on_retry, 0, 0);
    ev_init(&redis->pulse, on_pulse);
    double pulse = redis->timeout / 2 < PULSE ? redis->timeout / 2 : PULSE;
    redis->pulse.repeat = pulse;
    redis->retry.data = redis->pulse.data = redis->end.data = redis;
    ev_timer_start(loop, &redis->retry);
    return redis;
}

void redis_free(struct redis *redis) {
    if (redis == NULL)
        return;
    redis->freeing = true;
    ev_timer_stop(redis->loop, &redis->retry);
    ev_timer_stop(redis->loop, &redis->pulse);
    ev_timer_stop(redis->loop, &redis->end);
    if (redis->companion != NULL)
        redis->companion->companion = NULL;
    if (redis->hiredis != NULL)
        redisAsyncFree(redis->hiredis);
    redis_drop_relay(redis);
    tls_free(redis->tls);
    resolver_free(redis->resolver);
    target_free(&redis->target);
    free(redis->host);
    free(redis->name);
    free(redis);
}

enum redis_state redis_state(const struct redis *redis) {
    return redis->state;
}

long redis_peer(const struct redis *redis) {
    struct ucred peer = {0};
    socklen_t len = sizeof peer;

    if (redis->hiredis == NULL || redis->target.path == NULL ||
        getsockopt(redis->hiredis->c.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return 0;
    return peer.pid;
}

int redis_database(const struct redis *redis) {
    return redis->target.db;
}

const char *redis_trouble(const struct redis *redis) {
    return redis->trouble[0] != '\0' ? redis->trouble : NULL;
}

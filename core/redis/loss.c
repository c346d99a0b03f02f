/*
 * How a connection ends, and when the next one is tried. Whatever fails goes through
 * redis_lose(): state, callbacks, and a timer for the next attempt. A connection that had worked
 * for SETTLED seconds is replaced at once, and so is one more that had not; otherwise the next
 * attempt follows after a random part of a delay that doubles from 50 ms to 3 s, so that neither
 * a Redis that lets us in and throws us out again nor a thousand processes that come back in
 * step make a storm.
 */
#include "core/redis/_redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/redis/resolver.h"

#define SETTLED     5.0
#define BACKOFF_MAX 3.0

static void complain(struct redis *redis, const char *why) {
    unsigned long quiet;
    if (!redis->quiet && log_allowed(&redis->complaint, ev_now(redis->loop), &quiet))
        log_warning("redis.away", "connection=%s host=%s why=\"%s\" not_logged=%lu", redis->name,
                    redis->host != NULL ? redis->host : "", why, quiet);
}

void redis_drop_relay(struct redis *redis) {
    tls_relay_free(redis->relay);
    redis->relay = NULL;
}

static void note_trouble(struct redis *redis, const char *why) {
    if (why != redis->trouble)
        snprintf(redis->trouble, sizeof redis->trouble, "%s", why);
}

/* --------------------------------------------------------- the next attempt */

/*
 * Whether a connection that was up is replaced at once: one that has proved good, and the
 * first one that has not. Only the former sets the delay back.
 */
static bool worth_hope(const struct redis *redis) {
    return redis->state == REDIS_UP && (redis->settled || redis->backoff <= BACKOFF_FIRST);
}

/* Seconds until the next attempt. */
static double next_attempt(struct redis *redis, bool settled, bool hope) {
    double twice = redis->backoff * 2;

    redis->backoff = settled ? BACKOFF_FIRST : twice > BACKOFF_MAX ? BACKOFF_MAX : twice;
    return hope ? 0 : redis->backoff * (0.1 + 0.9 * drand48());
}

void redis_settle(struct redis *redis) {
    if (redis->settled || ev_now(redis->loop) - redis->up_since < SETTLED)
        return;
    if (redis->trouble[0] != '\0')
        redis_say_up(redis);
    redis->settled = true;
    redis->backoff = BACKOFF_FIRST;
    redis->complaint = (struct log_limit){0};
    redis->trouble[0] = '\0';
}

/* ------------------------------------------------------ the end of this one */

/* What belonged to the connection that is gone. */
static void forget_connection(struct redis *redis) {
    redis->hiredis = NULL;
    redis->resolving = 0;
    redis->asked = 0;
    redis->settled = false;
    redis->pulses_back = redis->pulses_sent; /* the lost ones are never answered */
    ev_timer_stop(redis->loop, &redis->pulse);
    ev_timer_stop(redis->loop, &redis->end);
    while (redis->unconfirmed != NULL)
        redis_confirm_first(redis);
    if (redis->resolver != NULL)
        resolver_forget(redis->resolver);
}

void redis_lose(struct redis *redis, const char *why) {
    bool was_up = redis->state == REDIS_UP, settled = was_up && redis->settled;
    bool hope = worth_hope(redis);

    forget_connection(redis);
    if (redis->freeing)
        return;
    note_trouble(redis, why);
    complain(redis, redis->trouble);
    redis_drop_relay(redis);
    redis->state = hope ? REDIS_CONNECTING : REDIS_DOWN;
    ev_timer_set(&redis->retry, next_attempt(redis, settled, hope), 0);
    ev_timer_start(redis->loop, &redis->retry);
    if (was_up)
        redis->events->down(redis->ctx);
    if (!hope && redis->events->away != NULL)
        redis->events->away(redis->ctx);
}

void redis_give_up(struct redis *redis, const char *why) {
    if (redis->silent && redis->resolver != NULL)
        (void)resolver_next(redis->resolver);
    redis->silent = false;
    redis->given_up = why;
    redisAsyncFree(redis->hiredis); /* calls on_disconnect() only if it was connected */
    if (redis->hiredis != NULL)
        redis_lose(redis, why);
}

/* Gives it up as soon as its callbacks have returned. False: it is being given up already. */
static bool doom(struct redis *redis, const char *why) {
    if (redis->hiredis == NULL || ev_is_active(&redis->end))
        return false;
    note_trouble(redis, why);
    redis->settled = false;
    ev_timer_set(&redis->end, 0, 0);
    ev_timer_start(redis->loop, &redis->end);
    return true;
}

void redis_leave(struct redis *redis, const char *why) {
    if (doom(redis, why) && redis->companion != NULL)
        redis_leave(redis->companion, redis->trouble);
}

void redis_hurry(struct redis *redis) {
    struct redis *both[] = {redis, redis->companion};

    for (size_t i = 0; i < 2; i++) {
        if (both[i] == NULL)
            continue;
        both[i]->backoff = BACKOFF_FIRST;
        if (!ev_is_active(&both[i]->retry))
            continue;
        ev_timer_stop(both[i]->loop, &both[i]->retry);
        ev_timer_set(&both[i]->retry, 0, 0);
        ev_timer_start(both[i]->loop, &both[i]->retry);
    }
}

void redis_renew(struct redis *redis, const char *why) {
    (void)doom(redis, why);
}

void redis_on_end(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct redis *redis = timer->data;
    (void)loop, (void)events;
    if (redis->hiredis != NULL)
        redis_give_up(redis, redis->trouble);
}

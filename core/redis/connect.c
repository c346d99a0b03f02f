/*
 * The way to Redis: look the host up, which the resolver does elsewhere; connect to its
 * addresses in turn, until one takes us, through a relay where there is TLS; then greet.
 */
#include "core/redis/_redis.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/base/mem.h"
#include "core/redis/resolver.h"

/* the adapter is a header of static functions that this file alone includes */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <hiredis/adapters/libev.h>
#pragma GCC diagnostic pop

/* To an address of the target's host, or where that is NULL to its socket. */
static void connect_to(struct redis *redis, const char *address);

/* Nobody is there: the host may have another address. */
static void miss(struct redis *redis, const char *why) {
    const char *address = redis->resolver != NULL ? resolver_next(redis->resolver) : NULL;

    if (address == NULL) {
        redis_lose(redis, why);
        return;
    }
    redis->hiredis = NULL;
    redis_drop_relay(redis);
    connect_to(redis, address);
}

static void on_disconnect(const redisAsyncContext *hiredis, int status) {
    struct redis *redis = hiredis->data;
    const char *why = tls_relay_trouble(redis->relay);

    if (redis->hiredis != hiredis)
        return;
    if (why == NULL && status == REDIS_OK)
        why = redis->given_up != NULL ? redis->given_up : "closed";
    else if (why == NULL)
        why = hiredis->errstr;
    if (redis->silent && !redis->freeing)
        miss(redis, why);
    else
        redis_lose(redis, why);
}

static void on_connect(const redisAsyncContext *hiredis, int status) {
    struct redis *redis = hiredis->data;
    if (status != REDIS_OK && redis->hiredis == hiredis)
        miss(redis, hiredis->errstr); /* hiredis frees it when this returns */
}

/* From now on hiredis speaks to the relay, and the relay to Redis. */
static enum err encrypt(struct redis *redis, redisAsyncContext *hiredis, char why[TLS_WHY]) {
    enum err err = ERR_OK;

    if (!redis->target.tls)
        return ERR_OK;
    if (redis->tls == NULL)
        err = tls_new(redis->config, &redis->tls, why);
    if (err != ERR_OK)
        return err;
    err = tls_relay_new(redis->tls, redis->loop, hiredis->c.fd, redis->host, &redis->relay);
    if (err != ERR_OK)
        snprintf(why, TLS_WHY, "no TLS");
    return err;
}

static void converse(struct redis *redis, redisAsyncContext *hiredis) {
    hiredis->data = redis;
    redis->hiredis = hiredis;
    redis->heard = ev_now(redis->loop);
    redis->asked = 0;
    redis->silent = true;
    redis->given_up = NULL;
    redisLibevAttach(redis->loop, hiredis);
    redisAsyncSetConnectCallback(hiredis, on_connect);
    redisAsyncSetDisconnectCallback(hiredis, on_disconnect);
    redis_greet(redis);
    ev_timer_again(redis->loop, &redis->pulse);
}

static void connect_to(struct redis *redis, const char *address) {
    const struct target *target = &redis->target;
    char why[TLS_WHY] = "out of memory";
    redisAsyncContext *hiredis = address == NULL ? redisAsyncConnectUnix(target->path)
                                                 : redisAsyncConnect(address, redis->port);

    if (hiredis != NULL && hiredis->err != 0)
        snprintf(why, sizeof why, "%s", hiredis->errstr);
    else if (hiredis != NULL && encrypt(redis, hiredis, why) == ERR_OK) {
        converse(redis, hiredis);
        return;
    }
    if (hiredis != NULL)
        redisAsyncFree(hiredis);
    miss(redis, why);
}

/* ----------------------------------------------------------- where Redis is */

void redis_on_found(void *ctx, const char *address, const char *why) {
    struct redis *redis = ctx;
    char text[TLS_WHY];

    redis->resolving = 0;
    if (address != NULL) {
        connect_to(redis, address);
        return;
    }
    snprintf(text, sizeof text, "its name is not resolved: %s", why);
    redis_lose(redis, text);
}

/* Where Redis is now. False: nobody knows. */
static bool locate(struct redis *redis) {
    const struct target_host *host =
        redis->where != NULL ? redis->where(redis->where_ctx) : &redis->target.hosts[0];

    if (host == NULL)
        return false;
    free(redis->host);
    redis->host = mem_string(host->name);
    redis->port = host->port;
    return true;
}

static void attempt(struct redis *redis) {
    if (redis->resolver == NULL) {
        connect_to(redis, NULL);
        return;
    }
    if (!locate(redis)) {
        redis_lose(redis, "no sentinel has named a master");
        return;
    }
    redis->resolving = ev_now(redis->loop);
    resolver_ask(redis->resolver, redis->host);
    ev_timer_again(redis->loop, &redis->pulse);
}

void redis_on_retry(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    attempt(timer->data);
}

/*
 * Subscriptions: what is asked for on a subscribed connection, what comes on it, and the signs
 * of life that it asks for by subscribing to the same channel again.
 */
#include "core/redis/_redis.h"

#include <string.h>

static void on_pulse_back(struct redis *redis) {
    redis->pulses_back++;
    if (redis->events->pulsed != NULL)
        redis->events->pulsed(redis->ctx, redis->pulses_back);
}

static bool is_pulse(const struct redis *redis, const redisReply *channel) {
    return channel->len == strlen(redis->pulse_name) &&
           memcmp(channel->str, redis->pulse_name, channel->len) == 0;
}

/*
 * Without signs of life the connection is good for nothing. But while a script runs for long
 * Redis refuses everything, and the next sign of life says what this one would have.
 */
static void on_refusal(struct redis *redis, const redisReply *channel, const redisReply *why) {
    if (is_pulse(redis, channel) && strncmp(why->str, "BUSY ", 5) == 0)
        redis->pulses_back++;
    else if (redis->events->refused == NULL || is_pulse(redis, channel))
        redis_give_up(redis, why->str);
    else
        redis->events->refused(redis->ctx, channel->str, channel->len, why->str, why->len);
}

static void on_subscription(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    const redisReply *r = reply;
    (void)ctx;

    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements < 3 || redis->hiredis != hiredis)
        return;
    redis_heard(redis);
    const char *kind = r->element[0]->str;
    const redisReply *channel = r->element[r->elements - 2];
    const redisReply *payload = r->element[r->elements - 1];
    if (strcmp(kind, "message") == 0 || strcmp(kind, "pmessage") == 0) {
        redis->events->message(redis->ctx, channel->str, channel->len, payload->str, payload->len);
        return;
    }
    redis_confirm_first(redis);
    if (payload->type == REDIS_REPLY_STRING)
        on_refusal(redis, channel, payload);
    else if (is_pulse(redis, channel))
        on_pulse_back(redis);
    else if (redis->events->subscribed != NULL)
        redis->events->subscribed(redis->ctx, channel->str, channel->len,
                                  strstr(kind, "unsubscribe") == NULL);
}

uint64_t redis_pulse(struct redis *redis) {
    if (!redis_speaks(redis))
        return 0;
    redis_asked(redis);
    if (redisAsyncCommand(redis->hiredis, on_subscription, NULL, "SUBSCRIBE %s",
                          redis->pulse_name) != REDIS_OK)
        return 0;
    redis_await_confirmation(redis, "subscribe", redis->pulse_name, strlen(redis->pulse_name));
    return ++redis->pulses_sent;
}

static enum err subscription(struct redis *redis, const char *verb, const char *channel,
                             size_t len) {
    const char *argv[] = {verb, channel};
    const size_t lens[] = {strlen(verb), len};

    if (!redis_speaks(redis))
        return ERR_REDIS;
    redis_asked(redis);
    if (redisAsyncCommandArgv(redis->hiredis, on_subscription, NULL, 2, argv, lens) != REDIS_OK)
        return ERR_REDIS;
    redis_await_confirmation(redis, verb, channel, len);
    return ERR_OK;
}

enum err redis_subscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    return subscription(redis, pattern ? "psubscribe" : "subscribe", channel, len);
}

enum err redis_unsubscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    return subscription(redis, pattern ? "punsubscribe" : "unsubscribe", channel, len);
}

enum err redis_unsubscribe_all(struct redis *redis, const char *const *patterns, size_t count) {
    const char *argv[1 + REDIS_PATTERNS] = {"punsubscribe"};
    size_t lens[1 + REDIS_PATTERNS] = {strlen(argv[0])};

    if (!redis_speaks(redis) || count > REDIS_PATTERNS)
        return ERR_REDIS;
    for (size_t i = 0; i < count; i++) {
        argv[1 + i] = patterns[i];
        lens[1 + i] = strlen(patterns[i]);
    }
    redis_asked(redis);
    if (redisAsyncCommandArgv(redis->hiredis, on_subscription, NULL, 1 + (int)count, argv, lens) !=
        REDIS_OK)
        return ERR_REDIS;
    for (size_t i = 0; i < count; i++)
        redis_await_confirmation(redis, argv[0], patterns[i], lens[1 + i]);
    return ERR_OK;
}

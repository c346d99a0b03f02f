/*
 * What a subscribed connection has asked for and Redis has not confirmed, in order; and how
 * Redis's refusals are made to arrive in that order.
 */
#include "core/redis/_redis.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

/* What was asked of a subscribed connection: its answers name it, but errors do not. */
struct unconfirmed {
    struct unconfirmed *prev, *next;
    const char *verb; /* in lower case */
    size_t len;
    char channel[];
};

void redis_await_confirmation(struct redis *redis, const char *verb, const char *channel,
                              size_t len) {
    struct unconfirmed *item = mem_new(sizeof *item + len);

    item->verb = verb;
    item->len = len;
    memcpy(item->channel, channel, len);
    DL_APPEND(redis->unconfirmed, item);
}

void redis_confirm_first(struct redis *redis) {
    struct unconfirmed *first = redis->unconfirmed;

    if (first == NULL)
        return;
    DL_DELETE(redis->unconfirmed, first);
    free(first);
}

/*
 * hiredis ends a subscribed connection at the first error, and does not say whose it is. So
 * an error is made to look like the confirmation that was awaited, with what Redis said in
 * the place of a number.
 */
static const redisReplyObjectFunctions *hiredis_functions;

static redisReply *put_refusal(const struct unconfirmed *asked, const char *text, size_t len) {
    const redisReadTask string = {.type = REDIS_REPLY_STRING};
    struct part {
        const char *text;
        size_t len;
    } parts[] = {{asked->verb, strlen(asked->verb)}, {asked->channel, asked->len}, {text, len}};
    redisReply *reply = mem_new(sizeof *reply);

    reply->type = REDIS_REPLY_ARRAY;
    reply->elements = 3;
    reply->element = mem_new(3 * sizeof(redisReply *));
    for (size_t i = 0; i < 3; i++)
        reply->element[i] = hiredis_functions->createString(
            &string, (char *)(uintptr_t)parts[i].text, parts[i].len);
    return reply;
}

static void *put_string(const redisReadTask *task, char *text, size_t len) {
    const struct redis *redis = task->privdata;
    const struct unconfirmed *first = redis->unconfirmed;

    if (task->type != REDIS_REPLY_ERROR || task->parent != NULL || first == NULL ||
        redis->joining > 0 || strstr(first->verb, "unsubscribe") != NULL)
        return hiredis_functions->createString(task, text, len);
    return put_refusal(first, text, len);
}

void redis_catch_refusals(redisAsyncContext *hiredis, struct redis *redis) {
    static redisReplyObjectFunctions functions;

    if (hiredis_functions == NULL) {
        hiredis_functions = hiredis->c.reader->fn;
        functions = *hiredis_functions;
        functions.createString = put_string;
    }
    hiredis->c.reader->fn = &functions;
    hiredis->c.reader->privdata = redis;
}

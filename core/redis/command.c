/*
 * Commands and their replies, and the one command that subscribes.
 */
#include "core/redis/_redis.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

struct pending {
    redis_reply_fn *fn;
    void *ctx;
    struct redis *redis;
};

/* Answers by which a Redis says that it is not the master, whatever was asked. */
static bool says_replica(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ERROR &&
           (strncmp(reply->str, "READONLY", 8) == 0 || strncmp(reply->str, "MASTERDOWN", 10) == 0);
}

/*
 * One command at a time is timed: a broadcast's thousands would all tell the same. The loop's
 * clock stands still while its callbacks run, so what the loop itself takes is in it.
 */
static void time_it(struct redis *redis, const struct pending *pending) {
    if (redis->round_trips == NULL || redis->timed != NULL)
        return;
    redis->timed = pending;
    redis->timed_since = ev_now(redis->loop);
}

static void take_time(struct redis *redis, const struct pending *pending, bool answered) {
    if (redis->timed != pending)
        return;
    redis->timed = NULL;
    if (answered)
        histogram_add(redis->round_trips, ev_now(redis->loop) - redis->timed_since);
}

static void on_reply(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct pending *pending = ctx;
    struct redis *redis = pending->redis;

    if (reply != NULL)
        redis_heard(redis);
    redis->unanswered--;
    take_time(redis, pending, reply != NULL);
    if (pending->fn != NULL)
        pending->fn(pending->ctx, reply);
    if (reply != NULL && redis->hiredis == hiredis && says_replica(reply))
        redis_leave(redis, ((const redisReply *)reply)->str);
    free(pending);
}

/* Bytes at most that stand around a word: "$", its length, two line ends. */
enum { WORD_FRAME = 26 };

static char *put(char *to, const char *bytes, size_t len) {
    if (len > 0) /* `bytes` may be NULL else */
        memcpy(to, bytes, len);
    to[len] = '\r';
    to[len + 1] = '\n';
    return to + len + 2;
}

static char *put_length(char *to, char kind, size_t length) {
    char digits[20];
    size_t at = sizeof digits;

    do {
        digits[--at] = (char)('0' + length % 10);
        length /= 10;
    } while (length > 0);
    *to = kind;
    return put(to + 1, digits + at, sizeof digits - at);
}

/* A command as Redis reads it (RESP, an array of bulk strings). hiredis would format each word with
 * a printf of its own, for every poll of every session. */
static void add_command(struct buf *text, int argc, const char **argv, const size_t *lens) {
    size_t size = WORD_FRAME;

    for (int i = 0; i < argc; i++)
        size += WORD_FRAME + lens[i];
    char *to = buf_reserve(text, size);
    to = put_length(to, '*', (size_t)argc);
    for (int i = 0; i < argc; i++) {
        to = put_length(to, '$', lens[i]);
        to = put(to, argv[i], lens[i]);
    }
    text->len = (size_t)(to - text->data);
}

enum err redis_command(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                       const char **argv, const size_t *lens) {
    if (!redis_speaks(redis))
        return ERR_REDIS;
    struct pending *pending = mem_new(sizeof *pending);
    *pending = (struct pending){.fn = reply, .ctx = ctx, .redis = redis};
    struct buf text = buf_make(SIZE_MAX / 2);
    redis_asked(redis);
    add_command(&text, argc, argv, lens);
    int sent = redisAsyncFormattedCommand(redis->hiredis, on_reply, pending, text.data, text.len);
    buf_free(&text);
    if (sent != REDIS_OK) {
        free(pending);
        return ERR_REDIS;
    }
    redis->unanswered++;
    time_it(redis, pending);
    return ERR_OK;
}

/* ------------------------------------------------ a command that subscribes */

/*
 * hiredis 0.14 takes a SUBSCRIBE for the beginning of subscribed mode, also inside of
 * MULTI, where Redis only answers QUEUED. So the whole transaction goes out as the text
 * of one command, and the replies to the rest of it are expected by commands of no length.
 * Messages come after the last of these. The subscriptions that follow let hiredis
 * know that there are any; for Redis they are nothing new.
 */
enum {
    JOIN_COMMANDS = 5 /* MULTI, the command, CLIENT ID, SUBSCRIBE, EXEC; and a PSUBSCRIBE for each
                       * pattern, since a list of replies has one for each command */
};

static void add_words(struct buf *text, const char *verb, const char *word) {
    const char *argv[] = {verb, word};
    const size_t lens[] = {strlen(verb), word != NULL ? strlen(word) : 0};
    add_command(text, word != NULL ? 2 : 1, argv, lens);
}

static void on_queued(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    const redisReply *answer = reply;
    (void)ctx;

    redis->joining -= reply != NULL;
    if (reply != NULL)
        redis_heard(redis);
    if (redis_is_error(answer) && redis->unqueued[0] == '\0')
        snprintf(redis->unqueued, sizeof redis->unqueued, "%s", answer->str);
}

/*
 * The reply to EXEC is a list of all replies; or it says that something was refused, and not
 * what.
 */
static void on_joined(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    redisReply refusal = {
        .type = REDIS_REPLY_ERROR, .str = redis->unqueued, .len = strlen(redis->unqueued)};

    redis->joining -= reply != NULL;
    on_reply(hiredis, redis_is_error(reply) && refusal.len > 0 ? &refusal : reply, ctx);
}

/* Sends what redis_join() says, and expects an answer to each of its commands. */
static int send_join(struct redis *redis, const struct buf *text, unsigned commands,
                     struct pending *pending) {
    static const char nothing[] = "*1\r\n$4\r\nPING\r\n"; /* of which no byte is sent */
    int sent = redisAsyncFormattedCommand(redis->hiredis, on_queued, NULL, text->data, text->len);

    for (unsigned i = 2; i < commands && sent == REDIS_OK; i++)
        sent = redisAsyncFormattedCommand(redis->hiredis, on_queued, NULL, nothing, 0);
    if (sent == REDIS_OK)
        sent = redisAsyncFormattedCommand(redis->hiredis, on_joined, pending, nothing, 0);
    return sent;
}

enum err redis_join(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                    const char **argv, const size_t *lens, const char *channel,
                    const char *const *patterns, size_t count) {
    if (!redis_speaks(redis) || count > REDIS_PATTERNS)
        return ERR_REDIS;
    struct pending *pending = mem_new(sizeof *pending);
    *pending = (struct pending){.fn = reply, .ctx = ctx, .redis = redis};
    struct buf text = buf_make(SIZE_MAX / 2);
    unsigned commands = JOIN_COMMANDS + (unsigned)count;
    add_words(&text, "MULTI", NULL);
    add_command(&text, argc, argv, lens);
    add_words(&text, "CLIENT", "ID");
    add_words(&text, "SUBSCRIBE", channel);
    for (size_t i = 0; i < count; i++)
        add_words(&text, "PSUBSCRIBE", patterns[i]);
    add_words(&text, "EXEC", NULL);
    redis_asked(redis);
    int sent = send_join(redis, &text, commands, pending);
    buf_free(&text);
    if (sent != REDIS_OK) {
        free(pending);
        return ERR_REDIS;
    }
    redis->unanswered++;
    redis->joining = commands;
    redis->unqueued[0] = '\0';
    bool subscribed = redis_subscribe(redis, channel, strlen(channel), false) == ERR_OK;
    for (size_t i = 0; i < count && subscribed; i++) /* else it is being lost: the reply is NULL */
        subscribed = redis_subscribe(redis, patterns[i], strlen(patterns[i]), true) == ERR_OK;
    return ERR_OK;
}

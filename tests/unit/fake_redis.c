/* The fake of core/redis/redis: same functions, no socket. */
#include "tests/unit/fake_redis.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/collections.h"
#include "core/base/mem.h"
#include "tests/lib/keep.h"

enum kind { TEXT, ERROR, NUMBER, LIST };

struct redisReply {
    enum kind kind;
    long long number;
    char *text;
    size_t len;
    size_t count;
    struct redisReply **items;
};

struct command {
    struct command *prev, *next;
    redis_reply_fn *fn;
    void *ctx;
    char *words;
};

struct asked {
    struct asked *prev, *next;
    char *channel;
    char *text; /* of a message; NULL for a subscription */
    bool on;
};

struct redis {
    struct redis *next;
    char *name;
    const struct redis_events *events;
    void *ctx;
    enum redis_state state;
    struct command *commands;
    struct asked *unconfirmed, *unread;
    uint64_t pulses, passed; /* asked for, and come back */
    char *subscriptions;
    const char *trouble; /* or NULL */
    bool renewed;
    bool owed;
    bool library; /* fake_library() was called: it says so by itself from then on */
};

#define ASKS_LIBRARY  "FCALL_RO halley_installation "
#define ASKS_SESSIONS "FCALL_RO halley_session_version "

static struct redis *connections;
static const struct redis_events silent;

/* ------------------------------------------------------------------- redis.h */

struct redis *redis_new(struct ev_loop *loop, const struct redis_options *options) {
    struct redis *redis = mem_new(sizeof *redis);
    (void)loop;
    redis->name = keepf("%s", options->name);
    redis->events = options->events;
    redis->ctx = options->ctx;
    redis->subscriptions = keepf("%s", "");
    LL_PREPEND(connections, redis);
    return redis;
}

static void drop_asked(struct asked **list) {
    while (*list != NULL) {
        struct asked *first = *list;
        DL_DELETE(*list, first);
        free(first);
    }
}

static void answer_all(struct redis *redis) {
    while (redis->commands != NULL)
        fake_answer(redis, NULL);
    drop_asked(&redis->unconfirmed);
    drop_asked(&redis->unread);
}

void redis_free(struct redis *redis) {
    if (redis == NULL)
        return;
    redis->state = REDIS_DOWN;
    answer_all(redis);
    LL_DELETE(connections, redis);
    free(redis);
}

enum redis_state redis_state(const struct redis *redis) {
    return redis->state;
}

int redis_database(const struct redis *redis) {
    (void)redis;
    return 0;
}

void redis_leave(struct redis *redis, const char *why) {
    (void)redis, (void)why;
}

void redis_hurry(struct redis *redis) {
    (void)redis;
}

void redis_renew(struct redis *redis, const char *why) {
    (void)why;
    redis->renewed = true;
}

bool fake_renewed(struct redis *redis) {
    bool renewed = redis->renewed;
    redis->renewed = false;
    return renewed;
}

void fake_trouble(struct redis *redis, const char *trouble) {
    redis->trouble = trouble;
}

const char *redis_trouble(const struct redis *redis) {
    return redis->trouble;
}

enum err redis_command(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                       const char **argv, const size_t *lens) {
    struct buf words = buf_make(64 * 1024 * 1024);

    if (redis->state != REDIS_UP)
        return ERR_REDIS;
    for (int i = 0; i < argc; i++) {
        buf_text(&words, i > 0 ? " " : "");
        buf_add(&words, argv[i], lens[i]);
    }
    struct command *command = mem_new(sizeof *command);
    *command = (struct command){.fn = reply, .ctx = ctx, .words = keep(words.data)};
    DL_APPEND(redis->commands, command);
    return ERR_OK;
}

static enum err subscription(struct redis *redis, const char *verb, const char *channel, size_t len,
                             bool pattern, bool on) {
    if (redis->state != REDIS_UP)
        return ERR_REDIS;
    struct asked *asked = mem_new(sizeof *asked);
    asked->channel = keepf("%.*s", (int)len, channel);
    asked->on = on;
    DL_APPEND(redis->unconfirmed, asked);
    redis->subscriptions =
        keepf("%s%s%s%s %s", redis->subscriptions, redis->subscriptions[0] ? "|" : "",
              pattern ? "p" : "", verb, asked->channel);
    return ERR_OK;
}

enum err redis_subscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    return subscription(redis, "subscribe", channel, len, pattern, true);
}

enum err redis_unsubscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    return subscription(redis, "unsubscribe", channel, len, pattern, false);
}

enum err redis_unsubscribe_all(struct redis *redis, const char *const *patterns, size_t count) {
    enum err err = ERR_OK;
    for (size_t i = 0; i < count && err == ERR_OK; i++)
        err = redis_unsubscribe(redis, patterns[i], strlen(patterns[i]), true);
    return err;
}

enum err redis_join(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                    const char **argv, const size_t *lens, const char *channel,
                    const char *const *patterns, size_t count) {
    redis->subscriptions =
        keepf("%s%sjoin %s", redis->subscriptions, redis->subscriptions[0] ? "|" : "", channel);
    for (size_t i = 0; i < count; i++)
        redis->subscriptions = keepf("%s %s", redis->subscriptions, patterns[i]);
    return redis_command(redis, reply, ctx, argc, argv, lens);
}

uint64_t redis_pulse(struct redis *redis) {
    return redis->state == REDIS_UP ? ++redis->pulses : 0;
}

void redis_flush(struct redis *redis) {
    (void)redis; /* what was asked stands in the queue that the test looks at */
}

static void (*at_finish)(void);

void fake_at_finish(void (*answer)(void)) {
    at_finish = answer;
}

void redis_finish(struct redis *redis, double seconds) {
    void (*answer)(void) = at_finish; /* nobody answers but the test */
    (void)redis, (void)seconds;

    at_finish = NULL;
    if (answer != NULL)
        answer();
}

bool redis_waits(const struct redis *redis) {
    return redis->unread != NULL;
}

bool redis_owed(const struct redis *redis) {
    return redis->owed;
}

void fake_owe(struct redis *redis, bool owed) {
    redis->owed = owed;
}

void redis_drain(struct redis *redis) {
    fake_deliver(redis);
}

long redis_peer(const struct redis *redis) {
    return redis->state == REDIS_UP ? FAKE_PEER : 0;
}

bool redis_is_error(const redis_reply *reply) {
    return reply != NULL && reply->kind == ERROR;
}

const char *redis_text(const redis_reply *reply, size_t *len) {
    bool text = reply != NULL && (reply->kind == TEXT || reply->kind == ERROR);
    *len = text ? reply->len : 0;
    return text ? reply->text : NULL;
}

int64_t redis_integer(const redis_reply *reply, int64_t fallback) {
    return reply != NULL && reply->kind == NUMBER ? reply->number : fallback;
}

size_t redis_count(const redis_reply *reply) {
    return reply != NULL && reply->kind == LIST ? reply->count : 0;
}

const redis_reply *redis_item(const redis_reply *reply, size_t index) {
    return index < redis_count(reply) ? reply->items[index] : NULL;
}

/* ------------------------------------------------------------------- replies */

static struct redisReply *reply_new(enum kind kind, const char *text, size_t len) {
    struct redisReply *reply = mem_new(sizeof *reply);
    reply->kind = kind;
    reply->text = mem_copy(text, len);
    reply->len = len;
    return reply;
}

static void reply_free(struct redisReply *reply) {
    if (reply == NULL)
        return;
    for (size_t i = 0; i < reply->count; i++)
        reply_free(reply->items[i]);
    free(reply->items);
    free(reply->text);
    free(reply);
}

redis_reply *reply_text(const char *text) {
    return reply_new(TEXT, text, strlen(text));
}

redis_reply *reply_error(const char *text) {
    return reply_new(ERROR, text, strlen(text));
}

redis_reply *reply_number(long long number) {
    struct redisReply *reply = reply_new(NUMBER, "", 0);
    reply->number = number;
    return reply;
}

static void add(struct redisReply *list, struct redisReply *item) {
    list->items = mem_resize(list->items, (list->count + 1) * sizeof(struct redisReply *));
    list->items[list->count++] = item;
}

redis_reply *reply_list(size_t count, ...) {
    struct redisReply *list = reply_new(LIST, "", 0);
    va_list args;

    va_start(args, count);
    for (size_t i = 0; i < count; i++)
        add(list, va_arg(args, struct redisReply *));
    va_end(args);
    return list;
}

redis_reply *reply_library(const char *since) {
    return reply_list(8, reply_number(1000000), reply_text(""), reply_text("halley"),
                      reply_text("0"), reply_text(since), reply_text(""), reply_text(""),
                      reply_number(0));
}

redis_reply *reply_page(const char *tail, int gap, bool more, const char *entries) {
    struct redisReply *list = reply_list(0);

    while (entries[0] != '\0') {
        const char *id_end = strchr(entries, ' '), *at_end = strchr(id_end + 1, ' ');
        const char *end = entries + strcspn(entries, "|");
        add(list, reply_new(TEXT, entries, (size_t)(id_end - entries)));
        add(list, reply_new(TEXT, id_end + 1, (size_t)(at_end - id_end - 1)));
        if (at_end[1] == '#')
            add(list, reply_number(strtol(at_end + 2, NULL, 10)));
        else
            add(list, reply_new(TEXT, at_end + 1, (size_t)(end - at_end - 1)));
        entries = end + (end[0] == '|');
    }
    return reply_list(4, reply_text(tail), reply_number(gap), reply_number(more), list);
}

/* --------------------------------------------------------- what a test says */

struct redis *fake_find(const char *name) {
    struct redis *redis;
    LL_FOREACH (connections, redis) {
        if (strcmp(redis->name, name) == 0)
            return redis;
    }
    return NULL;
}

struct redis *fake_connection(const char *name) {
    struct redis *redis = fake_find(name);
    ck_assert_msg(redis != NULL, "no connection is called %s", name);
    return redis;
}

struct redis *fake_new(const char *name) {
    const struct redis_options options = {.url = "unix:/", .name = name, .events = &silent};
    return redis_new(NULL, &options);
}

void fake_up(struct redis *redis) {
    redis->state = REDIS_UP;
    if (redis->events->up != NULL)
        redis->events->up(redis->ctx);
}

void fake_down(struct redis *redis) {
    redis->state = REDIS_CONNECTING;
    redis->passed = redis->pulses;
    answer_all(redis);
    if (redis->events->down != NULL)
        redis->events->down(redis->ctx);
}

void fake_away(struct redis *redis) {
    redis->state = REDIS_DOWN;
    if (redis->events->away != NULL)
        redis->events->away(redis->ctx);
}

static void answer_command(struct redis *redis, struct command *command, redis_reply *reply) {
    DL_DELETE(redis->commands, command);
    if (command->fn != NULL)
        command->fn(command->ctx, reply);
    reply_free(reply);
    free(command);
}

static bool asks(const struct command *command, const char *words) {
    return strncmp(command->words, words, strlen(words)) == 0;
}

/* The oldest command that asks for one of the libraries, or NULL. */
static struct command *next_tick(struct redis *redis) {
    struct command *command;

    DL_FOREACH (redis->commands, command) {
        if (asks(command, ASKS_LIBRARY) || asks(command, ASKS_SESSIONS))
            return command;
    }
    return NULL;
}

/* What programs ask from time to time is answered before the test looks. */
static void answer_ticks(struct redis *redis) {
    struct command *command;

    while (redis->library && (command = next_tick(redis)) != NULL)
        answer_command(redis, command,
                       asks(command, ASKS_LIBRARY)
                           ? reply_library("1")
                           : reply_list(2, reply_number(1000000), reply_text("")));
}

size_t fake_waiting(struct redis *redis) {
    const struct command *command;
    size_t count = 0;

    answer_ticks(redis);
    DL_FOREACH (redis->commands, command) {
        count++;
    }
    return count;
}

const char *fake_asked(struct redis *redis) {
    answer_ticks(redis);
    return redis->commands != NULL ? redis->commands->words : "";
}

void fake_answer(struct redis *redis, redis_reply *reply) {
    if (reply != NULL)
        answer_ticks(redis);
    ck_assert_msg(redis->commands != NULL, "nothing was asked");
    answer_command(redis, redis->commands, reply);
}

void fake_library(struct redis *redis) {
    redis->library = true;
    answer_ticks(redis);
}

const char *fake_subscriptions(struct redis *redis) {
    const char *text = redis->subscriptions;
    redis->subscriptions = keepf("%s", "");
    return text;
}

void fake_confirm(struct redis *redis) {
    while (redis->unconfirmed != NULL) {
        struct asked *asked = redis->unconfirmed;
        DL_DELETE(redis->unconfirmed, asked);
        if (redis->events->subscribed != NULL)
            redis->events->subscribed(redis->ctx, asked->channel, strlen(asked->channel),
                                      asked->on);
        free(asked);
    }
}

void fake_say(struct redis *redis, const char *channel, const char *text) {
    redis->events->message(redis->ctx, channel, strlen(channel), text, strlen(text));
}

void fake_say_later(struct redis *redis, const char *channel, const char *text) {
    struct asked *message = mem_new(sizeof *message);
    message->channel = keepf("%s", channel);
    message->text = keepf("%s", text);
    DL_APPEND(redis->unread, message);
}

void fake_deliver(struct redis *redis) {
    while (redis->unread != NULL) {
        struct asked *message = redis->unread;
        DL_DELETE(redis->unread, message);
        fake_say(redis, message->channel, message->text);
        free(message);
    }
}

void fake_pulse(struct redis *redis) {
    fake_deliver(redis);
    if (redis->passed == redis->pulses)
        return;
    redis->passed = redis->pulses;
    if (redis->events->pulsed != NULL)
        redis->events->pulsed(redis->ctx, redis->pulses);
}

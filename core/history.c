/*
 * Talks to the function library in Redis. When the command connection comes up,
 * the library is asked for its version, loaded if there is none, and replaced
 * if it is older than the one embedded here; only then is the history ready.
 * A newer one, loaded by a newer program, is left as it is.
 *
 * Both programs use this: halley.fcgi for everything here, halley-worker for the
 * library and its readiness.
 */
#include "core/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log.h"
#include "core/mem.h"

extern const char halley_lua[];
extern const size_t halley_lua_len;

#define RETRY_DELAY 0.25 /* seconds between questions to a Redis that is still loading */

struct history {
    struct ev_loop *loop;
    struct redis *redis;
    void (*ready_fn)(void *ctx);
    void *ctx;
    bool ready;
    bool checking; /* a question about the library is out */
    struct ev_timer retry;
    struct log_limit complaint;
};

/* A read or a post on its way. */
struct read_call {
    struct history *history;
    char *channel;
    size_t channel_len;
    history_page_fn *done;
    void *ctx;
};
struct post_call {
    struct history *history;
    history_posted_fn *done;
    void *ctx;
};

/* ------------------------------------------------------------------ the library */

static void check(struct history *history);

static int embedded_version(void) {
    int version = 0;
    const char *line = strstr(halley_lua, "local VERSION = ");
    if (line != NULL)
        sscanf(line, "local VERSION = %d", &version);
    return version;
}

static void check_later(struct history *history, const redis_reply *why) {
    size_t len;
    unsigned long quiet;
    const char *text = redis_text(why, &len);

    if (text != NULL && log_allowed(&history->complaint, ev_now(history->loop), &quiet))
        log_warning("redis.library", "answer=\"%.*s\"", (int)len, text);
    ev_timer_set(&history->retry, RETRY_DELAY, 0);
    ev_timer_start(history->loop, &history->retry);
}

static void on_loaded(void *ctx, const redis_reply *reply) {
    struct history *history = ctx;
    size_t len;

    history->checking = false;
    if (reply == NULL)
        return;
    const char *text = redis_text(reply, &len);
    if (redis_is_error(reply) && strstr(text, "already exists") == NULL) {
        check_later(history, reply);
        return;
    }
    if (!redis_is_error(reply))
        log_info("redis.library.loaded", "version=%d", embedded_version());
    check(history); /* another program may have loaded one at the same time */
}

static void load(struct history *history, bool replace) {
    const char *argv[] = {"FUNCTION", "LOAD", "REPLACE", halley_lua};
    size_t lens[] = {8, 4, 7, halley_lua_len};

    if (!replace) {
        argv[2] = argv[3];
        lens[2] = lens[3];
    }
    history->checking =
        redis_command(history->redis, on_loaded, history, replace ? 4 : 3, argv, lens) == ERR_OK;
}

static bool says_missing(const redis_reply *reply) {
    size_t len;
    const char *text = redis_is_error(reply) ? redis_text(reply, &len) : NULL;
    return text != NULL && strstr(text, "unction not found") != NULL;
}

static void on_version(void *ctx, const redis_reply *reply) {
    struct history *history = ctx;

    history->checking = false;
    if (reply == NULL)
        return;
    int64_t version = redis_integer(reply, -1);
    if (version >= embedded_version()) {
        history->ready = true;
        history->ready_fn(history->ctx);
    } else if (version >= 0 || says_missing(reply)) {
        load(history, version >= 0);
    } else {
        check_later(history, reply);
    }
}

static void check(struct history *history) {
    const char *argv[] = {"FCALL_RO", "halley_version", "0"};
    const size_t lens[] = {8, 14, 1};

    if (history->checking)
        return;
    history->ready = false;
    history->checking = redis_command(history->redis, on_version, history, 3, argv, lens) == ERR_OK;
}

static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    check(timer->data);
}

void history_up(struct history *history) {
    check(history);
}

void history_down(struct history *history) {
    history->ready = false;
    history->checking = false;
    ev_timer_stop(history->loop, &history->retry);
}

bool history_ready(const struct history *history) {
    return history->ready;
}

bool history_missing(struct history *history, const redis_reply *reply) {
    if (!says_missing(reply))
        return false;
    check(history);
    return true;
}

struct history *history_new(struct ev_loop *loop, struct redis *redis, void (*ready)(void *ctx),
                            void *ctx) {
    struct history *history = mem_new(sizeof *history);
    history->loop = loop;
    history->redis = redis;
    history->ready_fn = ready;
    history->ctx = ctx;
    ev_timer_init(&history->retry, on_retry, 0, 0);
    history->retry.data = history;
    return history;
}

void history_free(struct history *history) {
    if (history == NULL)
        return;
    ev_timer_stop(history->loop, &history->retry);
    free(history);
}

/* Errors by which Redis says that it cannot serve anybody just now. */
static bool says_away(const char *text) {
    static const char *const words[] = {"LOADING", "READONLY", "MISCONF",   "OOM",
                                        "BUSY",    "NOAUTH",   "MASTERDOWN"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strncmp(text, words[i], strlen(words[i])) == 0)
            return true;
    }
    return false;
}

/* --------------------------------------------------------------------- reading */

static uint64_t number_of(const redis_reply *reply) {
    size_t len;
    const char *text = redis_text(reply, &len);
    return text != NULL ? strtoull(text, NULL, 10) : (uint64_t)redis_integer(reply, 0);
}

static enum err position_of(const redis_reply *reply, struct position *out) {
    size_t len;
    const char *text = redis_text(reply, &len);
    return text == NULL ? ERR_SYNTAX : position_parse(text, len, out);
}

static struct message *message_of(const struct read_call *call, const redis_reply *entries,
                                  size_t at) {
    struct position id;
    size_t len;
    const char *payload = redis_text(redis_item(entries, at + 2), &len);
    if (payload == NULL || position_of(redis_item(entries, at), &id) != ERR_OK)
        return NULL;
    return message_new(call->channel, call->channel_len, id, number_of(redis_item(entries, at + 1)),
                       payload, len);
}

static void fill_page(const struct read_call *call, const redis_reply *reply,
                      struct history_page *page) {
    const redis_reply *entries = redis_item(reply, 3);
    size_t count = redis_count(entries) / 3;

    page->err = position_of(redis_item(reply, 0), &page->tail) == ERR_OK ? ERR_OK : ERR_REDIS;
    if (page->err != ERR_OK)
        return;
    page->gap = redis_integer(redis_item(reply, 1), 0) != 0;
    page->more = redis_integer(redis_item(reply, 2), 0) != 0;
    page->messages = mem_new(count * sizeof(struct message *));
    for (size_t i = 0; i < count; i++) {
        struct message *message = message_of(call, entries, i * 3);
        if (message != NULL)
            page->messages[page->count++] = message;
    }
}

/* One channel's key may be broken (another type, say) while Redis serves the rest. */
static enum err error_of(struct history *history, const redis_reply *reply) {
    size_t len;
    unsigned long quiet;

    if (!redis_is_error(reply) || history_missing(history, reply))
        return ERR_REDIS;
    const char *text = redis_text(reply, &len);
    if (says_away(text)) {
        check_later(history, reply);
        return ERR_REDIS;
    }
    if (log_allowed(&history->complaint, ev_now(history->loop), &quiet))
        log_error("redis.read", "answer=\"%.*s\" not_logged=%lu", (int)len, text, quiet);
    return ERR_REFUSED;
}

static void on_page(void *ctx, const redis_reply *reply) {
    struct read_call *call = ctx;
    struct history_page page = {.err = error_of(call->history, reply)};

    if (redis_count(reply) > 0)
        fill_page(call, reply, &page);
    call->done(call->ctx, &page);
    for (size_t i = 0; i < page.count; i++)
        message_unref(page.messages[i]);
    free(page.messages);
    free(call->channel);
    free(call);
}

enum err history_read(struct history *history, const char *channel, size_t channel_len,
                      const char *since, unsigned limit, size_t bytes, history_page_fn *done,
                      void *ctx) {
    char limit_text[16], bytes_text[24];
    int limit_len = snprintf(limit_text, sizeof limit_text, "%u", limit);
    int bytes_len = snprintf(bytes_text, sizeof bytes_text, "%zu", bytes);
    const char *argv[] = {"FCALL_RO", "halley_read", "1", channel, since, limit_text, bytes_text};
    const size_t lens[] = {
        8, 11, 1, channel_len, strlen(since), (size_t)limit_len, (size_t)bytes_len};
    int argc = bytes < HISTORY_PAGE ? 7 : 6;

    if (!history->ready)
        return ERR_REDIS;
    struct read_call *call = mem_new(sizeof *call);
    *call = (struct read_call){.history = history,
                               .channel = mem_copy(channel, channel_len),
                               .channel_len = channel_len,
                               .done = done,
                               .ctx = ctx};
    enum err err = redis_command(history->redis, on_page, call, argc, argv, lens);
    if (err != ERR_OK) {
        free(call->channel);
        free(call);
    }
    return err;
}

/* ------------------------------------------------------------------ publishing */

static void fill_posted(struct post_call *call, const redis_reply *reply,
                        struct history_posted *posted) {
    size_t len;

    if (reply == NULL) {
        posted->sent = true;
        return;
    }
    if (history_missing(call->history, reply))
        return;
    if (redis_is_error(reply)) {
        const char *text = redis_text(reply, &len);
        posted->detail = text;
        if (says_away(text))
            return;
        posted->err = strncmp(text, "RATE ", 5) == 0 ? ERR_RATE : ERR_REFUSED;
        posted->wait = posted->err == ERR_RATE ? (unsigned)strtoul(text + 5, NULL, 10) : 0;
        if (strncmp(text, "ERR ", 4) == 0)
            posted->detail = text + 4;
        return;
    }
    posted->id = redis_text(redis_item(reply, 0), &posted->id_len);
    posted->at = number_of(redis_item(reply, 1));
    posted->err = posted->id != NULL ? ERR_OK : ERR_REDIS;
}

static void on_posted(void *ctx, const redis_reply *reply) {
    struct post_call *call = ctx;
    struct history_posted posted = {.err = ERR_REDIS};

    fill_posted(call, reply, &posted);
    call->done(call->ctx, &posted);
    free(call);
}

enum err history_publish(struct history *history, const struct history_post *post,
                         history_posted_fn *done, void *ctx) {
    enum { FIXED = 4, ARGS = 14, NUMBERS = 7 };
    const struct channel_policy *policy = post->policy;
    const int numbers[NUMBERS] = {policy->history,
                                  policy->ttl,
                                  policy->max_message,
                                  post->meta_ttl,
                                  post->idempotency_ttl,
                                  policy->publish_rate_count,
                                  policy->publish_rate_seconds};
    char text[NUMBERS][16];
    const char *argv[ARGS] = {"FCALL", "halley_post", "1",     post->channel, post->payload,
                              text[0], text[1],       text[2], text[3],       post->idempotency,
                              text[4], post->who,     text[5], text[6]};
    size_t lens[ARGS];

    if (!history->ready)
        return ERR_REDIS;
    for (int i = 0; i < NUMBERS; i++)
        snprintf(text[i], sizeof text[i], "%d", numbers[i]);
    for (int i = 0; i < ARGS; i++)
        lens[i] = i == FIXED - 1 ? post->channel_len
                  : i == FIXED   ? post->payload_len
                                 : strlen(argv[i]);
    struct post_call *call = mem_new(sizeof *call);
    *call = (struct post_call){.history = history, .done = done, .ctx = ctx};
    enum err err = redis_command(history->redis, on_posted, call, ARGS, argv, lens);
    if (err != ERR_OK)
        free(call);
    return err;
}

/* --------------------------------------------------------------- the live feed */

enum err history_parse_live(const char *text, size_t len, struct position *id, uint64_t *at,
                            const char **payload, size_t *payload_len) {
    const char *end = text + len;
    const char *space = memchr(text, ' ', len);
    const char *second = space ? memchr(space + 1, ' ', (size_t)(end - space - 1)) : NULL;
    uint64_t time = 0;

    if (second == NULL || position_parse(text, (size_t)(space - text), id) != ERR_OK)
        return ERR_SYNTAX;
    if (second == space + 1 || second - space > 17)
        return ERR_SYNTAX;
    for (const char *p = space + 1; p < second; p++) {
        if (*p < '0' || *p > '9')
            return ERR_SYNTAX;
        time = time * 10 + (uint64_t)(*p - '0');
    }
    *at = time;
    *payload = second + 1;
    *payload_len = (size_t)(end - second - 1);
    return ERR_OK;
}

/*
 * Calls the functions in Redis that read and publish. A call that is told that there is
 * no such function (FUNCTION FLUSH, another library of the same name) was surely not
 * done: it waits in `again`, once, until the library is back.
 */
#include "core/redis/history.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/redis/words.h"

enum { SINCE_MAX = POSITION_TEXT };

struct history {
    struct ev_loop *loop;
    struct redis *redis;
    struct library *library;
    const char *prefix;
    struct call *again; /* not done, for want of a library; the oldest first */
    struct log_limit complaint;
};

/* What reads and posts on their way have in common. */
struct call {
    struct history *history;
    struct call *prev, *next; /* in `again` */
    bool repeated;
    enum err (*send)(struct call *call);
    void (*fail)(struct call *call, const char *why); /* it was surely not done */
};
struct read_call {
    struct call call;
    char *channel;
    size_t channel_len;
    char since[SINCE_MAX];
    unsigned limit;
    size_t bytes;
    size_t longest; /* 0: whatever there is */
    history_page_fn *done;
    void *ctx;
};
struct post_call {
    struct call call;
    struct history_post post;
    history_posted_fn *done;
    void *ctx;
};

struct rate_call {
    struct call call;
    char *key;
    int count, seconds;
    history_posted_fn *done;
    void *ctx;
};

/* -------------------------------------------------------------- calls once more */

/* Whether a call was told that there is no such function, and now waits for the library. */
static bool waits_for_library(struct call *call, const redis_reply *reply) {
    if (!library_missing(call->history->library, reply) || call->repeated)
        return false;
    call->repeated = true;
    DL_APPEND(call->history->again, call);
    return true;
}

static struct call *next_again(struct history *history) {
    struct call *call = history->again;
    DL_DELETE(history->again, call);
    return call;
}

void history_resume(struct history *history) {
    while (history->again != NULL && library_ready(history->library)) {
        struct call *call = next_again(history);
        if (call->send(call) != ERR_OK)
            call->fail(call, NULL);
    }
}

void history_give_up(struct history *history, const char *why) {
    while (history->again != NULL) {
        struct call *call = next_again(history);
        call->fail(call, why);
    }
}

bool history_ready(const struct history *history) {
    return library_ready(history->library);
}

struct history *history_new(struct ev_loop *loop, struct redis *redis, struct library *library,
                            const char *prefix) {
    struct history *history = mem_new(sizeof *history);
    history->loop = loop;
    history->redis = redis;
    history->library = library;
    history->prefix = prefix;
    return history;
}

void history_free(struct history *history) {
    if (history == NULL)
        return;
    history_give_up(history, NULL);
    free(history);
}

/* --------------------------------------------------------------------- reading */

/*
 * What an error means for this read: that Redis serves nobody just now, so that it is asked
 * again when it does; or that this one channel cannot be read (its key is of another type,
 * say) while Redis serves the rest.
 */
static void take_error(const struct read_call *call, const redis_reply *reply,
                       char words[WORDS_MAX], struct history_page *page) {
    struct history *history = call->call.history;
    size_t len;
    unsigned long quiet;
    const char *text = redis_text(reply, &len);

    page->err = ERR_REDIS;
    if (words_say_away(text)) {
        library_doubt(history->library, reply);
        return;
    }
    words_take(words, text, len);
    page->err = ERR_REFUSED;
    page->why = words;
    if (log_allowed(&history->complaint, ev_now(history->loop), &quiet))
        log_error("redis.read", "channel=\"%.*s\" answer=\"%.*s\" not_logged=%lu",
                  (int)call->channel_len, call->channel, (int)len, text, quiet);
}

static void finish_read(struct read_call *call, struct history_page *page) {
    call->done(call->ctx, page);
    page_free(page);
    free(call->channel);
    free(call);
}

static void on_page(void *ctx, const redis_reply *reply) {
    struct read_call *call = ctx;
    struct history_page page = {.err = ERR_REDIS};
    char words[WORDS_MAX];

    if (waits_for_library(&call->call, reply))
        return;
    if (redis_is_error(reply))
        take_error(call, reply, words, &page);
    else if (reply != NULL)
        page_parse(&page, reply, call->channel, call->channel_len);
    finish_read(call, &page);
}

static void fail_read(struct call *call, const char *why) {
    struct history_page page = {.err = ERR_REDIS};
    (void)why;
    finish_read((struct read_call *)call, &page);
}

static enum err send_read(struct call *call) {
    struct read_call *read = (struct read_call *)call;
    char limit[16], bytes[24], longest[24];
    int limit_len = snprintf(limit, sizeof limit, "%u", read->limit);
    int bytes_len = snprintf(bytes, sizeof bytes, "%zu", read->bytes);
    int longest_len = snprintf(longest, sizeof longest, "%zu", read->longest);
    const char *argv[] = {"FCALL_RO",  "halley_read", "1",   read->channel,
                          read->since, limit,         bytes, longest};
    const size_t lens[] = {8,
                           11,
                           1,
                           read->channel_len,
                           strlen(read->since),
                           (size_t)limit_len,
                           (size_t)bytes_len,
                           (size_t)longest_len};
    int words = read->longest > 0 ? 8 : read->bytes < HISTORY_PAGE ? 7 : 6;

    return redis_command(call->history->redis, on_page, read, words, argv, lens);
}

enum err history_read(struct history *history, const char *channel, size_t channel_len,
                      const char *since, unsigned limit, size_t bytes, size_t longest,
                      history_page_fn *done, void *ctx) {
    if (!library_ready(history->library))
        return ERR_REDIS;
    struct read_call *call = mem_new(sizeof *call);
    *call = (struct read_call){.call = {.history = history, .send = send_read, .fail = fail_read},
                               .channel = mem_copy(channel, channel_len),
                               .channel_len = channel_len,
                               .limit = limit,
                               .bytes = bytes,
                               .longest = longest,
                               .done = done,
                               .ctx = ctx};
    snprintf(call->since, sizeof call->since, "%s", since);
    enum err err = send_read(&call->call);
    if (err != ERR_OK) {
        free(call->channel);
        free(call);
    }
    return err;
}

/* ------------------------------------------------------------------ publishing */

static void fill_posted(const redis_reply *reply, struct history_posted *posted) {
    size_t len;

    if (reply == NULL) {
        posted->sent = true;
        return;
    }
    if (redis_is_error(reply)) {
        const char *text = redis_text(reply, &len);
        posted->detail = text;
        if (words_say_away(text))
            return;
        posted->err = strncmp(text, "RATE ", 5) == 0 ? ERR_RATE : ERR_REFUSED;
        posted->wait = posted->err == ERR_RATE ? (unsigned)strtoul(text + 5, NULL, 10) : 0;
        if (strncmp(text, "ERR ", 4) == 0)
            posted->detail = text + 4;
        return;
    }
    posted->id = redis_text(redis_item(reply, 0), &posted->id_len);
    posted->at = (uint64_t)redis_integer(redis_item(reply, 1), 0);
    posted->repeated = redis_integer(redis_item(reply, 2), 0) != 0;
    posted->err = posted->id != NULL ? ERR_OK : ERR_REDIS;
}

static void on_posted(void *ctx, const redis_reply *reply) {
    struct post_call *call = ctx;
    struct history_posted posted = {.err = ERR_REDIS};

    if (waits_for_library(&call->call, reply))
        return;
    fill_posted(reply, &posted);
    call->done(call->ctx, &posted);
    free(call);
}

static void fail_post(struct call *call, const char *why) {
    struct post_call *post = (struct post_call *)call;
    const struct history_posted posted = {.err = ERR_REDIS, .detail = why};

    post->done(post->ctx, &posted);
    free(post);
}

static enum err send_post(struct call *call) {
    enum { FIXED = 4, ARGS = 15, NUMBERS = 5 };
    const struct history_post *post = &((struct post_call *)call)->post;
    const struct channel_policy *policy = post->policy;
    const int numbers[NUMBERS] = {policy->history, policy->ttl, policy->max_message, post->meta_ttl,
                                  post->idempotency_ttl};
    char text[NUMBERS][16], over[24] = "";
    const char *argv[ARGS] = {"FCALL",
                              "halley_post",
                              "1",
                              post->channel,
                              post->payload,
                              text[0],
                              text[1],
                              text[2],
                              text[3],
                              post->idempotency,
                              text[4],
                              post->who,
                              over,
                              "",
                              call->history->prefix};
    size_t lens[ARGS];

    for (int i = 0; i < NUMBERS; i++)
        snprintf(text[i], sizeof text[i], "%d", numbers[i]);
    if (post->over > 0)
        snprintf(over, sizeof over, "over:%u", post->over);
    for (int i = 0; i < ARGS; i++)
        lens[i] = i == FIXED - 1 ? post->channel_len
                  : i == FIXED   ? post->payload_len
                                 : strlen(argv[i]);
    return redis_command(call->history->redis, on_posted, call, ARGS, argv, lens);
}

enum err history_publish(struct history *history, const struct history_post *post,
                         history_posted_fn *done, void *ctx) {
    if (!library_ready(history->library))
        return ERR_REDIS;
    struct post_call *call = mem_new(sizeof *call);
    *call = (struct post_call){.call = {.history = history, .send = send_post, .fail = fail_post},
                               .post = *post,
                               .done = done,
                               .ctx = ctx};
    enum err err = send_post(&call->call);
    if (err != ERR_OK)
        free(call);
    return err;
}

/* ---------------------------------------------------------------- asking for leave */

static void on_rated(void *ctx, const redis_reply *reply) {
    struct rate_call *call = ctx;
    struct history_posted rated = {.err = ERR_REDIS};

    if (waits_for_library(&call->call, reply))
        return;
    if (redis_is_error(reply))
        fill_posted(reply, &rated);
    else if (reply != NULL)
        rated = (struct history_posted){.wait = (unsigned)redis_integer(reply, 0)};
    call->done(call->ctx, &rated);
    free(call->key);
    free(call);
}

static void fail_rate(struct call *call, const char *why) {
    struct rate_call *rate = (struct rate_call *)call;
    const struct history_posted rated = {.err = ERR_REDIS, .detail = why};

    rate->done(rate->ctx, &rated);
    free(rate->key);
    free(rate);
}

/* `cost` is "1", or "-1" to give back. */
static enum err ask_rate(struct history *history, const char *key, int count, int seconds,
                         const char *cost, redis_reply_fn *reply, void *ctx) {
    char count_text[16], seconds_text[16];
    const char *argv[] = {"FCALL", "halley_rate", "1", key, count_text, seconds_text, cost};
    size_t lens[7];

    snprintf(count_text, sizeof count_text, "%d", count);
    snprintf(seconds_text, sizeof seconds_text, "%d", seconds);
    for (int i = 0; i < 7; i++)
        lens[i] = strlen(argv[i]);
    return redis_command(history->redis, reply, ctx, 7, argv, lens);
}

static enum err send_rate(struct call *call) {
    const struct rate_call *rate = (struct rate_call *)call;
    return ask_rate(call->history, rate->key, rate->count, rate->seconds, "1", on_rated, call);
}

enum err history_take_rate(struct history *history, const char *key, int count, int seconds,
                           history_posted_fn *done, void *ctx) {
    if (!library_ready(history->library))
        return ERR_REDIS;
    struct rate_call *call = mem_new(sizeof *call);
    *call = (struct rate_call){.call = {.history = history, .send = send_rate, .fail = fail_rate},
                               .key = mem_string(key),
                               .count = count,
                               .seconds = seconds,
                               .done = done,
                               .ctx = ctx};
    enum err err = send_rate(&call->call);
    if (err != ERR_OK) {
        free(call->key);
        free(call);
    }
    return err;
}

void history_give_back_rate(struct history *history, const char *key, int count, int seconds) {
    if (ask_rate(history, key, count, seconds, "-1", NULL, NULL) != ERR_OK)
        return; /* Redis is away: it becomes whole again by itself */
}

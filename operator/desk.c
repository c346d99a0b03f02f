/*
 * The connection is the programs' own (core/redis/), so all that an address may say, TLS and
 * sentinels included, holds here too. It works on the loop; whoever asks runs the loop until
 * the answer is there, and not longer than Redis may take.
 */
#include "operator/desk.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/data/channel.h"
#include "core/redis/functions.h"
#include "core/redis/sentinel.h"
#include "core/redis/words.h"

struct question {
    struct desk *desk;
    redis_reply_fn *take;
    void *ctx;
    bool quiet;
    bool answered;
    enum err err;
};

void desk_complain(const char *fmt, ...) {
    va_list args;

    va_start(args, fmt);
    fputs("halley: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
}

/* ------------------------------------------------------------------------- connecting */

static void on_up(void *ctx) {
    struct desk *desk = ctx;
    desk->away = false;
    ev_break(desk->loop, EVBREAK_ONE);
}

static void on_down(void *ctx) {
    (void)ctx; /* whoever has asked is told */
}

static void on_away(void *ctx) {
    struct desk *desk = ctx;
    desk->away = true;
    ev_break(desk->loop, EVBREAK_ONE);
}

static void on_moved(void *ctx) {
    struct desk *desk = ctx;
    redis_leave(desk->redis, "the sentinels name another master");
    redis_hurry(desk->redis);
}

static const struct redis_events desk_events = {.up = on_up, .down = on_down, .away = on_away};

struct redis_options desk_options(const struct desk *desk) {
    struct redis_options options = {.url = desk->config->redis,
                                    .config = desk->config,
                                    .name = "halley",
                                    .prefix = desk->config->prefix,
                                    .timeout = desk->config->redis_timeout,
                                    .quiet = true};

    sentinel_guide(desk->sentinel, &options);
    return options;
}

static void on_late(struct ev_loop *loop, struct ev_timer *timer, int events) {
    bool *late = timer->data;
    (void)events;
    *late = true;
    ev_break(loop, EVBREAK_ONE);
}

/* Runs the loop until `*over`, or for so many seconds. */
static void run_until(struct desk *desk, const bool *over, double seconds) {
    struct ev_timer timer;
    bool late = false;

    ev_now_update(desk->loop);
    ev_timer_init(&timer, on_late, seconds, 0);
    timer.data = &late;
    ev_timer_start(desk->loop, &timer);
    do
        ev_run(desk->loop, 0);
    while (over != NULL && !*over && !late);
    ev_timer_stop(desk->loop, &timer);
}

void desk_rest(struct desk *desk, double seconds) {
    run_until(desk, NULL, seconds);
}

/* Where sentinels are asked first, or named a master that went, more than one attempt is made. */
bool desk_back(struct desk *desk) {
    double until = ev_time() + desk->config->redis_timeout;

    desk->away = false;
    while (redis_state(desk->redis) != REDIS_UP && ev_time() < until &&
           (desk->sentinel != NULL || !desk->away))
        desk_rest(desk, until - ev_time() > 0 ? until - ev_time() : 0);
    return redis_state(desk->redis) == REDIS_UP;
}

static void say_away(const struct desk *desk) {
    const char *why = redis_trouble(desk->redis);
    desk_complain("Redis is away%s%s", why != NULL ? ": " : "", why != NULL ? why : "");
}

/* The words of halley.prefix are "<prefix> <database> <since>" (core/redis/halley.lua). */
static void take_prefix(void *ctx, const redis_reply *reply) {
    struct desk *desk = ctx;
    const char *held = redis_words(reply);
    size_t len = strcspn(held, " ");

    if (len == 0 ||
        (strlen(desk->config->prefix) == len && strncmp(held, desk->config->prefix, len) == 0))
        return;
    desk_complain("this database is that of another installation, whose prefix is %.*s;"
                  " the configuration says prefix = %s",
                  (int)(len > 64 ? 64 : len), held, desk->config->prefix);
    desk->foreign = true;
}

bool desk_open(struct desk *desk, const struct config *config, bool json) {
    const char *argv[] = {"GET", "halley.prefix"};

    *desk = (struct desk){.config = config, .json = json, .loop = ev_default_loop(0)};
    desk->sentinel = sentinel_new(desk->loop, config, on_moved, desk);
    struct redis_options options = desk_options(desk);
    options.events = &desk_events;
    options.ctx = desk;
    desk->redis = redis_new(desk->loop, &options);
    if (!desk_back(desk)) {
        say_away(desk);
        return false;
    }
    return desk_ask(desk, take_prefix, desk, 2, argv, NULL) == ERR_OK && !desk->foreign;
}

void desk_close(struct desk *desk) {
    redis_free(desk->redis);
    sentinel_free(desk->sentinel);
    ev_loop_destroy(desk->loop);
}

/* ----------------------------------------------------------------------------- asking */

static void complain_of(const redis_reply *reply) {
    char words[WORDS_MAX];
    size_t len;
    const char *text = redis_text(reply, &len);

    words_take(words, text, len);
    if (functions_missing(reply))
        desk_complain("Redis does not have Halley's functions: start halley.fcgi or halley-worker");
    else
        desk_complain("Redis: %s", words);
}

static void on_reply(void *ctx, const redis_reply *reply) {
    struct question *question = ctx;

    question->answered = true;
    if (reply == NULL) {
        question->err = ERR_REDIS;
    } else if (redis_is_error(reply) && !question->quiet) {
        question->err = ERR_REFUSED;
        complain_of(reply);
    } else if (question->take != NULL) {
        question->take(question->ctx, reply);
    }
    ev_break(question->desk->loop, EVBREAK_ONE);
}

static enum err ask(struct question *question, int argc, const char **argv, const size_t *lens) {
    struct desk *desk = question->desk;

    if (!desk_back(desk) ||
        redis_command(desk->redis, on_reply, question, argc, argv, lens) != ERR_OK) {
        question->err = ERR_REDIS;
    } else {
        while (!question->answered) /* a reply, or NULL for it, surely comes */
            ev_run(desk->loop, 0);
    }
    if (question->err == ERR_REDIS && !question->quiet)
        say_away(desk);
    return question->err;
}

enum { WORDS = 16 }; /* of a command that is asked without lengths */

static enum err ask_strings(struct question *question, int argc, const char **argv) {
    size_t lens[WORDS];

    for (int i = 0; i < argc && i < WORDS; i++)
        lens[i] = strlen(argv[i]);
    return ask(question, argc < WORDS ? argc : WORDS, argv, lens);
}

enum err desk_ask(struct desk *desk, redis_reply_fn *take, void *ctx, int argc, const char **argv,
                  const size_t *lens) {
    struct question question = {.desk = desk, .take = take, .ctx = ctx};

    return lens != NULL ? ask(&question, argc, argv, lens) : ask_strings(&question, argc, argv);
}

enum err desk_try(struct desk *desk, redis_reply_fn *take, void *ctx, int argc, const char **argv) {
    struct question question = {.desk = desk, .take = take, .ctx = ctx, .quiet = true};

    return ask_strings(&question, argc, argv);
}

/* ------------------------------------------------------------------------------ names */

void desk_key(char out[DESK_KEY], const char *kind, const char *channel) {
    snprintf(out, DESK_KEY, "halley.%s:{%.*s}", kind, CHANNEL_MAX, channel);
}

bool desk_names_channel(const char *name) {
    if (channel_valid(name, strlen(name)))
        return true;
    desk_complain("a channel's name has 1 to %d bytes of UTF-8, without control characters, {, }"
                  " and *",
                  CHANNEL_MAX);
    return false;
}

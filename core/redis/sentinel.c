/*
 * One connection to one sentinel at a time, asked for the master's address every second.
 * A sentinel that is away, does not know the name, or has named a Redis that turned out
 * to be no master is left for the next one in the list: what counts is what the Redis at
 * that address says of its role, which greet.c asks.
 */
#include "core/redis/sentinel.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/target.h"

#define ASK     1.0 /* seconds between questions, and between two sentinels */
#define SILENCE 2.0 /* seconds in which a sentinel must answer */

struct sentinel {
    struct ev_loop *loop;
    struct target target;        /* all of them */
    const struct config *config; /* borrowed */
    void (*moved)(void *ctx);
    void *ctx;
    size_t at; /* which one is asked */
    struct redis *redis;
    struct target_host master; /* name NULL: not known */
    unsigned given;            /* how often it was given out since it was named */
    bool leave;                /* the next tick goes to the next sentinel */
    struct ev_timer tick;
    struct log_limit complaint;
};

static void complain(struct sentinel *sentinel, const char *why) {
    unsigned long quiet;
    const struct target_host *host = &sentinel->target.hosts[sentinel->at];

    sentinel->leave = true;
    if (log_allowed(&sentinel->complaint, ev_now(sentinel->loop), &quiet))
        log_warning("sentinel", "host=%s port=%d why=\"%s\" not_logged=%lu", host->name, host->port,
                    why, quiet);
}

/* ------------------------------------------------------------------- the question */

static void take_master(struct sentinel *sentinel, const char *name, size_t len, int port) {
    bool known = sentinel->master.name != NULL;

    if (known && strlen(sentinel->master.name) == len && sentinel->master.port == port &&
        memcmp(sentinel->master.name, name, len) == 0)
        return;
    free(sentinel->master.name);
    sentinel->master = (struct target_host){.name = mem_copy(name, len), .port = port};
    sentinel->given = 0;
    log_info("sentinel.master", "name=%s host=%s port=%d", sentinel->target.master,
             sentinel->master.name, port);
    sentinel->moved(sentinel->ctx);
}

static void on_master(void *ctx, const redis_reply *reply) {
    struct sentinel *sentinel = ctx;
    size_t len, port_len, why_len;
    const char *name = redis_text(redis_item(reply, 0), &len);
    const char *port = redis_text(redis_item(reply, 1), &port_len);

    if (reply == NULL)
        return; /* lost: `down` follows */
    if (redis_is_error(reply))
        complain(sentinel, redis_text(reply, &why_len));
    else if (name == NULL || len == 0 || len > 255 || port == NULL)
        complain(sentinel, "it knows no master of that name");
    else
        take_master(sentinel, name, len, atoi(port));
}

static void ask(struct sentinel *sentinel) {
    const char *argv[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", sentinel->target.master};
    const size_t lens[] = {8, 23, strlen(argv[2])};

    if (redis_command(sentinel->redis, on_master, sentinel, 3, argv, lens) != ERR_OK)
        sentinel->leave = true;
}

/* ----------------------------------------------------------------- one, and the next */

static void on_up(void *ctx) {
    ask(ctx);
}

static void on_away(void *ctx) {
    struct sentinel *sentinel = ctx;
    const char *why = redis_trouble(sentinel->redis);
    complain(sentinel, why != NULL ? why : "away");
}

static const struct redis_events events = {.up = on_up, .down = on_away, .away = on_away};

static void append_encoded(struct buf *out, const char *text) {
    for (; *text != '\0'; text++)
        buf_printf(out, "%%%02X", (unsigned)(unsigned char)*text);
}

static void connect_to(struct sentinel *sentinel, size_t at) {
    const struct target_host *host = &sentinel->target.hosts[at];
    const char *brackets = strchr(host->name, ':') != NULL ? "[]" : "";
    struct buf url = buf_make(TARGET_TEXT_MAX);

    redis_free(sentinel->redis);
    buf_text(&url, "redis://");
    if (sentinel->config->sentinel_password[0] != '\0') {
        buf_char(&url, ':');
        append_encoded(&url, sentinel->config->sentinel_password);
        buf_char(&url, '@');
    }
    buf_printf(&url, "%.1s%s%s:%d", brackets, host->name, brackets[0] != '\0' ? "]" : "",
               host->port);
    sentinel->at = at;
    sentinel->leave = false;
    sentinel->redis =
        redis_new(sentinel->loop, &(struct redis_options){.url = url.overflow ? "" : url.data,
                                                          .name = "halley-sentinel",
                                                          .config = sentinel->config,
                                                          .timeout = SILENCE,
                                                          .any_role = true,
                                                          .quiet = true,
                                                          .events = &events,
                                                          .ctx = sentinel});
    buf_free(&url);
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int revents) {
    struct sentinel *sentinel = timer->data;
    (void)loop, (void)revents;

    if (sentinel->leave)
        connect_to(sentinel, (sentinel->at + 1) % sentinel->target.host_count);
    else if (redis_state(sentinel->redis) == REDIS_UP)
        ask(sentinel);
}

/*
 * Somebody is about to connect. Who comes again found no master there: then the next
 * sentinel is asked.
 */
static const struct target_host *master_now(void *ctx) {
    struct sentinel *sentinel = ctx;

    if (sentinel->master.name == NULL)
        return NULL;
    if (sentinel->given++ >= 2) /* a link's two connections have had it */
        sentinel->leave = sentinel->target.host_count > 1;
    return &sentinel->master;
}

void sentinel_guide(struct sentinel *sentinel, struct redis_options *options) {
    if (sentinel == NULL)
        return;
    options->where = master_now;
    options->where_ctx = sentinel;
}

/* --------------------------------------------------------------------------- life */

struct sentinel *sentinel_new(struct ev_loop *loop, const struct config *config,
                              void (*moved)(void *ctx), void *ctx) {
    struct target target;

    if (target_parse(config->redis, &target) != ERR_OK || target.kind != TARGET_SENTINEL) {
        target_free(&target);
        return NULL;
    }
    struct sentinel *sentinel = mem_new(sizeof *sentinel);
    sentinel->loop = loop;
    sentinel->target = target;
    sentinel->config = config;
    sentinel->moved = moved;
    sentinel->ctx = ctx;
    connect_to(sentinel, 0);
    ev_timer_init(&sentinel->tick, on_tick, ASK, ASK);
    sentinel->tick.data = sentinel;
    ev_timer_start(loop, &sentinel->tick);
    return sentinel;
}

void sentinel_free(struct sentinel *sentinel) {
    if (sentinel == NULL)
        return;
    ev_timer_stop(sentinel->loop, &sentinel->tick);
    redis_free(sentinel->redis);
    free(sentinel->master.name);
    target_free(&sentinel->target);
    free(sentinel);
}

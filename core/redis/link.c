/*
 * What is to be known of both connections at once is here: that they are guided by the same
 * sentinels, leave together, and tell the library. What comes on them goes to those whom the
 * options name, without a detour.
 */
#include "core/redis/link.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/redis/sentinel.h"

struct link {
    struct ev_loop *loop;
    struct link_options options;
    struct sentinel *sentinel; /* where both find Redis, or NULL */
    struct redis *commands;
    struct redis *subscriber; /* NULL: nobody listens */
    struct library *library;
};

/* ------------------------------------------------------------------------ commands */

static void on_up(void *ctx) {
    struct link *link = ctx;
    library_up(link->library);
}

static void on_down(void *ctx) {
    struct link *link = ctx;
    library_down(link->library);
    link->options.down(link->options.ctx);
}

static void on_away(void *ctx) {
    struct link *link = ctx;
    if (link->options.away != NULL)
        link->options.away(link->options.ctx);
}

static const struct redis_events command_events = {.up = on_up, .down = on_down, .away = on_away};

static void on_moved(void *ctx) {
    struct link *link = ctx;
    redis_leave(link->commands, "the sentinels name another master");
    redis_hurry(link->commands);
}

/* ---------------------------------------------------------------------------- both */

/* What both connections have in common. */
static struct redis_options options_of(const struct link *link) {
    const struct config *config = link->options.config;
    struct redis_options options = {.url = config->redis,
                                    .config = config,
                                    .prefix = config->prefix,
                                    .timeout = config->redis_timeout};

    sentinel_guide(link->sentinel, &options);
    return options;
}

void link_listen(struct link *link, const struct redis_events *events, void *ctx) {
    struct redis_options options = options_of(link);

    options.name = link->options.live_name;
    options.subscriber = true;
    options.companion = link->commands;
    options.events = events;
    options.ctx = ctx;
    link->subscriber = redis_new(link->loop, &options);
}

void link_deafen(struct link *link) {
    redis_free(link->subscriber);
    link->subscriber = NULL;
}

struct link *link_new(struct ev_loop *loop, const struct link_options *options) {
    struct link *link = mem_new(sizeof *link);
    const struct config *config = options->config;

    link->loop = loop;
    link->options = *options;
    link->sentinel = sentinel_new(loop, config, on_moved, link);
    struct redis_options commands = options_of(link);
    commands.name = options->name;
    commands.round_trips = options->round_trips;
    commands.events = &command_events;
    commands.ctx = link;
    link->commands = redis_new(loop, &commands);
    link->library = library_new(loop, link->commands,
                                &(struct library_options){.prefix = config->prefix,
                                                          .strict = options->strict,
                                                          .sessions = options->sessions,
                                                          .events = options->library,
                                                          .ctx = options->ctx});
    return link;
}

void link_close(struct link *link, double seconds) {
    if (link == NULL)
        return;
    if (link->commands != NULL)
        redis_finish(link->commands, seconds);
    redis_free(link->commands);
    link->commands = NULL;
    link_deafen(link);
    sentinel_free(link->sentinel);
    link->sentinel = NULL;
}

void link_free(struct link *link) {
    if (link == NULL)
        return;
    link_close(link, 0);
    library_free(link->library);
    free(link);
}

/* --------------------------------------------------------------------------- looks */

struct redis *link_commands(struct link *link) {
    return link->commands;
}

struct redis *link_subscriber(struct link *link) {
    return link->subscriber;
}

struct library *link_library(struct link *link) {
    return link->library;
}

bool link_up(const struct link *link) {
    return library_ready(link->library) && link->subscriber != NULL &&
           redis_state(link->subscriber) == REDIS_UP;
}

bool link_hopeful(const struct link *link) {
    return redis_state(link->commands) != REDIS_DOWN &&
           (link->subscriber == NULL || redis_state(link->subscriber) != REDIS_DOWN);
}

const char *link_trouble(const struct link *link) {
    const char *words = library_trouble(link->library);

    if (words[0] == '\0' && redis_trouble(link->commands) != NULL)
        words = redis_trouble(link->commands);
    if (words[0] == '\0' && link->subscriber != NULL && redis_trouble(link->subscriber) != NULL)
        words = redis_trouble(link->subscriber);
    return words;
}

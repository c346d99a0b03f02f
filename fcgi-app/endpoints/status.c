/*
 * GET /comet/status: what this process does, and what every other process of
 * this Halley last said of itself, as JSON for people and monitoring. The
 * figures of this process are those of stats.h.
 */
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/endpoints/figures.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "fcgi-app/counts/tally.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/transports/transport.h"

static void put_figure(struct buf *out, const char *name, uint64_t figure) {
    buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)figure);
}

static const char *redis_word(const struct hub *hub) {
    if (hub_redis_up(hub))
        return "up";
    return hub_redis_hopeful(hub) ? "connecting" : "down";
}

/* What limits refused. */
static void put_refused(const struct stats *stats, struct buf *out) {
    const char *separator = ",\"refused\":{";
#define PUT(kind, option)                                                                          \
    buf_printf(out, "%s\"" #option "\":%llu", separator,                                           \
               (unsigned long long)stats->refused[kind]);                                          \
    separator = ",";
    REFUSALS_LIST(PUT)
#undef PUT
    buf_printf(out, ",\"tail_memory\":%llu}", (unsigned long long)stats->follow.tails_forgot);
}

void status_report(void *ctx, struct buf *out) {
    const struct app *app = ctx;
    struct stats *stats = app->stats;
    double uptime = ev_now(app->loop) - app->started;

    hub_count_now(app->hub);
    buf_printf(out, "\"prefix\":\"%s\",", app->config->prefix);
    stats->log_lost = log_lost();
    buf_printf(out, "\"version\":\"%s\",\"pid\":%d,\"uptime\":%.0f,\"redis\":\"%s\"",
               HALLEY_VERSION, (int)getpid(), uptime, redis_word(app->hub));
#define PUT(name, kind, help) put_figure(out, #name, stats->name);
    STATS_LIST(PUT)
#undef PUT
#define PUT(name, kind, help) put_figure(out, #name, stats->follow.name);
    FOLLOW_COUNTS_LIST(PUT)
#undef PUT
    put_refused(stats, out);
    buf_printf(out, ",\"rates\":{\"messages\":%.2f,\"batches\":%.2f,\"requests\":%.2f}",
               (double)stats->messages / (uptime > 1 ? uptime : 1),
               (double)stats->batches / (uptime > 1 ? uptime : 1),
               (double)stats->requests / (uptime > 1 ? uptime : 1));
}

/* What is held is so of all processes of this machine; the rest this one has counted. */
static void put_transports(struct app *app, struct buf *out) {
    const struct transport *transport;
    const char *separator = ",\"transports\":{";
    struct sums sums;
    double since;

    figures_sum(app, &sums, &since);
    for (size_t i = 0; (transport = transport_at(i)) != NULL; i++) {
        buf_printf(out, "%s\"%s\":{", separator, transport->name);
        struct tally tally = *tally_of_transport(hub_tallies(app->hub), i);
        tally.held = sums.transports[i].held;
        tally_write(&tally, out);
        buf_char(out, '}');
        separator = ",";
    }
    buf_char(out, '}');
}

/* One question for the status, and how long Redis may take to tell of the others. */
#define PATIENCE 0.5

struct status {
    struct app *app;
    struct client *client; /* NULL once it is answered */
    bool counted;          /* `sessions` is known */
    uint64_t sessions;     /* of all processes */
    struct ev_timer patience;
};

static void answer(struct status *status, const struct buf *list) {
    struct buf body = buf_make(8 * 1024 * 1024);

    ev_timer_stop(status->app->loop, &status->patience);
    buf_char(&body, '{');
    status_report(status->app, &body);
    if (status->counted)
        put_figure(&body, "sessions", status->sessions);
    put_transports(status->app, &body);
    buf_text(&body, ",\"processes\":[");
    if (list != NULL && list->len > 0)
        buf_add(&body, list->data, list->len);
    buf_text(&body, "]}\n");
    app_answer(status->client, "application/json", &body);
    buf_free(&body);
    status->client = NULL;
}

/* Redis does not answer: this process's own figures are what one wants to see then. */
static void on_impatient(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    answer(timer->data, NULL);
}

static void on_list(void *ctx, const struct buf *list) {
    struct status *status = ctx;
    if (status->client != NULL)
        answer(status, list);
    free(status);
}

/* What was spent under one tag, by all processes. */
static void answer_tag(void *ctx, const char *name, const struct tally *tally) {
    struct status *status = ctx;
    struct buf body = buf_make(4096);
    struct problem problem;

    if (tally != NULL) {
        buf_printf(&body, "{\"tag\":\"%s\",", name);
        tally_write(tally, &body);
        buf_text(&body, "}\n");
        app_answer(status->client, "application/json", &body);
    } else {
        hub_explain(status->app->hub, &problem, "Redis is away");
        app_refuse(status->app, status->client, &problem);
    }
    buf_free(&body);
    free(status);
}

struct tag_status {
    struct status *status;
    char name[TAG_MAX + 1];
};

static void ask_tag(void *ctx, bool up) {
    struct tag_status *asked = ctx;
    struct status *status = asked->status;

    if (!up || tag_read(hub_tallies(status->app->hub), asked->name, answer_tag, status) != ERR_OK)
        answer_tag(status, "", NULL);
    free(asked);
}

static void on_figures(void *ctx, const struct figures *figures) {
    struct status *status = ctx;
    const struct app *app = status->app;

    status->counted = figures->known;
    status->sessions = figures->sessions;
    if (status->client == NULL || !figures->known || app->report == NULL ||
        report_all(app->report, on_list, status) != ERR_OK)
        on_list(status, NULL);
}

static void ask_all(void *ctx, bool up) {
    struct status *status = ctx;

    if (up)
        figures_ask(status->app, false, on_figures, status);
    else
        on_figures(status, &(struct figures){0});
}

bool endpoint_status(struct app *app, struct request *request, struct client *client,
                     struct problem *problem) {
    const struct param *tag = params_find(&request->params, "tag");

    if (tag != NULL && !app->config->tags) {
        problem_set(problem, 404, "tag: nothing is counted by tags here (tags = off)");
        return false;
    }
    if (tag != NULL && !tag_valid(tag->value, tag->value_len)) {
        problem_set(problem, 400, "tag: must be 1 to %d letters, digits, dots, - and _", TAG_MAX);
        return false;
    }
    struct status *status = mem_new(sizeof *status);
    *status = (struct status){.app = app, .client = client};
    ev_timer_init(&status->patience, on_impatient, PATIENCE, 0);
    status->patience.data = status;
    if (tag == NULL) {
        ev_timer_start(app->loop, &status->patience);
        hub_when_up(app->hub, app->config->redis_timeout, ask_all, status);
        return true;
    }
    struct tag_status *asked = mem_new(sizeof *asked);
    asked->status = status;
    memcpy(asked->name, tag->value, tag->value_len + 1);
    hub_when_up(app->hub, app->config->redis_timeout, ask_tag, asked);
    return true;
}

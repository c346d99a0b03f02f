/*
 * GET /comet/status: what this process does, and what every other process of
 * this Halley last said of itself, as JSON for people and monitoring. The
 * figures of this process are those of stats.h.
 */
#include "fcgi-app/app.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"

static const char *redis_word(const struct hub *hub) {
    if (hub_redis_up(hub))
        return "up";
    return hub_redis_hopeful(hub) ? "connecting" : "down";
}

void status_report(void *ctx, struct buf *out) {
    const struct app *app = ctx;
    const struct stats *stats = app->stats;
    double uptime = ev_now(app->loop) - app->started;

    buf_printf(out, "\"version\":\"%s\",\"pid\":%d,\"uptime\":%.0f,\"redis\":\"%s\"",
               HALLEY_VERSION, (int)getpid(), uptime, redis_word(app->hub));
#define PUT(name, kind, help)                                                                      \
    buf_printf(out, ",\"%s\":%llu", #name, (unsigned long long)stats->name);
    STATS_LIST(PUT)
#undef PUT
    buf_printf(out, ",\"rates\":{\"messages\":%.2f,\"batches\":%.2f,\"requests\":%.2f}",
               (double)stats->messages / (uptime > 1 ? uptime : 1),
               (double)stats->batches / (uptime > 1 ? uptime : 1),
               (double)stats->requests / (uptime > 1 ? uptime : 1));
}

struct status {
    struct app *app;
    struct client *client;
};

static void answer(void *ctx, const struct buf *list) {
    struct status *status = ctx;
    struct buf body = buf_make(8 * 1024 * 1024);

    buf_char(&body, '{');
    status_report(status->app, &body);
    buf_text(&body, ",\"processes\":[");
    if (list != NULL && list->len > 0)
        buf_add(&body, list->data, list->len);
    buf_text(&body, "]}\n");
    app_answer(status->client, "application/json", &body);
    buf_free(&body);
    free(status);
}

bool endpoint_status(struct app *app, const struct request *request, struct client *client,
                     struct problem *problem) {
    struct status *status = mem_new(sizeof *status);
    (void)request, (void)problem;

    *status = (struct status){app, client};
    if (app->report == NULL || report_all(app->report, answer, status) != ERR_OK)
        answer(status, NULL);
    return true;
}

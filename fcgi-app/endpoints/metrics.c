/*
 * GET /comet/metrics: the figures of this process in the Prometheus text format
 * (exposition format 0.0.4). Where a web server runs several processes a scrape
 * reaches any of them, so each series carries the process's name.
 */
#include <string.h>

#include "core/base/log.h"
#include "fcgi-app/counts/tally.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/transports/transport.h"

static void put(struct buf *out, const char *process, const char *name, const char *kind,
                const char *help, uint64_t value) {
    const char *suffix = strcmp(kind, "counter") == 0 ? "_total" : "";

    buf_printf(out, "# HELP halley_%s%s %s\n# TYPE halley_%s%s %s\n", name, suffix, help, name,
               suffix, kind);
    buf_printf(out, "halley_%s%s{process=\"%s\"} %llu\n", name, suffix, process,
               (unsigned long long)value);
}

/* One metric with a series for each transport. */
static void put_tallies(struct buf *out, struct tallies *tallies, const char *process,
                        const char *name, size_t offset) {
    const struct transport *transport;
    bool gauge = strcmp(name, "held") == 0;
    const char *suffix = gauge ? "" : "_total";

    buf_printf(out, "# HELP halley_transport_%s%s by transport\n# TYPE halley_transport_%s%s %s\n",
               name, suffix, name, suffix, gauge ? "gauge" : "counter");
    for (size_t i = 0; (transport = transport_at(i)) != NULL; i++) {
        const char *sum = (const char *)tally_of_transport(tallies, i);
        buf_printf(out, "halley_transport_%s%s{process=\"%s\",transport=\"%s\"} %lld\n", name,
                   suffix, process, transport->name,
                   (long long)*(const int64_t *)(const void *)(sum + offset));
    }
}

bool endpoint_metrics(struct app *app, struct request *request, struct client *client,
                      struct problem *problem) {
    const char *process = app->report != NULL ? report_id(app->report) : "cgi";
    struct buf body = buf_make(65536);
    (void)request, (void)problem;

    hub_count_library(app->hub);
    app->stats->log_lost = log_lost();
#define PUT(name, kind, help) put(&body, process, #name, #kind, help, app->stats->name);
    STATS_LIST(PUT)
#undef PUT
#define PUT(name, kind, help) put(&body, process, #name, #kind, help, app->stats->follow.name);
    FOLLOW_COUNTS_LIST(PUT)
#undef PUT
    put(&body, process, "redis_up", "gauge", "1 while Redis answers", hub_redis_up(app->hub));
#define PUT(name)                                                                                  \
    put_tallies(&body, hub_tallies(app->hub), process, #name, offsetof(struct tally, name));
    TALLY_LIST(PUT)
#undef PUT
    app_answer(client, "text/plain; version=0.0.4; charset=utf-8", &body);
    buf_free(&body);
    return true;
}

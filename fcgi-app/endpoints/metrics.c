/*
 * GET /comet/metrics: what all processes of this machine count, in the Prometheus text format
 * (exposition format 0.0.4). Whichever process answers says the same, and no series names one:
 * so series neither come nor go with processes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/counts/capacity.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/endpoints/figures.h"
#include "fcgi-app/transports/transport.h"

enum { CLASSES = 64 }; /* of processes; more are counted as one without a name */

static void begin(struct buf *out, const char *name, const char *kind, const char *help) {
    buf_printf(out, "# HELP halley_%s %s\n# TYPE halley_%s %s\n", name, help, name, kind);
}

static void put(struct buf *out, const char *name, const char *kind, const char *help,
                uint64_t value) {
    char full[64];

    snprintf(full, sizeof full, "%s%s", name, strcmp(kind, "counter") == 0 ? "_total" : "");
    begin(out, full, kind, help);
    buf_printf(out, "halley_%s %llu\n", full, (unsigned long long)value);
}

/* ------------------------------------------------------------- what the lists name */

/* Whom they were for says `requests` too. */
static void put_list(const struct stats *stats, struct buf *out) {
#define PUT(name, kind, help)                                                                      \
    if (&stats->name != &stats->requests)                                                          \
        put(out, #name, #kind, help, stats->name);
    STATS_LIST(PUT)
#undef PUT
#define PUT(name, kind, help) put(out, #name, #kind, help, stats->follow.name);
    FOLLOW_COUNTS_LIST(PUT)
#undef PUT
}

static void put_endpoint(struct buf *out, const char *name, uint64_t value) {
    buf_printf(out, "halley_requests_total{endpoint=\"%s\"} %llu\n", name,
               (unsigned long long)value);
}

static void put_refused(const struct stats *stats, struct buf *out) {
    begin(out, "refused_total", "counter", "what limits refused, by limit");
#define PUT(kind, option)                                                                          \
    buf_printf(out, "halley_refused_total{limit=\"" #option "\"} %llu\n",                          \
               (unsigned long long)stats->refused[kind]);
    REFUSALS_LIST(PUT)
#undef PUT
    buf_printf(out, "halley_refused_total{limit=\"tail_memory\"} %llu\n",
               (unsigned long long)stats->follow.tails_forgot);
}

static void put_requests(const struct sums *sums, struct buf *out) {
    const struct transport *transport;

    begin(out, "requests_total", "counter",
          "requests by endpoint; service: a dialect, none: there is no such endpoint");
    for (size_t i = 0; (transport = transport_at(i)) != NULL; i++)
        put_endpoint(out, transport->name, (uint64_t)sums->transports[i].requests);
#define PUT(name) put_endpoint(out, #name, sums->stats.endpoints[ENDPOINT_##name]);
    ENDPOINTS_LIST(PUT)
#undef PUT
}

static void put_problems(const struct problems *problems, struct buf *out) {
    const struct problem_kind *kind;

    begin(out, "problems_total", "counter", "refusals by status and by what they name");
    for (size_t i = 0; (kind = problem_kind_at(i)) != NULL; i++)
        buf_printf(out, "halley_problems_total{status=\"%d\",reason=\"%s\"} %llu\n", kind->status,
                   kind->reason, (unsigned long long)problems->told[i]);
}

/* ---------------------------------------------------------------------- transports */

static void put_tallies(const struct sums *sums, struct buf *out, const char *name, size_t offset) {
    const struct transport *transport;
    char full[64];

    snprintf(full, sizeof full, "transport_%s_total", name);
    begin(out, full, "counter", "by transport");
    for (size_t i = 0; (transport = transport_at(i)) != NULL; i++)
        buf_printf(out, "halley_%s{transport=\"%s\"} %lld\n", full, transport->name,
                   *(const long long *)(const void *)((const char *)&sums->transports[i] + offset));
}

/* What each class of processes holds, in the order in which they were met. */
struct classes {
    struct {
        char *name;
        int64_t held[TRANSPORTS_MAX];
    } all[CLASSES];
    size_t count, processes;
};

static void add_process(void *ctx, const char *class, const struct sums *sums) {
    struct classes *classes = ctx;
    size_t at = 0;

    classes->processes++;
    while (at < classes->count && strcmp(classes->all[at].name, class) != 0)
        at++;
    if (at == CLASSES)
        at = 0;
    if (at == classes->count)
        classes->all[classes->count++].name = mem_string(class);
    for (size_t i = 0; i < TRANSPORTS_MAX; i++)
        classes->all[at].held[i] += sums->transports[i].held;
}

/* The value of a label: what would end it is escaped. */
static void put_value(const char *text, struct buf *out) {
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            buf_char(out, '\\');
        buf_char(out, *text);
    }
}

static void put_class(const char *name, const int64_t *held, struct buf *out) {
    const struct transport *transport;

    for (size_t i = 0; (transport = transport_at(i)) != NULL; i++) {
        buf_printf(out, "halley_transport_held{transport=\"%s\",class=\"", transport->name);
        put_value(name, out);
        buf_printf(out, "\"} %lld\n", (long long)held[i]);
    }
}

static void put_held(struct app *app, const struct sums *sums, struct buf *out) {
    struct classes *classes = mem_new(sizeof *classes);

    capacity_each(hub_capacity(app->hub), add_process, classes);
    if (classes->processes == 0) /* it counts alone */
        add_process(classes, app->config->class, sums);
    put(out, "processes", "gauge", "processes of halley.fcgi that are counted together now",
        classes->processes);
    begin(out, "transport_held", "gauge", "requests held now, by transport and class of processes");
    for (size_t i = 0; i < classes->count; i++) {
        put_class(classes->all[i].name, classes->all[i].held, out);
        free(classes->all[i].name);
    }
    free(classes);
}

/* ------------------------------------------------------------------------ the page */

static void put_times(const struct stats *stats, struct buf *out) {
    histogram_put(&stats->delivery, "halley_delivery_seconds",
                  "from when the oldest message of a batch was published until it was sent to "
                  "somebody who waited for it",
                  out);
    histogram_put(&stats->round_trips, "halley_redis_roundtrip_seconds",
                  "how long Redis takes to answer, the way to it and this program's loop included",
                  out);
}

static void put_of_redis(const struct figures *figures, struct buf *out) {
    if (figures->known)
        put(out, "sessions", "gauge", "sessions of polling clients now", figures->sessions);
    if (figures->counted)
        put(out, "worker_dropped", "counter", "publishes of others that could not be understood",
            figures->dropped);
    if (!figures->reported)
        return;
    put(out, "workers", "gauge", "workers that are at work, those that stand by included",
        figures->workers);
    put(out, "worker_leader", "gauge", "1 while a worker leads", figures->leaders);
    put(out, "worker_queue", "gauge", "messages that wait in workers", figures->queued);
}

struct scrape {
    struct app *app;
    struct client *client;
};

static void on_figures(void *ctx, const struct figures *figures) {
    struct scrape *scrape = ctx;
    struct app *app = scrape->app;
    struct sums sums;
    double since;
    struct buf body = buf_make(256 * 1024);

    figures_sum(app, &sums, &since);
    begin(&body, "build_info", "gauge", "1; what was built");
    buf_text(&body, "halley_build_info{version=\"" HALLEY_VERSION "\"} 1\n");
    begin(&body, "start_time_seconds", "gauge", "since when all this is counted, in Unix seconds");
    buf_printf(&body, "halley_start_time_seconds %.3f\n", since);
    put_list(&sums.stats, &body);
    put_requests(&sums, &body);
    put_problems(&sums.stats.problems, &body);
    put_refused(&sums.stats, &body);
    put_held(app, &sums, &body);
#define PUT(name)                                                                                  \
    if (strcmp(#name, "held") != 0)                                                                \
        put_tallies(&sums, &body, #name, offsetof(struct tally, name));
    TALLY_LIST(PUT)
#undef PUT
    put_times(&sums.stats, &body);
    put(&body, "redis_up", "gauge", "1 while Redis answers", hub_redis_up(app->hub));
    put_of_redis(figures, &body);
    app_answer(scrape->client, "text/plain; version=0.0.4; charset=utf-8", &body);
    buf_free(&body);
    free(scrape);
}

bool endpoint_metrics(struct app *app, struct request *request, struct client *client,
                      struct problem *problem) {
    struct scrape *scrape = mem_new(sizeof *scrape);
    (void)request, (void)problem;

    *scrape = (struct scrape){.app = app, .client = client};
    figures_ask(app, true, on_figures, scrape);
    return true;
}

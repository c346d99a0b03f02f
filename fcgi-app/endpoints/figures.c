/*
 * Redis is asked for as long as a page of figures may wait. An answer that comes later is for
 * nobody.
 */
#include "fcgi-app/endpoints/figures.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/redis/session.h"
#include "fcgi-app/counts/capacity.h"

#define PATIENCE 0.5 /* seconds */

struct asking {
    struct app *app;
    bool workers;
    figures_fn *done; /* NULL: told already */
    void *ctx;
    struct figures figures;
    struct ev_timer patience;
};

static void take_own(struct app *app, struct sums *sums) {
    sums->stats = *app->stats;
    for (size_t i = 0; i < TRANSPORTS_MAX; i++)
        sums->transports[i] = *tally_of_transport(hub_tallies(app->hub), i);
}

void figures_share(struct app *app) {
    struct sums sums;

    take_own(app, &sums);
    capacity_tell(hub_capacity(app->hub), &sums);
}

/* Each process says the same of what is no sum. */
static void take_common(const struct stats *own, struct stats *all) {
    all->held_together = own->held_together;
    all->max_waiters = own->max_waiters;
}

void figures_sum(struct app *app, struct sums *sums, double *since) {
    struct sums own;

    hub_count_now(app->hub);
    app->stats->log_lost = log_lost();
    take_own(app, &own);
    capacity_tell(hub_capacity(app->hub), &own);
    if (!capacity_sums(hub_capacity(app->hub), ev_now(app->loop), sums, since)) {
        *sums = own;
        *since = app->started;
    }
    take_common(&own.stats, &sums->stats);
}

static void tell(struct asking *asking) {
    figures_fn *done = asking->done;

    ev_timer_stop(asking->app->loop, &asking->patience);
    asking->done = NULL;
    if (done != NULL)
        done(asking->ctx, &asking->figures);
}

static void on_impatient(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    tell(timer->data);
}

/* What stands behind `word` in a text, or NULL. */
static const char *behind(const char *text, const char *end, const char *word) {
    size_t len = strlen(word);
    const char *at = memmem(text, (size_t)(end - text), word, len);

    return at != NULL ? at + len : NULL;
}

static uint64_t number_behind(const char *text, const char *end, const char *word) {
    const char *at = behind(text, end, word);
    return at != NULL ? strtoull(at, NULL, 10) : 0;
}

/*
 * Sums over the reports of workers, which have a sequencer. They are found by their words alone:
 * in a JSON string these would be escaped, and to parse the reports of hundreds of processes takes
 * the loop longer than one request may.
 */
static void sum_workers(const struct buf *list, struct figures *figures) {
    const char *at = list->len > 0 ? list->data : "", *end = at + list->len;

    while ((at = behind(at, end, "\"sequencer\":{")) != NULL) {
        const char *close = memchr(at, '}', (size_t)(end - at));
        if (close == NULL)
            continue;
        figures->workers++;
        figures->queued += number_behind(at, close, "\"queue\":");
        figures->leaders += behind(at, close, "\"state\":\"leading\"") != NULL;
    }
}

static void on_reports(void *ctx, const struct buf *list) {
    struct asking *asking = ctx;

    asking->figures.reported = list != NULL;
    if (list != NULL)
        sum_workers(list, &asking->figures);
    tell(asking);
    free(asking);
}

static void on_dropped(void *ctx, const redis_reply *reply) {
    struct asking *asking = ctx;
    struct report *report = asking->app->report;
    size_t len;
    const char *count = redis_text(reply, &len);

    asking->figures.counted = reply != NULL && !redis_is_error(reply);
    asking->figures.dropped = count != NULL ? strtoull(count, NULL, 10) : 0;
    if (report == NULL || report_all(report, on_reports, asking) != ERR_OK)
        on_reports(asking, NULL);
}

/* A worker's own count ends with it: they count together, in Redis (halley_dropped). */
static void ask_workers(struct asking *asking) {
    static const char *argv[] = {"GET", "halley.lease:sequencer:dropped"};
    const size_t lens[] = {3, strlen(argv[1])};

    if (redis_command(hub_commands(asking->app->hub), on_dropped, asking, 2, argv, lens) != ERR_OK)
        on_reports(asking, NULL);
}

static void on_counted(void *ctx, const struct session_view *view) {
    struct asking *asking = ctx;

    asking->figures.known = view->err == ERR_OK && view->status == SESSION_OK;
    asking->figures.sessions = view->sessions;
    if (asking->workers)
        ask_workers(asking);
    else
        on_reports(asking, NULL);
}

void figures_ask(struct app *app, bool workers, figures_fn *done, void *ctx) {
    static const struct session_view away = {.err = ERR_REDIS};
    struct asking *asking = mem_new(sizeof *asking);

    *asking = (struct asking){.app = app, .workers = workers, .done = done, .ctx = ctx};
    ev_timer_init(&asking->patience, on_impatient, PATIENCE, 0);
    asking->patience.data = asking;
    ev_timer_start(app->loop, &asking->patience);
    if (session_count(hub_sessions(app->hub), on_counted, asking) != ERR_OK)
        on_counted(asking, &away);
}

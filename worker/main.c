/*
 * halley-worker: the background program. Its jobs, each a row of the table below, share
 * one loop and one link to Redis: the sequencer turns bare publishes into history. Any
 * number of workers may run; a lease picks the one at work.
 *
 * To add a job, write its file and put it into the table (job.h).
 *
 * TERM, INT and USR1 drain: what was heard is finished, or left to a standby.
 */
#include <stdbool.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/program.h"
#include "core/redis/link.h"
#include "core/redis/report.h"
#include "worker/station.h"

#define DRAIN_MAX  5.0 /* seconds */
#define FINISH_MAX 1.0 /* seconds that Redis has for what it was asked last */

static const struct job *const jobs[] = {&sequencer_job};

enum { JOBS = sizeof jobs / sizeof jobs[0] };

struct worker {
    struct ev_loop *loop;
    struct link *link;
    struct post {
        struct worker *worker;
        void *job; /* what the job's `new` gave */
        bool drained;
    } posts[JOBS]; /* as the jobs stand in the table */
    struct report *report;
    struct program_signals signals;
    struct ev_timer drain_deadline;
    struct ev_prepare look;
};

/* -------------------------------------------------------------------- what Redis does */

static void on_ready(void *ctx) {
    struct worker *worker = ctx;
    for (size_t i = 0; i < JOBS; i++)
        jobs[i]->up(worker->posts[i].job);
}

static void on_down(void *ctx) {
    struct worker *worker = ctx;
    for (size_t i = 0; i < JOBS; i++)
        jobs[i]->down(worker->posts[i].job);
}

static void on_unready(void *ctx, const char *why) {
    (void)ctx, (void)why; /* the library tries again */
}

static const struct library_events library_events = {.ready = on_ready, .refused = on_unready};

/* --------------------------------------------------------------------------- draining */

/* The first job that has not finished; NULL: all have. */
static const struct job *undrained(const struct worker *worker) {
    for (size_t i = 0; i < JOBS; i++) {
        if (!worker->posts[i].drained)
            return jobs[i];
    }
    return NULL;
}

static void on_drained(void *ctx) {
    struct post *post = ctx;
    post->drained = true;
    if (undrained(post->worker) == NULL)
        ev_break(post->worker->loop, EVBREAK_ALL);
}

static void drain(struct worker *worker) {
    ev_timer_start(worker->loop, &worker->drain_deadline);
    library_rest(link_library(worker->link));
    for (size_t i = 0; i < JOBS; i++)
        jobs[i]->drain(worker->posts[i].job, on_drained, &worker->posts[i]);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *signal, int events) {
    struct worker *worker = signal->data;
    (void)loop, (void)events;

    if (ev_is_active(&worker->drain_deadline))
        return;
    log_info("drain", "signal=%d", signal->signum);
    drain(worker);
}

static void on_drain_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    const struct worker *worker = timer->data;
    const struct job *job = undrained(worker);
    (void)events;

    if (job != NULL)
        log_warning("drain.unfinished", "job=%s seconds=%.0f", job->name, DRAIN_MAX);
    ev_break(loop, EVBREAK_ALL);
}

/* Where another installation took this one's place there is nothing to finish. What a newer
 * release does not serve any more leaves its lease to a worker of that one, if it can. */
static void on_look(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
    struct worker *worker = prepare->data;
    int result = library_exit(link_library(worker->link));
    (void)events;

    if (result == EX_TEMPFAIL)
        ev_break(loop, EVBREAK_ALL);
    else if (result != 0 && !ev_is_active(&worker->drain_deadline))
        drain(worker);
}

static void write_report(void *ctx, struct buf *out) {
    struct worker *worker = ctx;
    buf_printf(out, "\"version\":\"%s\",\"pid\":%d,", HALLEY_VERSION, (int)getpid());
    library_report(link_library(worker->link), out);
    for (size_t i = 0; i < JOBS; i++) {
        buf_char(out, ',');
        jobs[i]->report(worker->posts[i].job, out);
    }
}

/* ------------------------------------------------------------------------------- life */

static struct link *link_to_redis(struct worker *worker, const struct config *config) {
    return link_new(worker->loop, &(struct link_options){.config = config,
                                                         .name = "halley-worker",
                                                         .live_name = "halley-worker-live",
                                                         .strict = true,
                                                         .down = on_down,
                                                         .library = &library_events,
                                                         .ctx = worker});
}

/* Nobody is inside of a connection any more: what jobs told Redis last gets there, and they go. */
static void end(struct worker *worker) {
    report_free(worker->report);
    link_close(worker->link, FINISH_MAX);
    for (size_t i = 0; i < JOBS; i++)
        jobs[i]->free(worker->posts[i].job);
    link_free(worker->link);
    ev_loop_destroy(worker->loop);
}

static int work(struct config *config) {
    static struct worker worker; /* there is one */

    worker.loop = ev_default_loop(0);
    log_info("start", "version=%s", HALLEY_VERSION);
    worker.link = link_to_redis(&worker, config);
    for (size_t i = 0; i < JOBS; i++)
        worker.posts[i] =
            (struct post){&worker, jobs[i]->new (worker.loop, config, worker.link), false};
    worker.report =
        report_new(worker.loop, link_commands(worker.link), "worker", write_report, &worker);
    program_watch_signals(&worker.signals, worker.loop, on_signal, &worker);
    ev_timer_init(&worker.drain_deadline, on_drain_deadline, DRAIN_MAX, 0);
    ev_prepare_init(&worker.look, on_look);
    worker.look.data = worker.drain_deadline.data = &worker;
    ev_prepare_start(worker.loop, &worker.look);
    ev_run(worker.loop, 0);
    int result = library_exit(link_library(worker.link));
    end(&worker);
    log_info("stop", "signal=drained");
    return result;
}

int main(int argc, char **argv) {
    return program_run("halley-worker", argc, argv, NULL, NULL, work);
}

/*
 * halley-worker: the background program. Its jobs, each a file of its own, share
 * one loop: the sequencer turns bare publishes into history. Any number of
 * workers may run; a lease picks the one at work.
 *
 * TERM, INT and USR1 drain: what was heard is finished, or left to a standby.
 */
#include <sysexits.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/program.h"
#include "core/redis/library.h"
#include "core/redis/report.h"
#include "worker/station.h"

#define DRAIN_MAX  5.0 /* seconds */
#define FINISH_MAX 1.0 /* seconds that Redis has for what it was asked last */

struct worker {
    struct ev_loop *loop;
    struct station *station;
    struct report *report;
    struct program_signals signals;
    struct ev_timer drain_deadline;
    struct ev_prepare look;
};

static void on_drained(void *ctx) {
    struct worker *worker = ctx;
    ev_break(worker->loop, EVBREAK_ALL);
}

static void on_signal(struct ev_loop *loop, struct ev_signal *signal, int events) {
    struct worker *worker = signal->data;
    (void)events;

    if (ev_is_active(&worker->drain_deadline))
        return;
    log_info("drain", "signal=%d", signal->signum);
    ev_timer_start(loop, &worker->drain_deadline);
    station_drain(worker->station, on_drained, worker);
}

static void on_drain_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)timer, (void)events;
    log_warning("drain.unfinished", "seconds=%.0f", DRAIN_MAX);
    ev_break(loop, EVBREAK_ALL);
}

/* Another installation stands here: there is nothing to finish. */
static void on_look(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
    struct worker *worker = prepare->data;
    (void)events;
    if (library_exit(station_library(worker->station)) != 0)
        ev_break(loop, EVBREAK_ALL);
}

static void write_report(void *ctx, struct buf *out) {
    struct worker *worker = ctx;
    buf_printf(out, "\"version\":\"%s\",\"pid\":%d,", HALLEY_VERSION, (int)getpid());
    library_report(station_library(worker->station), out);
    buf_char(out, ',');
    station_report(worker->station, out);
}

static int work(struct config *config) {
    static struct worker worker; /* there is one */

    worker.loop = ev_default_loop(0);
    log_info("start", "version=%s", HALLEY_VERSION);
    worker.station = station_new(worker.loop, config);
    worker.report =
        report_new(worker.loop, station_commands(worker.station), "worker", write_report, &worker);
    program_watch_signals(&worker.signals, worker.loop, on_signal, &worker);
    ev_timer_init(&worker.drain_deadline, on_drain_deadline, DRAIN_MAX, 0);
    ev_prepare_init(&worker.look, on_look);
    worker.look.data = &worker;
    ev_prepare_start(worker.loop, &worker.look);
    ev_run(worker.loop, 0);
    int result = library_exit(station_library(worker.station));
    report_free(worker.report);
    redis_finish(station_commands(worker.station), FINISH_MAX);
    station_free(worker.station);
    ev_loop_destroy(worker.loop);
    log_info("stop", "signal=drained");
    return result;
}

int main(int argc, char **argv) {
    return program_run("halley-worker", argc, argv, work);
}

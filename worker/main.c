/*
 * halley-worker: the background program. Its jobs, each a file of its own, share
 * one loop: the sequencer turns bare publishes into history. Any number of
 * workers may run; a lease picks the one at work.
 *
 * TERM, INT and USR1 drain: what was heard is finished, or left to a standby.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/config.h"
#include "core/log.h"
#include "core/loop.h"
#include "core/report.h"
#include "worker/sequencer.h"

#define DRAIN_MAX 5.0 /* seconds */

struct worker {
    struct config config;
    struct ev_loop *loop;
    struct sequencer *sequencer;
    struct report *report;
    struct ev_signal signals[3];
    struct ev_timer drain_deadline;
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
    sequencer_drain(worker->sequencer, on_drained, worker);
}

static void on_drain_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)timer, (void)events;
    log_warning("drain.unfinished", "seconds=%.0f", DRAIN_MAX);
    ev_break(loop, EVBREAK_ALL);
}

static void write_report(void *ctx, struct buf *out) {
    struct worker *worker = ctx;
    buf_printf(out, "\"version\":\"%s\",\"pid\":%d,", HALLEY_VERSION, (int)getpid());
    sequencer_report(worker->sequencer, out);
}

static void start_watching(struct worker *worker) {
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};

    for (size_t i = 0; i < 3; i++) {
        ev_signal_init(&worker->signals[i], on_signal, numbers[i]);
        worker->signals[i].data = worker;
        ev_signal_start(worker->loop, &worker->signals[i]);
    }
    ev_timer_init(&worker->drain_deadline, on_drain_deadline, DRAIN_MAX, 0);
}

static int work(struct worker *worker) {
    worker->loop = ev_default_loop(0);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    log_info("start", "version=%s", HALLEY_VERSION);
    worker->sequencer = sequencer_new(worker->loop, &worker->config);
    worker->report = report_new(worker->loop, sequencer_commands(worker->sequencer), "worker",
                                write_report, worker);
    start_watching(worker);
    ev_run(worker->loop, 0);
    report_free(worker->report);
    sequencer_free(worker->sequencer);
    ev_loop_destroy(worker->loop);
    log_info("stop", "signal=drained");
    return EX_OK;
}

int main(int argc, char **argv) {
    static struct worker worker;
    struct config_command command;
    char problem[CONFIG_PROBLEM];

    log_open("halley-worker", LOG_INFO);
    int result = config_load(&worker.config, &command, argc, argv, problem);
    if (result == 0 && redis_check_url(worker.config.redis) != ERR_OK) {
        snprintf(problem, sizeof problem,
                 "redis = %s: must be redis://[[user]:password@]host[:port][/db] or unix:/path",
                 worker.config.redis);
        result = EX_CONFIG;
    }
    if (result != 0) {
        log_error("configuration", "%s", problem);
    } else if (command.version) {
        printf("halley-worker %s\n", HALLEY_VERSION);
    } else if (command.check) {
        config_print(&worker.config, stdout);
    } else {
        log_open("halley-worker", (enum log_level)worker.config.log_level);
        srand48((long)getpid() ^ (long)time(NULL) << 16);
        result = work(&worker);
    }
    config_free(&worker.config);
    return result;
}

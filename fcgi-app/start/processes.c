/*
 * The parent of several processes. It opened the sockets and holds no connection
 * to Redis; all that it does is to wait for signals:
 *
 *     CHLD             whoever ended unexpectedly is started again, at once; one
 *                      that keeps ending, after a pause that grows
 *                      all are told to end when one finds that the configuration is wrong
 *     HUP              reads the configuration anew (reload.h); or passes it on: each opens its
 *                      log anew
 *     TERM, INT, USR1  lets go of the sockets, passes the signal on, and ends when
 *                      all children have drained
 *
 * Its copies of the sockets stay open while a child is replaced: a connection
 * that comes meanwhile waits in the socket's queue for the successor. When the
 * parent itself is killed, the system sends its children TERM (PR_SET_PDEATHSIG),
 * and they drain.
 *
 * The signals are blocked and fetched one after the other with sigtimedwait(2),
 * so there is no handler, and nothing happens between two steps.
 */
#include "fcgi-app/start/processes.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/config/config.h"
#include "fcgi-app/start/reload.h"

#define STEADY     10.0   /* seconds after which a child's end is no sign of a lasting trouble */
#define PAUSE_MIN  0.5    /* seconds */
#define PAUSE_MAX  30.0   /* seconds */
#define PATIENCE   8.0    /* seconds: children drain for 6 at most */
#define LONG_SLEEP 3600.0 /* seconds, when nothing is due */
#define LEAVE      SIGUSR2

struct child {
    pid_t pid;      /* 0: does not run */
    double started; /* when it was, by the parent's clock, as `due` */
    double due;     /* when to start it, if it does not run */
    double next;    /* processes_pause() */
};

struct family {
    struct child children[PROCESSES_MAX];
    int count;
    sigset_t signals;  /* that the parent fetches */
    bool draining;     /* none is started any more */
    bool misfit;       /* a child ended with EX_CONFIG: it would do so again */
    double kill_after; /* while draining: when patience ends */
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool any_runs(const struct family *family) {
    for (int i = 0; i < family->count; i++) {
        if (family->children[i].pid != 0)
            return true;
    }
    return false;
}

double processes_pause(double lived, double *next) {
    double pause = lived < STEADY ? *next : 0;

    *next = pause == 0 ? PAUSE_MIN : pause * 2 < PAUSE_MAX ? pause * 2 : PAUSE_MAX;
    return pause;
}

/* When a child that ran for `lived` seconds is started again; returns the pause. */
static double schedule(struct child *child, double lived, double at) {
    double pause = processes_pause(lived, &child->next);

    child->pid = 0;
    child->due = at + pause;
    return pause;
}

/* ------------------------------------------------------------------- beginning */

static void block_signals(struct family *family) {
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGHUP};

    sigemptyset(&family->signals);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        sigaddset(&family->signals, numbers[i]);
    sigset_t blocked = family->signals;
    sigaddset(&blocked, LEAVE); /* until a child watches for it */
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGCHLD, SIG_DFL); /* whoever started us may have had it ignored */
    signal(SIGHUP, SIG_DFL);
    signal(SIGPIPE, SIG_IGN);
}

/* What a child does first. A signal to end waits, blocked, until it is watched for. */
static void begin_child(pid_t parent) {
    sigset_t ended;

    sigemptyset(&ended);
    sigaddset(&ended, SIGCHLD);
    sigprocmask(SIG_UNBLOCK, &ended, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) /* it was gone before the system was asked to tell */
        raise(SIGTERM);
}

/* Starts every child that is due. Returns in a child with its number, in the parent with -1. */
static int start_due(struct family *family, double at, bool again) {
    pid_t parent = getpid();

    for (int i = 0; i < family->count; i++) {
        struct child *child = &family->children[i];
        if (child->pid != 0 || child->due > at)
            continue;
        child->started = at;
        child->pid = fork();
        if (child->pid == 0) {
            begin_child(parent);
            return i;
        }
        if (child->pid < 0) {
            const char *why = strerror(errno);
            double pause = schedule(child, 0, at);
            log_error("child.fork", "number=%d again_in=%.1f: %s", i + 1, pause, why);
        } else if (again) {
            log_info("child.started", "number=%d pid=%d", i + 1, (int)child->pid);
        }
    }
    return -1;
}

static void say_children(const struct family *family) {
    char pids[PROCESSES_MAX * 12] = "";
    size_t len = 0;

    for (int i = 0; i < family->count; i++)
        len += (size_t)snprintf(pids + len, sizeof pids - len, "%s%d", i > 0 ? "," : "",
                                (int)family->children[i].pid);
    log_info("children", "count=%d pids=%s version=%s", family->count, pids, HALLEY_VERSION);
}

/* ---------------------------------------------------------------------- ending */

static void child_ended(struct family *family, int number, int status, double at) {
    struct child *child = &family->children[number];
    const char *how = WIFSIGNALED(status) ? "signal" : "exit";
    int code = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    double lived = at - child->started;
    /* one that was told to drain, by itself, is no trouble */
    double pause = schedule(child, status == 0 ? STEADY : lived, at);

    family->misfit = family->misfit || (WIFEXITED(status) && code == EX_CONFIG);
    if (!family->draining)
        log_warning("child.ended", "number=%d %s=%d lived=%.1f again_in=%.1f", number + 1, how,
                    code, lived, pause);
    else if (status != 0)
        log_warning("child.ended", "number=%d %s=%d", number + 1, how, code);
}

/* As the first process of a container the parent inherits others' children: not ours to count. */
static void reap(struct family *family, double at) {
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        for (int i = 0; i < family->count; i++) {
            if (family->children[i].pid == pid)
                child_ended(family, i, status, at);
        }
    }
}

static void signal_all(const struct family *family, int number) {
    for (int i = 0; i < family->count; i++) {
        if (family->children[i].pid != 0)
            kill(family->children[i].pid, number);
    }
}

/* ------------------------------------------------------------------- in between */

/* The next signal, or 0 when something is due. */
static int next_signal(const struct family *family, double at) {
    double due = at + LONG_SLEEP;

    for (int i = 0; i < family->count; i++) {
        const struct child *child = &family->children[i];
        if (!family->draining && child->pid == 0 && child->due < due)
            due = child->due;
    }
    if (family->draining && family->kill_after < due)
        due = family->kill_after;
    double left = due > at ? due - at : 0;
    struct timespec span = {.tv_sec = (time_t)left,
                            .tv_nsec = (long)((left - (double)(time_t)left) * 1e9)};
    int number = sigtimedwait(&family->signals, NULL, &span);
    return number > 0 ? number : 0;
}

static void drain(struct family *family, int number, void (*stop)(void *ctx), void *ctx) {
    if (!family->draining) {
        log_info("drain", "signal=%d", number);
        stop(ctx);
        family->draining = true;
        family->kill_after = now() + PATIENCE;
    }
    signal_all(family, number);
}

static void lose_patience(struct family *family, double at) {
    if (!family->draining || at < family->kill_after)
        return;
    log_error("drain.unfinished", "the children that are left are killed");
    signal_all(family, SIGKILL);
    family->kill_after = at + LONG_SLEEP;
}

/*
 * One after the other: a web server that meets a kept connection which one of them has just closed
 * asks the next process, and must not meet the same there.
 */
static void drain_in_turn(const struct family *family) {
    static const struct timespec between = {.tv_nsec = 200000000};

    for (int i = 0; i < family->count; i++) {
        if (family->children[i].pid == 0)
            continue;
        kill(family->children[i].pid, LEAVE);
        if (i + 1 < family->count)
            nanosleep(&between, NULL);
    }
}

void processes_watch_leaving(struct ev_signal *signal, struct ev_loop *loop,
                             void (*leave)(struct ev_loop *loop, struct ev_signal *signal,
                                           int events),
                             void *ctx) {
    sigset_t watched;

    ev_signal_init(signal, leave, LEAVE);
    signal->data = ctx;
    ev_signal_start(loop, signal);
    sigemptyset(&watched);
    sigaddset(&watched, LEAVE);
    sigprocmask(SIG_UNBLOCK, &watched, NULL);
}

/* The children drain while what comes waits in the queues of the sockets, for the new ones. */
static void reload(const struct family *family, const struct listeners *listeners) {
    log_reopen();
    signal_all(family, SIGHUP);
    if (!family->draining && listeners != NULL && reload_is_good(listeners)) {
        log_info("reload", "drains=%d", family->count);
        drain_in_turn(family);
        reload_become(listeners);
    }
}

int processes_start(int count, void (*stop)(void *ctx), void *ctx,
                    const struct listeners *listeners, int *result) {
    struct family family = {.count = count};

    block_signals(&family);
    int child = start_due(&family, now(), false);
    if (child < 0)
        say_children(&family);
    while (child < 0 && (!family.draining || any_runs(&family))) {
        int number = next_signal(&family, now());
        if (number == SIGHUP)
            reload(&family, listeners);
        else if (number != 0 && number != SIGCHLD)
            drain(&family, number, stop, ctx);
        reap(&family, now());
        if (family.misfit && !family.draining)
            drain(&family, SIGTERM, stop, ctx);
        lose_patience(&family, now());
        if (!family.draining)
            child = start_due(&family, now(), true);
    }
    if (child < 0)
        log_info("stop", "children=%d", count);
    *result = family.misfit ? EX_CONFIG : EX_OK;
    return child;
}

/*
 * The new program is told of its sockets in HALLEY_RELOAD (inherit.c reads it), which also says
 * which file each of them is: whoever opened a path first, the last of the line removes it.
 *
 * The copy must not touch what it shares with the process before that is surely another program:
 * it reads from a pipe whose other end exec(2) closes. If exec fails it gets a byte, and goes; the
 * process then serves on as if nothing had been.
 */
#include "fcgi-app/start/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/program.h"

enum { SAID = 262144, SOCKETS_TEXT = 128 * (PROCESSES_MAX + 2) };

struct reload {
    struct ev_loop *loop;
    struct listeners *listeners;
    void (*leave)(void *ctx);
    void *ctx;
    struct ev_signal hangup;
    struct ev_child check;
    int said; /* what the check writes; -1: none runs */
};

static const char *program_path(char **arguments) {
    return strchr(arguments[0], '/') != NULL ? arguments[0] : "/proc/self/exe";
}

/* -------------------------------------------------------------------------- the check */

/* Starts this program with -n, which writes into `said`. */
static pid_t start_check(int said) {
    static char only_look[] = "-n";
    char **arguments = program_arguments();
    size_t count = 0;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    pid_t pid = -1;

    while (arguments[count] != NULL)
        count++;
    char **checked = mem_new((count + 2) * sizeof *checked);
    memcpy(checked, arguments, count * sizeof *checked);
    checked[count] = only_look;
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, said, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
    if (posix_spawn(&pid, program_path(arguments), &actions, &attributes, checked, environ) != 0)
        pid = -1;
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(checked);
    return pid;
}

/* The value of a line "name = value" of what -n prints, as a number; 0: there is none. */
static long printed_number(const char *text, const char *name) {
    const char *found = strstr(text, name);
    return found != NULL ? strtol(found + strlen(name), NULL, 10) : 0;
}

/* Sockets of processes are as many as there were; another number needs a restart. */
static bool fits(const struct listeners *listeners, const char *text) {
    long processes = printed_number(text, "\nprocesses = ");

    if (listeners->count <= 1 || processes == listeners->count)
        return true;
    log_error("reload.refused", "processes = %ld: there are sockets for %d; restart in its place",
              processes, listeners->count);
    return false;
}

/* What was wrong is the first line that was written. */
static bool judge(const struct listeners *listeners, int said, int status) {
    char *text = mem_new(SAID);
    ssize_t len = pread(said, text, SAID - 1, 0);

    text[len > 0 ? len : 0] = '\0';
    bool good = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (!good) {
        text[strcspn(text, "\n")] = '\0';
        const char *why = strstr(text, " configuration ");
        log_error("reload.refused", "the configuration is wrong, and the old one stays: %s",
                  why != NULL ? why + strlen(" configuration ") : text);
    }
    good = good && fits(listeners, text);
    free(text);
    return good;
}

static int make_room(void) {
    int said = memfd_create("halley-reload", MFD_CLOEXEC);

    if (said < 0)
        log_error("reload.refused", "%s", strerror(errno));
    return said;
}

bool reload_is_good(const struct listeners *listeners) {
    int said = make_room(), status = 0;
    pid_t pid = said >= 0 ? start_check(said) : -1;
    bool good = pid > 0 && waitpid(pid, &status, 0) == pid && judge(listeners, said, status);

    if (said >= 0)
        close(said);
    return good;
}

/* ---------------------------------------------------------------------- the new program */

static size_t say_socket(char *text, size_t len, const char *name, const struct listening *socket) {
    (void)fcntl(socket->fd, F_SETFD, 0);
    return len + (size_t)snprintf(text + len, SOCKETS_TEXT - len, "%s%s:%d:%llu:%llu",
                                  len > 0 ? "," : "", name, socket->fd,
                                  (unsigned long long)socket->device,
                                  (unsigned long long)socket->inode);
}

static void say_sockets(const struct listeners *listeners) {
    char text[SOCKETS_TEXT] = "";
    size_t len = 0;

    for (int i = 0; i < listeners->count; i++)
        len = say_socket(text, len, "listen", &listeners->fcgi[i]);
    if (listeners->http.fd >= 0)
        len = say_socket(text, len, "http", &listeners->http);
    if (listeners->feed.fd >= 0)
        (void)say_socket(text, len, "feed", &listeners->feed);
    setenv("HALLEY_RELOAD", text, 1);
}

void reload_become(const struct listeners *listeners) {
    char **arguments = program_arguments();
    static const int wait[] = {SIGTERM, SIGINT, SIGUSR1, SIGHUP};
    sigset_t blocked, before;

    sigemptyset(&blocked);
    for (size_t i = 0; i < sizeof wait / sizeof wait[0]; i++)
        sigaddset(&blocked, wait[i]); /* until the new program watches for them */
    sigprocmask(SIG_SETMASK, &blocked, &before);
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    say_sockets(listeners);
    execv(program_path(arguments), arguments);
    log_error("reload.refused", "%s: %s", program_path(arguments), strerror(errno));
    unsetenv("HALLEY_RELOAD");
    (void)close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* ------------------------------------------------------------------------ one that serves */

/* Whether the process is another program now. */
static bool has_become(int pipe) {
    char failed;
    ssize_t got;

    do
        got = read(pipe, &failed, 1);
    while (got < 0 && errno == EINTR);
    return got == 0;
}

static void go_on(struct reload *reload) {
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0) {
        log_error("reload.refused", "%s", strerror(errno));
        return;
    }
    pid_t copy = fork();
    if (copy == 0) {
        close(ends[1]);
        if (!has_become(ends[0]))
            _exit(0);
        close(ends[0]);
        ev_loop_fork(reload->loop);
        ev_signal_stop(reload->loop, &reload->hangup);
        reload->leave(reload->ctx);
        return;
    }
    if (copy < 0) {
        log_error("reload.refused", "%s", strerror(errno));
    } else {
        log_info("reload", "drains=%d", (int)copy);
        reload_become(reload->listeners);
        (void)!write(ends[1], "x", 1);
        ev_signal_stop(reload->loop, &reload->hangup); /* and again, with its handler */
        ev_signal_start(reload->loop, &reload->hangup);
    }
    close(ends[0]);
    close(ends[1]);
}

static void on_checked(struct ev_loop *loop, struct ev_child *check, int events) {
    struct reload *reload = check->data;
    (void)events;

    ev_child_stop(loop, check);
    bool good = judge(reload->listeners, reload->said, check->rstatus);
    close(reload->said);
    reload->said = -1;
    if (good)
        go_on(reload);
}

static void on_hangup(struct ev_loop *loop, struct ev_signal *signal, int events) {
    struct reload *reload = signal->data;
    (void)events;

    if (reload->said >= 0) /* it is being looked at */
        return;
    reload->said = make_room();
    pid_t pid = reload->said >= 0 ? start_check(reload->said) : -1;
    if (pid > 0) {
        ev_child_init(&reload->check, on_checked, pid, 0);
        reload->check.data = reload;
        ev_child_start(loop, &reload->check);
    } else if (reload->said >= 0) {
        log_error("reload.refused", "this program cannot be started");
        close(reload->said);
        reload->said = -1;
    }
}

struct reload *reload_new(struct ev_loop *loop, struct listeners *listeners,
                          void (*leave)(void *ctx), void *ctx) {
    struct reload *reload = mem_new(sizeof *reload);

    *reload = (struct reload){
        .loop = loop, .listeners = listeners, .leave = leave, .ctx = ctx, .said = -1};
    ev_signal_init(&reload->hangup, on_hangup, SIGHUP);
    reload->hangup.data = reload;
    ev_signal_start(loop, &reload->hangup);
    return reload;
}

void reload_free(struct reload *reload) {
    if (reload == NULL)
        return;
    ev_signal_stop(reload->loop, &reload->hangup);
    if (reload->said >= 0) {
        ev_child_stop(reload->loop, &reload->check);
        close(reload->said);
    }
    free(reload);
}

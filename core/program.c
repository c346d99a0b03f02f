/*
 * The frame of a program. Everything that can be wrong with a command line or a
 * configuration is said here, once, with the exit code that it has.
 */
#include "core/program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/redis/tls.h"

void program_seed(void) {
    srand48((long)getpid() ^ (long)time(NULL) << 16);
}

/* OpenSSL is woken up only where it is wanted: it takes its time, and memory. */
static bool wants_tls(const struct config *config) {
    return strncasecmp(config->redis, "rediss:", 7) == 0 || config->redis_ca[0] != '\0' ||
           config->redis_cert[0] != '\0' || config->redis_key[0] != '\0';
}

/* Files of TLS that are no good are told at the start, not when they are wanted. */
static int load(struct config *config, struct config_command *command, int argc, char **argv,
                char problem[CONFIG_PROBLEM]) {
    int result = config_load(config, command, argc, argv, problem);
    struct tls *tls = NULL;
    char why[TLS_WHY];

    if (result == 0 && wants_tls(config) && tls_new(config, &tls, why) != ERR_OK) {
        snprintf(problem, CONFIG_PROBLEM, "%s", why);
        result = EX_CONFIG;
    }
    tls_free(tls);
    return result;
}

/* What is closed may be given out again: a log line must not get into a connection. */
static void fill_standard_descriptors(void) {
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0)
            (void)open("/dev/null", O_RDWR);
    }
}

int program_run(const char *name, int argc, char **argv,
                bool (*check)(const struct config *config, char problem[CONFIG_PROBLEM]),
                int (*work)(struct config *config)) {
    struct config config;
    struct config_command command;
    char problem[CONFIG_PROBLEM];

    fill_standard_descriptors();
    signal(SIGHUP, SIG_IGN); /* until it is watched for */
    log_open(name, LOG_INFO);
    int result = load(&config, &command, argc, argv, problem);
    if (result == 0 && check != NULL && !check(&config, problem))
        result = EX_CONFIG;
    if (result != 0) {
        log_error("configuration", "%s", problem);
    } else if (command.version) {
        printf("%s %s\n", name, HALLEY_VERSION);
    } else if (command.check) {
        config_print(&config, stdout);
    } else {
        log_open(name, (enum log_level)config.log_level);
        log_to(config.log);
        program_seed();
        result = work(&config);
    }
    config_free(&config);
    return result;
}

static void on_hangup(struct ev_loop *loop, struct ev_signal *signal, int events) {
    (void)loop, (void)signal, (void)events;
    log_reopen();
}

void program_watch_signals(struct program_signals *signals, struct ev_loop *loop,
                           void (*drain)(struct ev_loop *loop, struct ev_signal *signal,
                                         int events),
                           void *ctx) {
    static const int numbers[PROGRAM_SIGNALS] = {SIGTERM, SIGINT, SIGUSR1};
    sigset_t watched;

    sigemptyset(&watched);
    signal(SIGPIPE, SIG_IGN);
    ev_signal_init(&signals->hangup, on_hangup, SIGHUP);
    ev_signal_start(loop, &signals->hangup);
    sigaddset(&watched, SIGHUP);
    for (int i = 0; i < PROGRAM_SIGNALS; i++) {
        ev_signal_init(&signals->watchers[i], drain, numbers[i]);
        signals->watchers[i].data = ctx;
        ev_signal_start(loop, &signals->watchers[i]);
        sigaddset(&watched, numbers[i]);
    }
    sigprocmask(SIG_UNBLOCK, &watched, NULL);
}

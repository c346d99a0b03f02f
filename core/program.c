/*
 * The frame of a program. Everything that can be wrong with a command line or a
 * configuration is said here, once, with the exit code that it has.
 */
#include "core/program.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/redis/tls.h"

/* Told to end, by whoever started it: a person, systemd, a web server. */
static const int to_end[PROGRAM_SIGNALS] = {SIGTERM, SIGINT, SIGUSR1};

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

/* Whether an argument sets an option whose value may hold a password. */
static bool holds_secret(const char *argument) {
    const char *value = strchr(argument, '=');

    if (strncmp(argument, "-o", 2) == 0)
        argument += 2;
    bool password = strncasecmp(argument, "sentinel_password=", 18) == 0;
    bool redis = strncasecmp(argument, "redis=", 6) == 0 &&
                 (strchr(argument, '@') != NULL || strcasestr(argument, "password=") != NULL);
    return value != NULL && (password || redis);
}

void program_hide_secrets(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char *value = holds_secret(argv[i]) ? strchr(argv[i], '=') + 1 : NULL;
        if (value != NULL)
            memset(value, '*', strlen(value));
    }
    (void)prctl(PR_SET_DUMPABLE, 0);
}

static char **arguments;

/* A copy, as what may be a password is struck out of the command line. */
static void keep_arguments(int argc, char **argv) {
    arguments = mem_new(((size_t)argc + 1) * sizeof *arguments);
    for (int i = 0; i < argc; i++)
        arguments[i] = mem_string(argv[i]);
}

/*
 * Signals wait from here on until they are watched for. Libraries have handlers of their own
 * (libfcgi's swallows TERM), and who has just begun to listen may be told to end already.
 */
static void block_signals(const int *numbers, size_t count) {
    sigset_t blocked;

    sigemptyset(&blocked);
    for (size_t i = 0; i < count; i++)
        sigaddset(&blocked, numbers[i]);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
}

char **program_arguments(void) {
    return arguments;
}

int program_run(const char *name, int argc, char **argv,
                bool (*check)(const struct config *config, char problem[CONFIG_PROBLEM]),
                int (*explain)(const struct config *config, const struct config_command *command),
                int (*work)(struct config *config)) {
    struct config config;
    struct config_command command;
    char problem[CONFIG_PROBLEM];

    keep_arguments(argc, argv);
    fill_standard_descriptors();
    block_signals(&(const int){SIGHUP}, 1);
    log_open(name, LOG_INFO);
    int result = load(&config, &command, argc, argv, problem);
    program_hide_secrets(argc, argv);
    if (result == 0 && check != NULL && !check(&config, problem))
        result = EX_CONFIG;
    if (result == 0 && command.channel != NULL && explain == NULL) {
        snprintf(problem, sizeof problem, "-n %.200s: halley.fcgi is asked that", command.channel);
        result = EX_USAGE;
    }
    if (result != 0) {
        log_error("configuration", "%s", problem);
    } else if (command.version) {
        printf("%s %s\n", name, HALLEY_VERSION);
    } else if (command.channel != NULL) {
        result = explain(&config, &command);
    } else if (command.check) {
        config_print(&config, stdout);
    } else {
        log_open(name, (enum log_level)config.log_level);
        log_to(config.log);
        program_seed();
        block_signals(to_end, PROGRAM_SIGNALS);
        result = work(&config);
    }
    free(command.groups);
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
    sigset_t watched;

    sigemptyset(&watched);
    signal(SIGPIPE, SIG_IGN);
    ev_signal_init(&signals->hangup, on_hangup, SIGHUP);
    ev_signal_start(loop, &signals->hangup);
    sigaddset(&watched, SIGHUP);
    for (int i = 0; i < PROGRAM_SIGNALS; i++) {
        ev_signal_init(&signals->watchers[i], drain, to_end[i]);
        signals->watchers[i].data = ctx;
        ev_signal_start(loop, &signals->watchers[i]);
        sigaddset(&watched, to_end[i]);
    }
    sigprocmask(SIG_UNBLOCK, &watched, NULL);
}

/*
 * Writes log lines. A line is formatted into a bounded buffer, escaped and sent
 * with one write(2), so that lines of several processes and threads that share
 * one standard error never mix. Too long a line is cut. Where it goes is
 * log_target.c's.
 */
#include "core/base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log_target.h"

enum { LINE_MAX_BYTES = 1024 };

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *program_name = "halley";
static enum log_level threshold = LOG_INFO;

static struct {
    pthread_mutex_t lock; /* guards the target, and: */
    unsigned long lost;   /* lines, all of them */
    unsigned long untold; /* of those, since a line last said so */
} written = {.lock = PTHREAD_MUTEX_INITIALIZER};

void log_open(const char *program, enum log_level level) {
    program_name = program;
    threshold = level;
}

enum err log_level_parse(const char *text, enum log_level *level) {
    for (int i = LOG_ERROR; i <= LOG_DEBUG; i++) {
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return ERR_OK;
        }
    }
    return ERR_SYNTAX;
}

bool log_enabled(enum log_level level) {
    return level <= threshold;
}

static size_t put_stamp(char *out, size_t size) {
    struct timespec now;
    struct tm utc;
    char when[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    return (size_t)snprintf(out, size, "%s.%03ldZ %s[%d] ", when, now.tv_nsec / 1000000,
                            program_name, (int)getpid());
}

/* RFC 3164 §4: facility daemon, local time; syslog knows the rest better than we do. */
static size_t put_syslog_stamp(char *out, size_t size, enum log_level level) {
    static const int severities[] = {3, 4, 6, 7};
    enum { DAEMON = 3 };
    time_t now = time(NULL);
    struct tm local;
    char when[32];

    localtime_r(&now, &local);
    strftime(when, sizeof when, "%b %e %H:%M:%S", &local);
    return (size_t)snprintf(out, size, "<%d>%s %s[%d]: ", DAEMON * 8 + severities[level], when,
                            program_name, (int)getpid());
}

/* Copies `text` and escapes what could forge or garble a line. */
static size_t put_escaped(char *out, size_t size, const char *text) {
    size_t len = 0;
    for (; *text != '\0' && len + 5 < size; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f)
            len += (size_t)snprintf(out + len, size - len, "\\x%02x", c);
        else
            out[len++] = (char)c;
    }
    return len;
}

/* Formats a line for where it goes now, and sends it there. */
static bool put_line(enum log_level level, const char *event, const char *text) {
    char line[LINE_MAX_BYTES * 2];
    bool syslog = log_target_now() == LOG_TO_SYSLOG;
    size_t len = syslog ? put_syslog_stamp(line, sizeof line, level) : put_stamp(line, sizeof line);

    int n = snprintf(line + len, sizeof line / 2 - len, "%s %s ", level_names[level], event);
    len += (size_t)n < sizeof line / 2 - len ? (size_t)n : sizeof line / 2 - len - 1;
    len += put_escaped(line + len, sizeof line - len - 1, text);
    line[len] = syslog ? '\0' : '\n';
    return log_target_write(line, len + (syslog ? 0 : 1));
}

/* With the lock: says first how many lines are missing in front of this one. */
static void write_line(enum log_level level, const char *event, const char *text) {
    char missing[32];

    snprintf(missing, sizeof missing, "lines=%lu", written.untold);
    if (written.untold > 0 && put_line(LOG_WARNING, "log.lost", missing))
        written.untold = 0;
    if (put_line(level, event, text))
        return;
    written.lost++;
    written.untold++;
}

void log_line(enum log_level level, const char *event, const char *fmt, ...) {
    char text[LINE_MAX_BYTES];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    pthread_mutex_lock(&written.lock);
    write_line(level, event, text);
    pthread_mutex_unlock(&written.lock);
}

unsigned long log_lost(void) {
    pthread_mutex_lock(&written.lock);
    unsigned long lost = written.lost;
    pthread_mutex_unlock(&written.lock);
    return lost;
}

/* -------------------------------------------------------------------------- targets */

bool log_target_valid(const char *text) {
    return strcmp(text, "stderr") == 0 || strcmp(text, "syslog") == 0 || text[0] == '/';
}

/* Opens the target; says where it goes on if it cannot be had. */
static void open_target(void) {
    pthread_mutex_lock(&written.lock);
    bool open = log_target_open();
    const char *why = strerror(errno);
    pthread_mutex_unlock(&written.lock);
    if (!open)
        log_warning("log.target", "it cannot be opened, lines go on to where they went: %s", why);
}

void log_to(const char *text) {
    pthread_mutex_lock(&written.lock);
    if (text[0] == '/')
        log_target_set(LOG_TO_FILE, text);
    else if (strcmp(text, "syslog") == 0)
        log_target_set(LOG_TO_SYSLOG, LOG_TARGET_SYSLOG);
    else
        log_target_set(LOG_TO_STDERR, "");
    pthread_mutex_unlock(&written.lock);
    open_target();
}

void log_reopen(void) {
    open_target();
}

bool log_allowed(struct log_limit *limit, double now, unsigned long *suppressed) {
    if (now < limit->next) {
        limit->quiet++;
        return false;
    }
    *suppressed = limit->quiet;
    limit->quiet = 0;
    limit->next = now + LOG_QUIET;
    return true;
}

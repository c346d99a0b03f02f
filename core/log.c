/*
 * Writes log lines. A line is formatted into a bounded buffer, escaped and sent
 * with one write(2), so that lines of several processes and threads that share
 * one standard error never mix. Too long a line is cut.
 */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_BYTES = 1024 };

static const char *const level_names[] = {"error", "warning", "info", "debug"};
static const char *program_name = "halley";
static enum log_level threshold = LOG_INFO;

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

static size_t put_stamp(char *out, size_t size, enum log_level level, const char *event) {
    struct timespec now;
    struct tm utc;
    char when[32];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &utc);
    int n = snprintf(out, size, "%s.%03ldZ %s[%d] %s %s ", when, now.tv_nsec / 1000000,
                     program_name, (int)getpid(), level_names[level], event);
    return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
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

void log_line(enum log_level level, const char *event, const char *fmt, ...) {
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES * 2];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    size_t len = put_stamp(line, sizeof line, level, event);
    len += put_escaped(line + len, sizeof line - len - 1, text);
    line[len++] = '\n';
    if (write(STDERR_FILENO, line, len) < 0)
        return; /* nowhere left to complain */
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

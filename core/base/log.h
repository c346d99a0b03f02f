/*
 * Log lines: time, program, level, event, key=value. They go to standard error, which web
 * servers and systemd collect; or, where nobody collects it (a lighttpd that has become
 * a daemon), to syslog or to a file. Control characters are escaped, so that no stranger
 * writes a line of their own. Nothing here ever waits: a line that cannot be written now
 * is lost, and counted.
 */
#ifndef HALLEY_LOG_H
#define HALLEY_LOG_H

#include <stdbool.h>

#include "core/base/err.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

/* Names the program and sets what is written. Once, from main(). */
void log_open(const char *program, enum log_level level);

/* Whether `target` says where lines may go: "stderr", "syslog" or a file's whole path. */
bool log_target_valid(const char *target);

/*
 * From now on lines go to `target`, a valid one. A file is created if it is not there (mode
 * 0640). While it, or syslog, cannot be had, lines go to standard error, and it is tried
 * again every ten seconds. Once, from main().
 */
void log_to(const char *target);

/* Opens the file, or syslog's socket, anew: whoever rotates logs has moved it away. */
void log_reopen(void);

/* How many lines were lost because nobody took them. */
unsigned long log_lost(void);

/* Parses "error", "warning", "info" or "debug". */
enum err log_level_parse(const char *text, enum log_level *level) MUST_CHECK;

/* Whether lines of `level` are written, for callers whose arguments cost. */
bool log_enabled(enum log_level level);

/* Writes one line. Any thread: a line is one write(2). */
void log_line(enum log_level level, const char *event, const char *fmt, ...) PRINTF_LIKE(3, 4);

#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)

/* One kind of failure that may repeat: at most one line per `LOG_QUIET` seconds. */
#define LOG_QUIET 10.0
struct log_limit {
    double next;         /* when the next line may be written, in the loop's seconds */
    unsigned long quiet; /* how many were not written since the last one */
};

/*
 * True when a line may be written at `now`; `*suppressed` then says how many
 * were left out before it.
 */
bool log_allowed(struct log_limit *limit, double now, unsigned long *suppressed);

#endif

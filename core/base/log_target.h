/*
 * Where log lines go (core/base/log.h says what is promised). Called by core/base/log.c alone,
 * under its lock.
 */
#ifndef HALLEY_LOG_TARGET_H
#define HALLEY_LOG_TARGET_H

#include <stdbool.h>
#include <stddef.h>

/* Where syslog listens (syslog(3)). */
#define LOG_TARGET_SYSLOG "/dev/log"

enum log_target_kind { LOG_TO_STDERR, LOG_TO_SYSLOG, LOG_TO_FILE };

/* Sets the target; `path` is a file's, or that of syslog's socket, and is copied. */
void log_target_set(enum log_target_kind kind, const char *path);

/* Opens it anew. False: it cannot be had; what was open stays so. */
bool log_target_open(void);

/* Which kind lines go to now: that of the target, or standard error in its place. It
 * is tried to open at most every ten seconds. */
enum log_target_kind log_target_now(void);

/* Writes a whole line without waiting. False: nobody takes it. */
bool log_target_write(const char *line, size_t len);

#endif

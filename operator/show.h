/*
 * What commands write on standard output: lines for people, or JSON for scripts. What somebody
 * published, or named a channel, may be anything, so nothing that a terminal would take for an
 * order gets through.
 */
#ifndef HALLEY_SHOW_H
#define HALLEY_SHOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/data/message.h"

/*
 * Appends text for a terminal: control characters, and bytes that are no UTF-8, as \xNN. `most`
 * bytes of it; where there are more, `...` stands behind them.
 */
void show_safe(struct buf *out, const char *text, size_t len, size_t most);

/* Appends a time in Unix milliseconds as the local time, `2026-11-28 21:15:02.123`. */
void show_time(struct buf *out, uint64_t at);

/* Writes a message as one line. */
void show_message(struct message *message, bool json);

/* Writes that something is missing there, as one line. */
void show_gap(const char *channel, size_t len, bool json);

/* Writes a buffer and a line end, and empties it. */
void show_line(struct buf *line);

/* Hands out what was written. False: nobody takes it. */
bool show_flush(void);

#endif

/*
 * A growing byte buffer that is born with its maximum. Appending past the
 * maximum adds nothing and sets `overflow`, which stays set: build the whole
 * text, then ask once.
 */
#ifndef HALLEY_BUF_H
#define HALLEY_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

struct buf {
    char *data; /* `len` bytes and a NUL behind them; NULL while empty and new */
    size_t len;
    size_t cap;
    size_t max;
    bool overflow;
};

/* An empty buffer that never holds more than `max` bytes. Allocates nothing. */
struct buf buf_make(size_t max);

/* Releases the memory; the buffer is empty and usable again. */
void buf_free(struct buf *buf);

/* Empties the buffer and keeps its memory. */
void buf_clear(struct buf *buf);

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_text(struct buf *buf, const char *text);
void buf_char(struct buf *buf, char c);
void buf_uint(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* Takes `len` bytes off the front. */
void buf_consume(struct buf *buf, size_t len);

/* Room for `len` more bytes at the end: a pointer to write to, or NULL past the maximum. */
char *buf_reserve(struct buf *buf, size_t len);

#endif

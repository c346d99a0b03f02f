/*
 * The byte buffer of every text that Halley builds: answers, cursors, JSON.
 * It doubles, so appending is linear in all; its maximum is the caller's to
 * choose and is never passed. One owner at a time; no locking.
 */
#include "core/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

enum { BUF_FIRST = 256 };

struct buf buf_make(size_t max) {
    return (struct buf){.max = max};
}

void buf_free(struct buf *buf) {
    free(buf->data);
    *buf = buf_make(buf->max);
}

void buf_clear(struct buf *buf) {
    buf->len = 0;
    buf->overflow = false;
    if (buf->data != NULL)
        buf->data[0] = '\0';
}

char *buf_reserve(struct buf *buf, size_t len) {
    if (buf->overflow || len > buf->max - buf->len) {
        buf->overflow = true;
        return NULL;
    }
    size_t need = buf->len + len + 1;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : BUF_FIRST;
        while (cap < need)
            cap *= 2;
        buf->data = mem_resize(buf->data, cap);
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *data, size_t len) {
    char *to = buf_reserve(buf, len);
    if (to == NULL)
        return;
    if (len > 0)
        memcpy(to, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
}

void buf_text(struct buf *buf, const char *text) {
    buf_add(buf, text, strlen(text));
}

void buf_char(struct buf *buf, char c) {
    buf_add(buf, &c, 1);
}

void buf_uint(struct buf *buf, uint64_t value) {
    char digits[24];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    buf_add(buf, digits + at, sizeof digits - at);
}

void buf_printf(struct buf *buf, const char *fmt, ...) {
    va_list args, again;

    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *to = len < 0 ? NULL : buf_reserve(buf, (size_t)len);
    if (to != NULL) {
        vsnprintf(to, (size_t)len + 1, fmt, again);
        buf->len += (size_t)len;
    }
    va_end(again);
}

void buf_consume(struct buf *buf, size_t len) {
    if (len >= buf->len) {
        buf_clear(buf);
        return;
    }
    memmove(buf->data, buf->data + len, buf->len - len);
    buf->len -= len;
    buf->data[buf->len] = '\0';
}

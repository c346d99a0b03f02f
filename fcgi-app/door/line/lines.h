/*
 * What comes on a connection, as lines: bytes in, one line after the other out. Pure.
 */
#ifndef HALLEY_LINE_LINES_H
#define HALLEY_LINE_LINES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

enum {
    LINE_MAX_BYTES = 8192,    /* of a line, without its end */
    LINES_ROOM = 2 * 8192 + 2 /* bytes that wait to be lines, at the most */
};

enum lines_event {
    LINES_MORE,  /* no line is whole yet */
    LINES_LINE,  /* a line */
    LINES_LONG,  /* one that is longer than it may be, whole or not: no more can be taken */
    LINES_POLICY /* the first line asks for a Flash policy; nothing follows */
};

struct lines {
    struct buf waiting; /* bytes that came */
    size_t searched;    /* so many of them hold no line's end */
    bool begun;         /* a line was taken off */
};

/* A line, borrowed until the next call: without its end, LF or CR LF. */
struct line {
    const char *text;
    size_t len;
};

struct lines lines_make(void);
void lines_free(struct lines *lines);

/* So many bytes may be added now. */
size_t lines_room(const struct lines *lines);

/* Adds bytes, at most lines_room(). */
void lines_add(struct lines *lines, const char *data, size_t len);

/* Looks at what is first; `line` is filled with a LINES_LINE, which stays until it is taken. */
enum lines_event lines_look(struct lines *lines, struct line *line);

/* Takes the line off that was looked at. */
void lines_take(struct lines *lines, const struct line *line);

/* Whether a part of a line has come, and no whole one. */
bool lines_part(const struct lines *lines);

#endif

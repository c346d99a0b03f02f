/*
 * How an answer begins, as whoever answers describes it. What that looks like on the wire is
 * the business of the kind of client that carries it: CGI's header for FastCGI, HTTP/1.1's own
 * at the HTTP door. Pure functions.
 */
#ifndef HALLEY_ANSWER_H
#define HALLEY_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

/* A piece of an answer; borrowed for the length of the call. */
struct part {
    const void *data;
    size_t len;
};

/* How heads are written. */
enum head_syntax {
    HEAD_CGI,  /* a CGI response (RFC 3875 §6): its status is a field */
    HEAD_HTTP, /* HTTP/1.1 (RFC 9112 §4): its status is the first line */
    HEAD_SYNTAXES
};

/* What was written once of a head that many answers have; free with head_kept_free(). */
struct head_kept {
    struct buf of[HEAD_SYNTAXES];
};

#define HEAD_NO_LENGTH SIZE_MAX /* not known in advance, or there is no body */

/* The head of an answer. What it points to is borrowed for the length of the call. */
struct head {
    int status;         /* HTTP */
    const char *type;   /* Content-Type; NULL: it has no body */
    size_t length;      /* bytes of the body, or HEAD_NO_LENGTH */
    const char *cache;  /* Cache-Control; NULL: no-store */
    const char *fields; /* further fields, each a line with its end; NULL: none */
    /* where many answers have the same head, but for its length: what is written of it; or NULL */
    struct head_kept *kept;
};

/* The HTTP reason phrase of a status that Halley uses (RFC 9110 §15). */
const char *head_reason(int status);

/*
 * Its first lines: everything but the length, what is a connection's own, and the empty line.
 * They stand in what it keeps, or else in `own`, which the caller frees when they are sent.
 */
struct part head_lines(const struct head *head, enum head_syntax syntax, struct buf *own);

/*
 * Writes its Content-Length line to `out`; returns how many bytes that are, 0 where it has
 * none. An answer that is sent whole says its length: the web server need not cut it into
 * chunks, and a browser can tell whether it has all of it.
 */
enum { HEAD_LENGTH_LINE = 40 };
size_t head_length_line(const struct head *head, char out[HEAD_LENGTH_LINE]);

void head_kept_free(struct head_kept *kept);

#endif

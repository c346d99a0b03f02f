/*
 * Reads requests of HTTP/1.1 and HTTP/1.0 (RFC 9112) from bytes that come in any pieces, one
 * after the other. Pure: it knows no socket and no clock. What becomes of a request never
 * depends on how it was cut. The one place that knows http_parser.
 *
 * What costs memory here is bounded: a head, and a body, by its limits. A parser between
 * requests has no memory of its own.
 */
#ifndef HALLEY_HTTP_PARSER_H
#define HALLEY_HTTP_PARSER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "fcgi-app/door/http/strict.h"

struct parser_limits {
    size_t head_max; /* bytes of request line and fields, and of trailers with them */
    size_t body_max; /* bytes of a body */
};

enum parser_event {
    PARSER_MORE,     /* everything was taken, and the request is not whole */
    PARSER_CONTINUE, /* its head is; who sends it awaits 100 before the body. Told once */
    PARSER_WHOLE,    /* what came behind it was not taken */
    PARSER_BAD       /* `fault` says why; nothing that follows can be understood */
};

/* Where in a request it is. */
enum parser_stage {
    PARSER_LINE,       /* in its first line, or in front of it */
    PARSER_FIELDS,     /* in the lines behind that */
    PARSER_BODY,       /* in a body of known length */
    PARSER_CHUNK_SIZE, /* in the line in front of a chunk */
    PARSER_CHUNK,      /* in a chunk */
    PARSER_CHUNK_END,  /* in the line end behind it */
    PARSER_TRAILERS,   /* in the lines behind the last one */
    PARSER_OVER        /* it is whole, or bad */
};

/* Moved freely while it is between two calls. */
struct parser {
    /* of a request that is whole; they point into its head */
    struct span method, target;
    unsigned minor;  /* of HTTP/1.minor */
    bool keep;       /* another request may follow on the connection */
    bool over;       /* the body is longer than the limit, or says that it will be: it was not
                        read to its end, and nothing may follow. `body` is its beginning */
    struct buf body; /* to be taken over */
    size_t bytes;    /* that were taken of it, all in all */
    struct fault fault;

    /* its own */
    const struct parser_limits *limits;
    uint64_t library[4]; /* a struct http_parser */
    char *head;          /* where the head is: in `stored`, or in what is being taken */
    size_t head_len;
    size_t line_at; /* where its last line begins */
    struct buf stored;
    struct buf line; /* the beginning of a line that is not the head's */
    size_t trailers; /* bytes of them */
    uint64_t left;   /* bytes of a body, or a chunk, that have still to come */
    struct strict_coding coding;
    unsigned hosts, lengths; /* so many of those fields */
    unsigned empty_lines;    /* in front of it */
    uint8_t stage;           /* enum parser_stage */
    bool expects, expects_other;
};

/* For a first request, or the next one. `limits` is borrowed and outlives it. */
void parser_init(struct parser *parser, const struct parser_limits *limits);

/* Frees what it holds; parser_init() may follow. */
void parser_free(struct parser *parser);

/*
 * Takes `*used` bytes of `len`, at least one. After PARSER_WHOLE or PARSER_BAD it takes
 * nothing more; the head of a whole request may then lie in `data`, which is to be left alone
 * until it was looked at.
 */
enum parser_event parser_take(struct parser *parser, char *data, size_t len, size_t *used);

/* Whether nothing of a request is here. */
static inline bool parser_idle(const struct parser *parser) {
    return parser->stage == PARSER_LINE && parser->head_len == 0;
}

/* The fields of a whole request, one after the other: `*at` is 0 for the first; false: there
 * are no more. They may be written to, up to one byte behind a value. */
bool parser_field(const struct parser *parser, size_t *at, struct span *name, struct span *value);

/* The host and port of a target that is a URL; else an empty span. */
struct span parser_authority(const struct parser *parser);

#endif

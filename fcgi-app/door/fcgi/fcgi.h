/*
 * The FastCGI records that Halley itself looks at and writes (FastCGI
 * Specification 1.0, §3 and §5). Pure functions.
 */
#ifndef HALLEY_FCGI_H
#define HALLEY_FCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"

enum {
    FCGI_HEADER = 8,          /* bytes of a record's header */
    FCGI_CONTENT_MAX = 65535, /* bytes that one record carries */
    FCGI_FINISH = 24,         /* bytes of fcgi_finish() */
    FCGI_BEGIN_BODY = 8       /* bytes of a BEGIN_REQUEST record's content */
};

/* Types of records (§8). Those beyond the last are unknown, and answered so. */
enum fcgi_record_type {
    FCGI_TYPE_BEGIN = 1,
    FCGI_TYPE_ABORT = 2,
    FCGI_TYPE_END = 3,
    FCGI_TYPE_PARAMS = 4,
    FCGI_TYPE_STDIN = 5,
    FCGI_TYPE_STDOUT = 6,
    FCGI_TYPE_STDERR = 7,
    FCGI_TYPE_DATA = 8,
    FCGI_TYPE_GET_VALUES = 9,
    FCGI_TYPE_GET_VALUES_RESULT = 10,
    FCGI_TYPE_UNKNOWN = 11
};

/* How a request ended (§5.5): the protocol status of END_REQUEST. */
enum fcgi_end { FCGI_COMPLETE = 0, FCGI_CANT_MPX_CONN = 1, FCGI_UNKNOWN_ROLE = 3 };

struct fcgi_record {
    unsigned version;
    unsigned type;
    uint16_t request_id; /* 0: a record about the connection itself */
    size_t content;      /* bytes, and behind them: */
    size_t padding;
};

struct fcgi_record fcgi_parse_header(const unsigned char at[FCGI_HEADER]);

/* What a BEGIN_REQUEST record says. */
struct fcgi_begin {
    bool responder; /* the one role that Halley has */
    bool keep;      /* FCGI_KEEP_CONN: the web server keeps the connection afterwards */
};
struct fcgi_begin fcgi_parse_begin(const unsigned char body[FCGI_BEGIN_BODY]);

/* Whether these are name-value pairs (§3.4), none of them longer than what is there. */
bool fcgi_are_pairs(const void *params, size_t len);

enum fcgi_look {
    FCGI_PARTIAL, /* plain so far, not all here */
    FCGI_WHOLE,   /* plain, from BEGIN_REQUEST to the empty STDIN record */
    FCGI_ODD,     /* legal perhaps, and not plain: to be read record by record */
    FCGI_JUNK     /* no FastCGI */
};

struct fcgi_view {
    uint16_t request_id; /* 0 until BEGIN_REQUEST was seen */
    bool keep;           /* as in struct fcgi_begin */
    bool params_whole;   /* up to the empty PARAMS record */
    size_t params_bytes; /* content of the PARAMS records so far */
    size_t params_at;    /* where it begins */
    size_t body_bytes;   /* content of the STDIN records so far */
    size_t size;         /* of the request that is WHOLE, with its records' headers */
};

/*
 * Walks the record headers in the first `len` bytes of a connection. Plain is what web
 * servers send: the records of one responder's request in their order, no others, and the
 * parameters in one.
 */
enum fcgi_look fcgi_look(const unsigned char *data, size_t len, struct fcgi_view *view);

/* The header of a STDOUT record that carries `len` bytes, at most FCGI_CONTENT_MAX. */
void fcgi_stdout_header(unsigned char out[FCGI_HEADER], uint16_t request_id, size_t len);

/* An empty STDOUT record and END_REQUEST (complete, status 0). */
void fcgi_finish(unsigned char out[FCGI_FINISH], uint16_t request_id);

/* END_REQUEST for a request that was never begun (§5.5). */
void fcgi_put_end(struct buf *out, uint16_t request_id, enum fcgi_end how);

/* UNKNOWN_TYPE (§4.2). */
void fcgi_put_unknown(struct buf *out, unsigned type);

/* The answer to GET_VALUES (§4.1), whose content is `query`: one request at a time on each of
 * `most` connections. What it does not know is left out. */
void fcgi_put_values(struct buf *out, const void *query, size_t len, unsigned most);

/* A whole plain request with these parameters and no body, as libfcgi reads it. */
void fcgi_put_request(struct buf *out, uint16_t request_id, const void *params, size_t len);

#endif

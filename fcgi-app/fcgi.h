/*
 * The FastCGI records that Halley itself looks at and writes (FastCGI
 * Specification 1.0, §3 and §5). Reading requests is libfcgi's; looking whether
 * one has wholly arrived, and answering it without blocking, is done here.
 * Pure functions.
 */
#ifndef HALLEY_FCGI_H
#define HALLEY_FCGI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FCGI_HEADER = 8,          /* bytes of a record's header */
    FCGI_CONTENT_MAX = 65535, /* bytes that one record carries */
    FCGI_FINISH = 24          /* bytes of fcgi_finish() */
};

enum fcgi_look {
    FCGI_PARTIAL, /* well formed so far, not all here */
    FCGI_WHOLE,   /* from BEGIN_REQUEST to the empty STDIN record */
    FCGI_JUNK     /* nothing that a web server sends for a responder */
};

struct fcgi_view {
    uint16_t request_id; /* 0 until BEGIN_REQUEST was seen */
    bool keep;           /* FCGI_KEEP_CONN: the web server keeps the connection afterwards */
    bool params_whole;   /* up to the empty PARAMS record */
    size_t params_bytes; /* content of the PARAMS records so far */
    size_t body_bytes;   /* content of the STDIN records so far */
};

/* Walks the record headers in the first `len` bytes of a connection. */
enum fcgi_look fcgi_look(const unsigned char *data, size_t len, struct fcgi_view *view);

/* The header of a STDOUT record that carries `len` bytes, at most FCGI_CONTENT_MAX. */
void fcgi_stdout_header(unsigned char out[FCGI_HEADER], uint16_t request_id, size_t len);

/* An empty STDOUT record and END_REQUEST (complete, status 0). */
void fcgi_finish(unsigned char out[FCGI_FINISH], uint16_t request_id);

#endif

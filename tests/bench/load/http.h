#ifndef HALLEY_BENCH_HTTP_H
#define HALLEY_BENCH_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum http_state {
    HTTP_HEAD,     /* of an answer, which may not have begun */
    HTTP_LENGTH,   /* in a body of which `left` bytes are to come */
    HTTP_SIZE,     /* at the size line of a chunk */
    HTTP_CHUNK,    /* in a chunk of which `left` bytes are to come */
    HTTP_BREAK,    /* at the line end behind a chunk */
    HTTP_TRAILER,  /* behind the last chunk */
    HTTP_TO_END,   /* in a body that ends with the connection */
    HTTP_BAD,      /* no HTTP */
    HTTP_ABANDONED /* nobody wants the rest */
};

struct http {
    enum http_state state;
    int status;
    bool cgi;    /* a CGI answer (RFC 3875 §6): a "Status:" header at most, no status line */
    bool closes; /* the other side says that it will */
    uint64_t left;
};

/* Told while http_feed() runs; head() and body() may set the state to HTTP_ABANDONED. */
struct http_sink {
    void (*head)(void *ctx, int status, const char *head, size_t length);
    void (*body)(void *ctx, const char *data, size_t length);
    bool (*end)(void *ctx); /* false: what follows is not for it */
};

/* Ready for the next answer. */
void http_reset(struct http *http);

/* Takes what it can and returns how much; the rest (part of a head, of a size line) it
 * wants again with what comes behind it. */
size_t http_feed(struct http *http, const char *data, size_t length, const struct http_sink *sink,
                 void *ctx);

/* The connection, or the CGI answer, is over. False: in the middle of an answer. */
bool http_finish(struct http *http, const struct http_sink *sink, void *ctx);

/* The value of a header in a head; NULL: not there. */
const char *http_header(const char *head, size_t head_length, const char *name, size_t *length);

#endif

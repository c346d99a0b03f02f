#ifndef HALLEY_BENCH_CONN_H
#define HALLEY_BENCH_CONN_H

#include "tests/bench/load/http.h"
#include "tests/bench/load/loop.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/proto.h"
#include "tests/bench/load/request.h"

struct span {
    const char *data;
    size_t length;
};

/* Told while the loop turns; each may ask again at once. */
struct conn_events {
    /* A whole answer; of a stream, its orderly end. */
    void (*answer)(void *ctx, const struct answer *answer);
    /* Bytes of a stream; returns how many were taken. */
    size_t (*piece)(void *ctx, const struct answer *head, const char *data, size_t length);
    /* Refused, cut off, or no HTTP; the connection is closed. */
    void (*failed)(void *ctx, const char *why);
};

/* One kept connection, with at most one request on its way. */
struct conn {
    struct source source;
    const struct conn_events *events;
    void *ctx;
    int fd;              /* -1: closed */
    unsigned generation; /* how often it was closed */
    bool connecting;
    bool blocked; /* it waits for room to write */
    bool asked;   /* an answer is due */
    bool stream;  /* it comes in pieces */
    struct http http;
    struct span head, body; /* in what is just being fed; kept below when that ends */
    struct pile kept_head, kept_body;
    struct pile records; /* part of a FastCGI record */
    struct pile rest;    /* what http_feed() did not take */
    struct pile out;
};

/* Where all connections go. */
void conn_target(const struct options *options);

void conn_begin(struct conn *conn, const struct conn_events *events, void *ctx);

/* Sends it, on a new connection if need be. */
void conn_ask(struct conn *conn, const struct request *request, bool stream);

/* Sends bytes on an open stream. */
void conn_say(struct conn *conn, const void *data, size_t length);

void conn_close(struct conn *conn);

/* Connections that were opened again because the other side had closed them. */
uint64_t conn_reopened(void);

#endif

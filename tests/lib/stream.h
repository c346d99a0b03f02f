#ifndef HALLEY_TESTS_STREAM_H
#define HALLEY_TESTS_STREAM_H

#include "tests/lib/held.h"
#include "tests/lib/websock.h"

#include <jansson.h>

enum transport {
    EVENTS,
    EVENTS_JSON,
    STREAM,
    MULTIPART,
    IFRAME,
    WS,
    JSONP,
    WAIT,
    POLL,
    TRANSPORTS,
    STREAMS = JSONP /* those before it go on after a batch */
};

struct transport_facts {
    const char *name, *endpoint;
    const char *more; /* parameters that it needs, each with its & */
    const char *type; /* Content-Type */
};
extern const struct transport_facts transports[TRANSPORTS];

/* Where a stream is asked for. */
enum way {
    BY_WEB,  /* the lab's web server */
    DIRECTLY /* the application's own sockets */
};

/* What came in one piece. Borrowed until the next stream_next(). */
struct piece {
    json_t *batch;  /* NULL: an event that is no batch */
    bool start;     /* the first one: no message, says where the stream begins */
    const char *id; /* of an event */
    const char *event;
    const char *data;
    size_t length;
};

struct stream {
    enum transport transport;
    struct held *held;      /* or */
    struct websock *socket; /* of WS */
    bool polite;            /* its own end has come */
    bool opened, begun;     /* its preamble, its first piece */
    size_t keepalives;
    bool later;   /* it was an event stream that could not be served for now */
    int retry_ms; /* after which an event stream asks to come back; 0: it has not */
    struct piece piece;
    /* stream.c's own */
    struct pile data;
    char id[4096], event[1024];
};

/* `query` is "channel=...&since=..."; `last_event_id` may be NULL. NULL: nobody listens. */
struct stream *stream_open(struct lab *lab, enum way way, enum transport transport,
                           const char *query, const char *last_event_id);

/* Waits up to `ms` for more, takes what has come. */
void stream_turn(struct stream *stream, int ms);

/* The next piece, in stream->piece; false: no whole one has come. */
bool stream_next(struct stream *stream);

/* HTTP status; 0: not there yet. */
int stream_status(const struct stream *stream);

/* Whether it has ended and everything was taken, and how. */
enum held_end stream_end(const struct stream *stream);

/* Turn until there is ...; fail when the stream ends before, or patience does. */
const struct piece *stream_reach(struct stream *stream);
const struct piece *stream_reach_message(struct stream *stream);
void stream_reach_start(struct stream *stream);
void stream_reach_keepalives(struct stream *stream, size_t count);

/* Turns until a piece with messages comes, which must be one, with this JSON text. */
void stream_must_bring(struct stream *stream, const char *data);

/* Turns until it ends, whatever comes before. */
enum held_end stream_reach_end(struct stream *stream);

/* The cursor behind a piece, encoded, kept; NULL: it says none. */
const char *piece_cursor(const struct piece *piece);
bool piece_gap(const struct piece *piece);

/* What it says of Redis ("away", "up"), or NULL. */
const char *piece_redis(const struct piece *piece);

/* How many messages it carries, and one of them as a JSON text (an event's raw data); kept. */
size_t piece_count(const struct piece *piece);
const char *piece_data(const struct piece *piece, size_t which);

/* Hangs up and frees it. Safe on NULL. */
void stream_close(struct stream *stream);

#endif

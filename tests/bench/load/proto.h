/* The seam between the load generator and the protocols that it speaks. A protocol
 * is one file that fills a struct proto and a line in proto.c; it knows nothing of
 * sockets, of time or of how messages are counted.
 *
 * A subscriber has one connection and speaks in turns: the protocol writes a request,
 * gets the answer, says what is next. Messages need not be parsed: whatever text holds
 * them goes to subscriber_take(), which finds the number in each.
 */
#ifndef HALLEY_BENCH_PROTO_H
#define HALLEY_BENCH_PROTO_H

#include "tests/bench/load/request.h"
#include "tests/bench/load/track.h"

#include <stdbool.h>
#include <stddef.h>

struct answer {
    int status;
    const char *head; /* status line and headers, each line with its CR LF */
    size_t head_length;
    const char *body; /* the whole of it; with streams nothing */
    size_t length;
};

enum { PLACE = 128 };

struct subscriber {
    const struct proto *proto;
    const char *channel;
    const char *path;     /* --path, or the protocol's own */
    size_t number;        /* which one it is, from 0 */
    int phase;            /* the protocol's own; 0: nothing is agreed yet */
    bool waiting;         /* its request is one that waits, or its stream has begun */
    char place[2][PLACE]; /* the protocol's own: cursor, session, ... */
    struct track track;   /* which messages it has; see track.h */
    struct tally *tally;
};

/* What a subscriber does after an answer. */
enum next {
    NEXT_ASK,  /* write the next request */
    NEXT_FAIL, /* not what the protocol has: counts as an error, and it begins again */
};

struct proto {
    const char *name;
    const char *path; /* unless --path says another */
    bool stream;      /* the answer to the request in phase `stream_phase` does not end */
    int stream_phase;
    bool polls; /* never waits: for mode poll alone */

    /* Fills in the next request for its phase, and says in `waiting` whether it waits. */
    void (*ask)(struct subscriber *subscriber, struct request *request);

    /* A whole answer has come. NULL: there is only the stream. */
    enum next (*answer)(struct subscriber *subscriber, const struct answer *answer);

    /* Bytes of a stream, its head before them. Takes whole blocks, returns how many bytes
     * it took; gets the rest again with what comes behind it. None are there when a
     * connection has been upgraded. What it writes to `reply` is sent at once (pongs). Sets
     * `waiting` once the stream has begun. */
    size_t (*piece)(struct subscriber *subscriber, const char *data, size_t length,
                    struct pile *reply);
};

/* NULL: there is none of this name. */
const struct proto *proto_find(const char *name);

/* Counts the messages in `text`; returns how many there were. */
size_t subscriber_take(struct subscriber *subscriber, const char *text, size_t length);

/* The value of a header of an answer; NULL: not there. */
const char *answer_header(const struct answer *answer, const char *name, size_t *length);

/* Copies a text into a place; false when it is too long. */
bool place_copy(char place[PLACE], const char *text, size_t length);

/* Copies what stands between `before` and the first of `until` behind it into a place;
 * false when it is not there or too long. */
bool place_between(char place[PLACE], const char *text, size_t length, const char *before,
                   const char *until);

#endif

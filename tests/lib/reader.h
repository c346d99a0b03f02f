#ifndef HALLEY_TESTS_READER_H
#define HALLEY_TESTS_READER_H

#include "tests/lib/stream.h"

/* A subscriber by any transport, who comes back with his cursor. Begin with reader_begin(). */
struct reader {
    struct lab *lab;
    enum way way;
    enum transport transport;
    const char *channel, *cursor;
    struct stream *stream;
    size_t count;       /* messages */
    int last;           /* the number of the last one */
    size_t gaps;        /* told */
    bool told;          /* since the last message */
    size_t opened, cut; /* connections, and those that broke */
    size_t refused;     /* answers other than 200, and streams that begin later */
    size_t failed;      /* of these, 500 and above */
    size_t unheard;     /* nobody listened */
    bool obeys;         /* comes back when a page would, which is not at once */
    int retry_ms;       /* what its last event stream asked for */
    int64_t next_open_ms;
};

/* Follows a channel of numbers, which begins with 1, from its end of now. */
void reader_begin(struct reader *reader, struct lab *lab, enum way way, enum transport transport,
                  const char *channel);

/* Takes what has come; comes back when it was ended or refused. */
void reader_turn(struct reader *reader);

/* Turns until each of them has had the number `last`. */
void readers_reach(struct reader *readers, size_t count, int last);

/* Fails unless it has 1 to `last`, each once, in order. */
void reader_must_have(const struct reader *reader, int last);

void reader_end(struct reader *reader);

#endif

#ifndef HALLEY_BENCH_FLOOR_WIRE_H
#define HALLEY_BENCH_FLOOR_WIRE_H

#include "tests/lib/pile.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One connection; the place in the table is its descriptor. */
struct conn {
    enum {
        CONN_CLOSED,
        CONN_READING,  /* a request, which may not have begun */
        CONN_WAITING,  /* among the waits */
        CONN_STREAMING /* among the streams */
    } state;
    bool keep;        /* it stays open after an answer */
    bool ending;      /* it closes as soon as `out` is empty */
    uint16_t id;      /* of a FastCGI request */
    uint32_t row;     /* its place among the waits or streams */
    uint32_t watched; /* the events that epoll watches for; 0: it does not have it */
    struct pile in;
    struct pile out; /* what the descriptor did not take */
};

/* What is sent, as it goes over the wire: framed once a message, sent to everybody. */
struct image {
    struct pile bytes;
    uint16_t id;  /* of the FastCGI request that it is framed for */
    bool is_last; /* the request is answered with it */
};

enum part {
    PART_WHOLE, /* an answer */
    PART_BEGIN, /* the head and the first bytes of a stream */
    PART_MORE   /* more bytes of it */
};

/* What FastCGI and HTTP do each in their own way. */
struct wire {
    const char *status; /* what stands before "200 OK" in an answer's head */
    bool lengths;       /* a head says how long its body is, or that it is in chunks */

    /* Frames head and body (NULL: none of it). */
    void (*frame)(struct image *image, enum part part, const struct pile *head,
                  const struct pile *body);

    /* Makes it the answer to this connection's request. NULL: it fits all. */
    void (*address)(struct image *image, const struct conn *conn);

    /* Takes one whole request from the front of `data` and hands it to floor_request();
     * returns how many bytes it had; 0: it is not all there; -1: that is no request. */
    long (*read)(struct conn *conn, const char *data, size_t length);
};

/* Serves until it is killed; main()'s exit code. */
int floor_run(int argc, char **argv, const struct wire *wire);

/* Answers a request, or parks it. `uri` is path and query. */
void floor_request(struct conn *conn, const char *uri, size_t length, const char *body,
                   size_t body_length);

#endif

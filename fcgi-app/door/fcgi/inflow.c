/*
 * Between the socket and arrival.c, which is pure. Reading is bounded for each turn, and so
 * is what is said to somebody who asks and does not read.
 */
#include "fcgi-app/door/fcgi/inflow.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    TURN_RECORDS = 512, /* so much is read of one connection before others have their turn */
    TURN_BYTES = 1024 * 1024,
    REPLIES_MAX =
        4096 /* bytes of them may lie behind an answer that the other side does not read */
};

static const struct arrival_limits *limits_of(const struct connection *connection) {
    return &((const struct fcgi_carrier *)(const void *)connection_carrier(connection))->limits;
}

struct arrival *inflow_gather(struct connection *connection) {
    struct aside *aside = connection_aside(connection);
    bool answering =
        connection->state == CONNECTION_ANSWERING || connection->state == CONNECTION_FLUSHING;

    if (aside->arrival == NULL) {
        aside->arrival = arrival_new(limits_of(connection));
        if (answering)
            arrival_answering(aside->arrival, connection->own);
    }
    return aside->arrival;
}

void inflow_forget(struct connection *connection, bool idle) {
    struct arrival *arrival = inflow_arrival(connection);

    if (idle && !arrival_idle(arrival))
        return;
    connection->all->gathered -= arrival->body.len;
    arrival_free(arrival);
    connection->aside->arrival = NULL;
}

void inflow_over(struct connection *connection) {
    struct arrival *arrival = inflow_arrival(connection);

    connection->all->gathered -= arrival->body.len;
    arrival_over(arrival);
}

/* Sends records, behind what is queued. False: nobody takes them. */
static bool say(struct connection *connection, const struct buf *records) {
    if (connection_queued(connection) > 0) {
        connection->aside->replies += records->len;
        if (connection->aside->replies > REPLIES_MAX)
            return false;
    }
    return connection_put(connection, &(struct part){records->data, records->len}, 1) == ERR_OK;
}

static enum arrival_event read_some(struct connection *connection, struct buf *reply,
                                    size_t *bytes) {
    struct arrival *arrival = connection->aside->arrival;
    size_t want = arrival_wants(arrival);
    char *scratch = connection->all->scratch;

    if (want == 0)
        return ARRIVAL_WAITS;
    ssize_t n = recv(connection->fd, scratch, want < CONNECTION_SCRATCH ? want : CONNECTION_SCRATCH,
                     MSG_DONTWAIT);
    if (n < 0 && errno == EINTR)
        return ARRIVAL_MORE;
    *bytes = n > 0 ? (size_t)n : 0;
    if (n <= 0)
        return n < 0 && errno == EAGAIN ? ARRIVAL_MORE : ARRIVAL_END;
    size_t before = arrival->body.len;
    enum arrival_event event = arrival_take(arrival, scratch, (size_t)n, reply);
    connection->all->gathered += arrival->body.len - before;
    return event;
}

enum arrival_event inflow_read(struct connection *connection) {
    enum arrival_event event = ARRIVAL_MORE;
    struct buf reply = buf_make(FCGI_CONTENT_MAX);
    size_t total = 0, bytes = 1;

    (void)inflow_gather(connection);
    for (int i = 0; event == ARRIVAL_MORE && bytes > 0; i++) {
        if (i == TURN_RECORDS * 2 || total > TURN_BYTES) {
            connection_look_again(connection);
            break;
        }
        event = read_some(connection, &reply, &bytes);
        total += bytes;
        if (reply.len > 0 && !say(connection, &reply))
            event = ARRIVAL_BROKEN;
        buf_clear(&reply);
    }
    /* what comes behind is not told by itself */
    connection->missed |= event != ARRIVAL_MORE && event != ARRIVAL_END;
    buf_free(&reply);
    return event;
}

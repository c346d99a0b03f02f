/*
 * What all states of a connection share: where it stands, its deadline, its place
 * in the pollset, reading record by record. What happens in a state is the business of
 * the file that connection.h names beside it.
 */
#include "fcgi-app/door/fcgi/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"

/* A client that somebody holds counts as one until its last byte is out. */
static bool counts(enum connection_state state) {
    return state == CONNECTION_ANSWERING || state == CONNECTION_FLUSHING;
}

void connection_set_state(struct connection *connection, enum connection_state state) {
    struct connections *all = connection->all;

    all->stats->clients += (uint64_t)counts(state) - (uint64_t)counts(connection->state);
    all->stats->connections_kept += (uint64_t)(state == CONNECTION_RESTING) -
                                    (uint64_t)(connection->state == CONNECTION_RESTING);
    if (connection->state != CONNECTION_ANSWERING)
        wheel_cancel(&connection->deadline);
    connection->deadline = (struct wheel_entry){.due = 0};
    if (state == CONNECTION_ANSWERING)
        connection->holder.events = NULL;
    if (state == CONNECTION_RESTING)
        ring_add(&all->resting, &connection->deadline.ring);
    connection->state = (uint8_t)state;
}

void connection_set_deadline(struct connection *connection, double seconds) {
    struct wheel *wheel = connection->all->wheel;
    wheel_set(wheel, &connection->deadline, wheel_in(wheel, seconds));
}

bool connection_watch(struct connection *connection) {
    struct pollset *pollset = connection->all->pollset;

    if (!connection->watched)
        connection->watched = pollset_add(pollset, connection->fd, connection);
    else if (connection->missed)
        pollset_again(pollset, connection->fd, connection, connection->writing);
    connection->missed = false;
    return connection->watched;
}

/* ---------------------------------------------------------- what few of them have */

struct aside *connection_aside(struct connection *connection) {
    if (connection->aside == NULL) {
        connection->aside = mem_new(sizeof *connection->aside);
        connection->aside->queue = buf_make(SIZE_MAX / 2); /* the hub limits what is queued */
    }
    return connection->aside;
}

static void forget_arrival(struct connection *connection) {
    struct arrival *arrival = connection_arrival(connection);

    if (arrival == NULL)
        return;
    connection->all->gathered -= arrival->body.len;
    arrival_free(arrival);
    connection->aside->arrival = NULL;
}

void connection_tidy(struct connection *connection) {
    struct aside *aside = connection->aside;

    if (aside == NULL || aside->queue.len > 0)
        return;
    if (aside->arrival != NULL && !arrival_idle(aside->arrival))
        return;
    forget_arrival(connection);
    buf_free(&aside->queue);
    free(aside);
    connection->aside = NULL;
}

struct arrival *connection_gather(struct connection *connection) {
    struct aside *aside = connection_aside(connection);

    if (aside->arrival == NULL) {
        aside->arrival = arrival_new(&connection->all->limits);
        if (counts(connection->state))
            arrival_answering(aside->arrival, connection->request_id);
    }
    return aside->arrival;
}

/* So much is read of one connection before others have their turn. */
enum { TURN_RECORDS = 512, TURN_BYTES = 1024 * 1024 };

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

enum arrival_event connection_read(struct connection *connection) {
    enum arrival_event event = ARRIVAL_MORE;
    struct buf reply = buf_make(FCGI_CONTENT_MAX);
    size_t total = 0, bytes = 1;

    (void)connection_gather(connection);
    for (int i = 0; event == ARRIVAL_MORE && bytes > 0; i++) {
        if (i == TURN_RECORDS * 2 || total > TURN_BYTES) {
            connection->missed = true;
            (void)connection_watch(connection);
            break;
        }
        event = read_some(connection, &reply, &bytes);
        total += bytes;
        if (reply.len > 0 && !client_fcgi_say(connection, &reply))
            event = ARRIVAL_BROKEN;
        buf_clear(&reply);
    }
    /* what comes behind is not told by itself */
    connection->missed |= event != ARRIVAL_MORE && event != ARRIVAL_END;
    buf_free(&reply);
    return event;
}

struct connection *connection_new(struct connections *all, int fd) {
    struct connection *connection = pool_take(&all->pool);
    connection->all = all;
    connection->fd = fd;
    all->stats->connections++;
    return connection;
}

void connection_close(struct connection *connection) {
    struct connections *all = connection->all;

    connection_set_state(connection, CONNECTION_ARRIVING); /* counted as nothing else */
    if (connection->watched)
        pollset_forget(all->pollset, connection);
    close(connection->fd);
    if (connection->aside != NULL) {
        forget_arrival(connection);
        buf_free(&connection->aside->queue);
        free(connection->aside);
    }
    all->stats->connections--;
    pool_give(&all->pool, connection);
}

static void on_ready(void *ctx, void *item, unsigned what) {
    struct connection *connection = item;
    (void)ctx;

    switch ((enum connection_state)connection->state) {
    case CONNECTION_ARRIVING:
    case CONNECTION_RESTING:
        intake_ready(connection, what);
        break;
    case CONNECTION_ANSWERING:
    case CONNECTION_FLUSHING:
        client_fcgi_ready(connection, what);
        break;
    }
}

static void on_deadline(void *ctx, struct wheel_entry *entry) {
    struct connection *connection = RING_OF(entry, struct connection, deadline);
    (void)ctx;

    if (connection->state == CONNECTION_FLUSHING)
        connection_close(connection);
    else
        intake_late(connection);
}

struct connections *connections_new(struct ev_loop *loop, struct stats *stats) {
    struct connections *all = mem_new(sizeof *all);
    all->loop = loop;
    all->stats = stats;
    all->pollset = pollset_new(loop, on_ready, all);
    all->wheel = wheel_new(loop, on_deadline, all);
    all->scratch = mem_new(CONNECTION_SCRATCH);
    all->pool = pool_make(sizeof(struct connection));
    ring_init(&all->resting);
    return all;
}

static void close_entry(void *ctx, struct wheel_entry *entry) {
    (void)ctx;
    connection_close(RING_OF(entry, struct connection, deadline));
}

void connections_free(struct connections *all) {
    if (all == NULL)
        return;
    wheel_each(all->wheel, close_entry, NULL);
    while (!ring_empty(&all->resting))
        close_entry(NULL, RING_OF(all->resting.next, struct wheel_entry, ring));
    wheel_free(all->wheel);
    pollset_free(all->pollset);
    pool_free(&all->pool);
    free(all->scratch);
    free(all);
}

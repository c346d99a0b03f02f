/*
 * What all states of a connection share: where it stands, its deadline, its place
 * in the pollset. What happens in a state is the business of the file that
 * connection.h names beside it.
 */
#include "fcgi-app/connection.h"

#include <stdlib.h>
#include <unistd.h>

#include "core/mem.h"

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
    if (!connection->watched)
        connection->watched = pollset_add(connection->all->pollset, connection->fd, connection);
    return connection->watched;
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
    if (connection->queue != NULL)
        buf_free(connection->queue);
    free(connection->queue);
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
    case CONNECTION_QUEUED:
    case CONNECTION_READING:
        break; /* it is looked at when its turn comes */
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
    free(all);
}

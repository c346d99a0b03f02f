/*
 * What connections have in common at every door: states, deadlines, their place in the
 * pollset, and writing. The usual answer is one write: nothing waits, and nothing large is
 * copied. Only what a slow descriptor does not take is copied into the connection's own
 * queue, which the loop then empties. How much may be queued is the hub's to limit: it stops
 * feeding a client whose queue is not empty.
 *
 * Reading is the carrier's: what comes in a state is told to it (struct carrier).
 */
#include "fcgi-app/door/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/mem.h"

#define FIRST_REQUEST 0.5 /* seconds that a new connection has for it when nobody else comes in */

enum {
    SMALL = 2048,                    /* bytes that are cheaper to copy than to gather */
    GATHERED_MAX = 64 * 1024 * 1024, /* bytes of bodies that are on their way in together ... */
    GATHERED_BODIES = 8              /* ... but room for so many of the longest */
};

/* A client that somebody holds counts as one until its last byte is out. */
static bool counts(enum connection_state state) {
    return state == CONNECTION_ANSWERING || state == CONNECTION_FLUSHING;
}

static void forget_fields(struct connection *connection) {
    if (connection->aside == NULL || connection->aside->fields == NULL)
        return;
    free(connection->aside->fields);
    connection->aside->fields = NULL;
    connection_tidy(connection);
}

/* Rests are equally long: who began first has rested for long enough first. */
static void begin_rest(struct connection *connection) {
    struct connections *all = connection->all;
    const double *limit = connection_carrier(connection)->keepalive;

    ring_add(limit != NULL ? &all->idle : &all->resting, &connection->deadline.ring);
    if (limit == NULL)
        return;
    connection->deadline.due = wheel_in(all->wheel, *limit);
    if (!ev_is_active(&all->tired)) {
        ev_timer_set(&all->tired, *limit, 0);
        ev_timer_start(all->loop, &all->tired);
    }
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
        begin_rest(connection);
    if (!counts(state))
        forget_fields(connection);
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

void connection_look_again(struct connection *connection) {
    connection->missed = true;
    (void)connection_watch(connection);
}

/* ---------------------------------------------------------- what few of them have */

struct aside *connection_aside(struct connection *connection) {
    if (connection->aside == NULL) {
        connection->aside = mem_new(sizeof *connection->aside);
        connection->aside->queue = buf_make(SIZE_MAX / 2); /* the hub limits what is queued */
    }
    return connection->aside;
}

static void forget_arrival(struct connection *connection, bool idle) {
    if (connection->aside->arrival != NULL)
        connection_carrier(connection)->forget(connection, idle);
}

void connection_tidy(struct connection *connection) {
    struct aside *aside = connection->aside;

    if (aside == NULL || aside->queue.len > 0)
        return;
    forget_arrival(connection, true);
    if (aside->arrival != NULL || aside->fields != NULL)
        return;
    buf_free(&aside->queue);
    free(aside);
    connection->aside = NULL;
}

static void forget_aside(struct connection *connection) {
    if (connection->aside == NULL)
        return;
    forget_arrival(connection, false);
    buf_free(&connection->aside->queue);
    free(connection->aside);
    connection->aside = NULL;
}

/* --------------------------------------------------------------------- beginning, end */

static void count(const struct connection *connection, int change) {
    size_t *count = connection_carrier(connection)->count;
    if (count != NULL)
        *count += (size_t)change;
}

struct connection *connection_new(struct connections *all, const struct carrier *carrier, int fd) {
    struct connection *connection = pool_take(&all->pool);
    connection->base.kind = &carrier->client;
    connection->all = all;
    connection->fd = fd;
    all->stats->connections++;
    count(connection, 1);
    return connection;
}

int connection_detach(struct connection *connection) {
    struct connections *all = connection->all;
    int fd = connection->fd;

    connection_set_state(connection, CONNECTION_ARRIVING); /* counted as nothing else */
    if (connection->watched) {
        pollset_forget(all->pollset, connection);
        pollset_remove(all->pollset, fd);
    }
    forget_aside(connection);
    all->stats->connections--;
    count(connection, -1);
    pool_give(&all->pool, connection);
    return fd;
}

void connection_close(struct connection *connection) {
    struct connections *all = connection->all;

    connection_set_state(connection, CONNECTION_ARRIVING);
    if (connection->watched) {
        pollset_forget(all->pollset, connection);
        if (connection_carrier(connection)->shared)
            pollset_remove(all->pollset, connection->fd);
    }
    if (connection->fd >= 0)
        close(connection->fd);
    forget_aside(connection);
    all->stats->connections--;
    count(connection, -1);
    pool_give(&all->pool, connection);
}

/* --------------------------------------------------------------------- writing */

/* Has itself told when a queue can be emptied, and no longer when it is empty. */
static void watch_writing(struct connection *connection) {
    bool writing = connection_queued(connection) > 0;

    if (connection->writing == writing || !connection_watch(connection))
        return;
    connection->writing = writing;
    pollset_writing(connection->all->pollset, connection->fd, connection, writing);
}

static enum err flush_queue(struct connection *connection) {
    struct buf *queue = &connection->aside->queue;

    while (queue->len > 0) {
        ssize_t n = write(connection->fd, queue->data, queue->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? ERR_OK : ERR_GONE;
        connection->all->stats->bytes_out += (uint64_t)n;
        buf_consume(queue, (size_t)n);
    }
    buf_free(queue);
    connection->aside->replies = 0;
    connection_tidy(connection);
    watch_writing(connection);
    return ERR_OK;
}

static void queue_parts(struct connection *connection, const struct part *parts, size_t count,
                        size_t skip) {
    for (size_t i = 0; i < count; i++) {
        size_t taken = skip < parts[i].len ? skip : parts[i].len;
        if (taken < parts[i].len)
            buf_add(&connection_aside(connection)->queue, (const char *)parts[i].data + taken,
                    parts[i].len - taken);
        skip -= taken;
    }
}

/*
 * One write of all parts. Most answers are small: put together here they cost less than
 * being gathered by the kernel.
 */
static ssize_t write_parts(const struct connection *connection, const struct part *parts,
                           size_t count) {
    struct iovec iov[CONNECTION_PARTS];
    char small[SMALL];
    size_t total = 0;

    if (count > CONNECTION_PARTS)
        abort(); /* a caller in this program that does not know the limit */
    for (size_t i = 0; i < count; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
        if (total + parts[i].len <= sizeof small && parts[i].len > 0)
            memcpy(small + total, parts[i].data, parts[i].len);
        total += parts[i].len;
    }
    if (total > sizeof small)
        return writev(connection->fd, iov, (int)count);
    return connection->raw ? write(connection->fd, small, total)
                           : send(connection->fd, small, total, MSG_NOSIGNAL); /* shorter */
}

enum err connection_put(struct connection *connection, const struct part *parts, size_t count) {
    ssize_t sent = 0;

    if (connection_queued(connection) == 0) {
        do {
            sent = write_parts(connection, parts, count);
        } while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno != EAGAIN)
            return ERR_GONE;
        sent = sent < 0 ? 0 : sent;
        connection->all->stats->bytes_out += (uint64_t)sent;
    }
    queue_parts(connection, parts, count, (size_t)sent);
    watch_writing(connection);
    return ERR_OK;
}

/* --------------------------------------------------------------------- answering */

struct client *connection_answer(struct connection *connection) {
    connection->aborted = false;
    connection_set_state(connection, CONNECTION_ANSWERING);
    return &connection->base;
}

/* The answer is out, or nobody is there to read it. */
static void over(struct connection *connection, enum err err) {
    const struct carrier *carrier = connection_carrier(connection);

    if (err != ERR_OK || !connection->keep || connection->all->closing || carrier->rest == NULL) {
        connection_close(connection);
        return;
    }
    connection->reused = true;
    connection_set_state(connection, CONNECTION_RESTING);
    carrier->rest(connection);
}

void connection_end(struct connection *connection, enum err err) {
    if (err != ERR_OK || connection_queued(connection) == 0) {
        over(connection, err);
        return;
    }
    connection_set_state(connection, CONNECTION_FLUSHING);
    connection_set_deadline(connection, CLIENT_FLUSH);
    watch_writing(connection);
}

static bool left(struct connection *connection, unsigned what) {
    return (what & (POLLSET_READABLE | POLLSET_CLOSED)) &&
           connection_carrier(connection)->left(connection, what);
}

static void flushing_ready(struct connection *connection, unsigned what) {
    enum err err = ERR_OK;

    if (left(connection, what))
        err = connection->aborted ? ERR_OK : ERR_GONE; /* its end is on its way already */
    if (err == ERR_OK && (what & POLLSET_WRITABLE) && connection_queued(connection) > 0)
        err = flush_queue(connection);
    if (err != ERR_OK || connection_queued(connection) == 0)
        over(connection, err);
    else
        connection_set_deadline(connection, CLIENT_FLUSH);
}

/* Somebody holds it who wants to know. */
static void held_ready(struct connection *connection, unsigned what) {
    const struct client_events *events = connection->holder.events;
    enum err err = left(connection, what) ? ERR_GONE : ERR_OK;

    bool draining = connection_queued(connection) > 0 && (what & POLLSET_WRITABLE);
    if (err == ERR_OK && draining)
        err = flush_queue(connection);
    if (err != ERR_OK)
        events->gone(connection->holder.ctx);
    else if (draining && connection_queued(connection) == 0)
        client_events_drained(events, connection->holder.ctx);
    else if ((what & POLLSET_CLOSED) && connection_carrier(connection)->half_closes &&
             events->doubted != NULL)
        events->doubted(connection->holder.ctx);
}

static void answering_ready(struct connection *connection, unsigned what) {
    if ((what & POLLSET_CLOSED) && !connection->raw && !connection_carrier(connection)->half_closes)
        connection->keep = false;
    if (connection->holder.events != NULL) {
        held_ready(connection, what);
        return;
    }
    /* it is answered soon, or held soon: what has come is looked at then */
    connection->missed = true;
    if ((what & POLLSET_WRITABLE) && connection_queued(connection) > 0)
        (void)flush_queue(connection);
}

void connection_client_watch(struct client *client, const struct client_events *events, void *ctx) {
    struct connection *connection = connection_of(client);
    connection->holder.events = events;
    connection->holder.ctx = ctx;
}

void connection_client_hold(struct client *client) {
    /* what is a file, as a CGI program's may be, never leaves */
    (void)connection_watch(connection_of(client));
}

size_t connection_client_backlog(const struct client *client) {
    return connection_queued(connection_of(client));
}

void connection_client_add_fields(struct client *client, const char *fields) {
    struct aside *aside = connection_aside(connection_of(client));
    size_t had = aside->fields != NULL ? strlen(aside->fields) : 0;
    size_t more = strlen(fields) + 1;
    char *both = mem_new(had + more);

    if (had > 0)
        memcpy(both, aside->fields, had);
    memcpy(both + had, fields, more);
    free(aside->fields);
    aside->fields = both;
}

/* ------------------------------------------------------------------- all of them */

static void on_ready(void *ctx, void *item, unsigned what) {
    struct connection *connection = item;
    (void)ctx;

    switch ((enum connection_state)connection->state) {
    case CONNECTION_ARRIVING:
    case CONNECTION_RESTING:
        connection_carrier(connection)->ready(connection, what);
        break;
    case CONNECTION_ANSWERING:
        answering_ready(connection, what);
        break;
    case CONNECTION_FLUSHING:
        flushing_ready(connection, what);
        break;
    }
}

static void on_deadline(void *ctx, struct wheel_entry *entry) {
    struct connection *connection = RING_OF(entry, struct connection, deadline);
    (void)ctx;

    if (connection->state == CONNECTION_FLUSHING)
        connection_close(connection);
    else
        connection_carrier(connection)->late(connection);
}

static struct connection *first_of(const struct ring *ring) {
    return RING_OF(ring->next, struct connection, deadline.ring);
}

static void on_tired(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct connections *all = timer->data;
    (void)events;

    while (!ring_empty(&all->idle) && first_of(&all->idle)->deadline.due <= wheel_now(all->wheel))
        connection_carrier(first_of(&all->idle))->late(first_of(&all->idle));
    if (ring_empty(&all->idle))
        return;
    uint32_t ticks = first_of(&all->idle)->deadline.due - wheel_now(all->wheel);
    ev_timer_set(timer, ticks * WHEEL_TICK, 0);
    ev_timer_start(loop, timer);
}

struct connections *connections_new(struct ev_loop *loop, struct stats *stats, size_t body_max) {
    struct connections *all = mem_new(sizeof *all);
    size_t longest = GATHERED_BODIES * body_max;

    all->loop = loop;
    all->stats = stats;
    all->body_max = body_max;
    all->gathered_max = longest > GATHERED_MAX ? longest : GATHERED_MAX;
    all->pollset = pollset_new(loop, on_ready, all);
    all->wheel = wheel_new(loop, on_deadline, all);
    all->scratch = mem_new(CONNECTION_SCRATCH);
    all->pool = pool_make(sizeof(struct connection));
    ring_init(&all->resting);
    ring_init(&all->idle);
    ev_timer_init(&all->tired, on_tired, 0, 0);
    all->tired.data = all;
    return all;
}

bool connections_spare(struct connections *all) {
    const struct ring *from = ring_empty(&all->idle) ? &all->resting : &all->idle;

    if (ring_empty(from))
        return false;
    connection_close(first_of(from));
    return true;
}

bool connections_idle(const struct connections *all) {
    return all->stats->connections == all->stats->connections_kept;
}

/* Has whoever rests in this ring look whether something has come, and stay there if not. */
static void look_once(struct ring *ring) {
    struct ring waiting;

    ring_move(ring, &waiting);
    while (!ring_empty(&waiting)) {
        struct connection *connection = first_of(&waiting);
        ring_remove(&connection->deadline.ring);
        ring_add(ring, &connection->deadline.ring);
        connection_carrier(connection)->ready(connection, 0);
    }
}

/* Its first request may be on its way: who has just connected does not expect an end. */
static void await_first(struct connection *connection) {
    connection_set_state(connection, CONNECTION_ARRIVING);
    connection_set_deadline(connection, FIRST_REQUEST);
}

static void end_rest(struct ring *ring) {
    while (!ring_empty(ring)) {
        struct connection *connection = first_of(ring);
        if (connection->reused)
            connection_close(connection);
        else
            await_first(connection);
    }
}

void connections_finish(struct connections *all) {
    all->closing = true;
}

void connections_drain(struct connections *all) {
    connections_finish(all);
    look_once(&all->resting);
    look_once(&all->idle);
    end_rest(&all->resting);
    end_rest(&all->idle);
}

static void close_entry(void *ctx, struct wheel_entry *entry) {
    (void)ctx;
    connection_close(RING_OF(entry, struct connection, deadline));
}

void connections_free(struct connections *all) {
    if (all == NULL)
        return;
    wheel_each(all->wheel, close_entry, NULL);
    while (connections_spare(all))
        ;
    ev_timer_stop(all->loop, &all->tired);
    wheel_free(all->wheel);
    pollset_free(all->pollset);
    pool_free(&all->pool);
    free(all->scratch);
    free(all);
}

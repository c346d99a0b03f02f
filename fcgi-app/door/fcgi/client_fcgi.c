/*
 * Writes answers. The usual answer is one write of a record header, shared bytes
 * and the end of the request: nothing waits, and nothing large is copied. Then the
 * connection is closed, or, where the web server keeps it (FCGI_KEEP_CONN), given
 * back to the intake. Only what a slow descriptor does not take is copied into the
 * client's own queue, which the loop then empties. How much may be queued is the
 * hub's to limit: it stops feeding a client whose queue is not empty.
 *
 * libfcgi's own output streams are not used: they block, and their closing wait
 * takes up to two seconds a request.
 */
#include "fcgi-app/door/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "fcgi-app/door/fcgi/connection.h"
#include "fcgi-app/door/fcgi/fcgi.h"
#include "fcgi-app/door/problem.h"

enum { PARTS_MAX = 6, SMALL = 2048 };

static const struct client_kind fcgi_kind;

/* Clients are connections, and begin with the same member. */
static struct connection *of(const struct client *client) {
    return (struct connection *)(uintptr_t)client;
}

/* Has itself told when a queue can be emptied, and no longer when it is empty. */
static void watch_writing(struct connection *client) {
    bool writing = connection_queued(client) > 0;

    if (client->writing == writing || !connection_watch(client))
        return;
    client->writing = writing;
    pollset_writing(client->all->pollset, client->fd, client, writing);
}

/* The other side has closed. If it only stopped sending, an orderly end keeps the web
 * server's log quiet. */
static void say_goodbye(const struct connection *client) {
    unsigned char finish[FCGI_FINISH];

    if (connection_queued(client) > 0)
        return;
    fcgi_finish(finish, client->request_id);
    (void)send(client->fd, finish, sizeof finish, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/*
 * Whether nobody wants the answer any more. A CGI program's descriptor is only written to:
 * that the other side sends nothing more is the end of its request, not of its interest.
 */
static bool other_side_left(struct connection *client, unsigned what) {
    if (client->raw)
        return (what & POLLSET_BROKEN) != 0;
    enum arrival_event event = connection_read(client);
    if (event == ARRIVAL_END)
        say_goodbye(client);
    client->aborted = event == ARRIVAL_ABORTED;
    if (event == ARRIVAL_WAITS)
        return (what & POLLSET_CLOSED) != 0;
    if (event == ARRIVAL_MORE)
        connection_tidy(client);
    return event != ARRIVAL_MORE;
}

static enum err flush_queue(struct connection *client) {
    struct buf *queue = &client->aside->queue;

    while (queue->len > 0) {
        ssize_t n = write(client->fd, queue->data, queue->len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? ERR_OK : ERR_GONE;
        client->all->stats->bytes_out += (uint64_t)n;
        buf_consume(queue, (size_t)n);
    }
    buf_free(queue);
    client->aside->replies = 0;
    connection_tidy(client);
    watch_writing(client);
    return ERR_OK;
}

/* The answer is out, or nobody is there to read it. */
static void over(struct connection *client, enum err err) {
    if (err == ERR_OK && client->keep && !client->all->closing)
        intake_rest(client);
    else
        connection_close(client);
}

static void flushing_ready(struct connection *client, unsigned what) {
    enum err err = ERR_OK;

    if ((what & (POLLSET_READABLE | POLLSET_CLOSED)) && other_side_left(client, what))
        err = client->aborted ? ERR_OK : ERR_GONE; /* its end is on its way already */
    if (err == ERR_OK && (what & POLLSET_WRITABLE) && connection_queued(client) > 0)
        err = flush_queue(client);
    if (err != ERR_OK || connection_queued(client) == 0)
        over(client, err);
    else
        connection_set_deadline(client, CLIENT_FLUSH);
}

/* Somebody holds it who wants to know. */
static void held_ready(struct connection *client, unsigned what) {
    const struct client_events *events = client->holder.events;
    enum err err = ERR_OK;

    if ((what & (POLLSET_READABLE | POLLSET_CLOSED)) && other_side_left(client, what))
        err = ERR_GONE;
    bool draining = connection_queued(client) > 0 && (what & POLLSET_WRITABLE);
    if (err == ERR_OK && draining)
        err = flush_queue(client);
    if (err != ERR_OK)
        events->gone(client->holder.ctx);
    else if (draining && connection_queued(client) == 0)
        events->drained(client->holder.ctx);
}

void client_fcgi_ready(struct connection *client, unsigned what) {
    if (client->state == CONNECTION_FLUSHING) {
        flushing_ready(client, what);
        return;
    }
    if ((what & POLLSET_CLOSED) && !client->raw)
        client->keep = false;
    if (client->holder.events != NULL) {
        held_ready(client, what);
        return;
    }
    /* it is answered soon, or held soon: what has come is looked at then */
    client->missed = true;
    if ((what & POLLSET_WRITABLE) && connection_queued(client) > 0)
        (void)flush_queue(client);
}

struct client *client_fcgi_begin(struct connection *connection) {
    struct arrival *arrival = connection_arrival(connection);

    connection->base.kind = &fcgi_kind;
    connection->aborted = false;
    if (arrival != NULL) {
        connection->all->gathered -= arrival->body.len;
        arrival_over(arrival);
        arrival_answering(arrival, connection->request_id);
        connection_tidy(connection);
    }
    connection_set_state(connection, CONNECTION_ANSWERING);
    return &connection->base;
}

struct client *client_new(struct connections *all, int fd, enum client_framing framing,
                          uint16_t request_id) {
    struct connection *connection = connection_new(all, fd);

    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    connection->raw = framing == CLIENT_RAW;
    connection->request_id = request_id;
    return client_fcgi_begin(connection);
}

static void fcgi_watch(struct client *base, const struct client_events *events, void *ctx) {
    struct connection *client = of(base);
    client->holder.events = events;
    client->holder.ctx = ctx;
}

static void fcgi_hold(struct client *base) {
    (void)connection_watch(of(base)); /* what is a file, as a CGI program's may be, never leaves */
}

static size_t fcgi_backlog(const struct client *base) {
    return connection_queued(of(base));
}

static void queue_parts(struct connection *client, const struct part *parts, size_t count,
                        size_t skip) {
    for (size_t i = 0; i < count; i++) {
        size_t taken = skip < parts[i].len ? skip : parts[i].len;
        if (taken < parts[i].len)
            buf_add(&connection_aside(client)->queue, (const char *)parts[i].data + taken,
                    parts[i].len - taken);
        skip -= taken;
    }
}

/*
 * One write of all parts. Most answers are small: put together here they cost less than
 * being gathered by the kernel.
 */
static ssize_t write_parts(const struct connection *client, const struct part *parts,
                           size_t count) {
    struct iovec iov[PARTS_MAX + 2];
    char small[SMALL];
    size_t total = 0;

    for (size_t i = 0; i < count; i++) {
        iov[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
        if (total + parts[i].len <= sizeof small && parts[i].len > 0)
            memcpy(small + total, parts[i].data, parts[i].len);
        total += parts[i].len;
    }
    if (total > sizeof small)
        return writev(client->fd, iov, (int)count);
    return client->raw ? write(client->fd, small, total)
                       : send(client->fd, small, total, MSG_NOSIGNAL); /* a shorter way in */
}

/* Writes what the descriptor takes now and queues the rest. */
static enum err put(struct connection *client, const struct part *parts, size_t count) {
    ssize_t sent = 0;

    if (connection_queued(client) == 0) {
        do {
            sent = write_parts(client, parts, count);
        } while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno != EAGAIN)
            return ERR_GONE;
        sent = sent < 0 ? 0 : sent;
        client->all->stats->bytes_out += (uint64_t)sent;
    }
    queue_parts(client, parts, count, (size_t)sent);
    return ERR_OK;
}

/* A piece of more than one record: framed in a buffer, as it is rare. */
static enum err put_large(struct connection *client, const struct part *parts, size_t count,
                          const struct part *end) {
    struct buf whole = buf_make(SIZE_MAX / 2), framed = buf_make(SIZE_MAX / 2);
    unsigned char header[FCGI_HEADER];

    for (size_t i = 0; i < count; i++)
        buf_add(&whole, parts[i].data, parts[i].len);
    for (size_t at = 0; at < whole.len; at += FCGI_CONTENT_MAX) {
        size_t len = whole.len - at < FCGI_CONTENT_MAX ? whole.len - at : FCGI_CONTENT_MAX;
        fcgi_stdout_header(header, client->request_id, len);
        buf_add(&framed, header, sizeof header);
        buf_add(&framed, whole.data + at, len);
    }
    buf_add(&framed, end->data, end->len);
    struct part all = {framed.data, framed.len};
    enum err err = put(client, &all, 1);
    buf_free(&whole);
    buf_free(&framed);
    return err;
}

static enum err put_framed(struct connection *client, const struct part *parts, size_t count,
                           bool last) {
    unsigned char header[FCGI_HEADER], finish[FCGI_FINISH];
    struct part all[PARTS_MAX + 2];
    size_t total = 0, used = 0;

    if (count > PARTS_MAX)
        abort(); /* a caller in this program that does not know the limit */
    for (size_t i = 0; i < count; i++)
        total += parts[i].len;
    if (client->raw)
        return total > 0 ? put(client, parts, count) : ERR_OK;
    fcgi_finish(finish, client->request_id);
    struct part end = {finish, last ? sizeof finish : 0};
    if (total > FCGI_CONTENT_MAX)
        return put_large(client, parts, count, &end);
    if (total > 0) {
        fcgi_stdout_header(header, client->request_id, total);
        all[used++] = (struct part){header, sizeof header};
        memcpy(all + used, parts, count * sizeof *parts);
        used += count;
    }
    if (last)
        all[used++] = end;
    return used > 0 ? put(client, all, used) : ERR_OK;
}

static enum err fcgi_send(struct client *base, const struct part *parts, size_t count) {
    struct connection *client = of(base);
    enum err err = put_framed(client, parts, count, false);
    if (err == ERR_OK)
        watch_writing(client);
    return err;
}

static void fcgi_finish_with(struct client *base, const struct part *parts, size_t count) {
    struct connection *client = of(base);
    enum err err = put_framed(client, parts, count, true);
    if (err != ERR_OK || connection_queued(client) == 0) {
        over(client, err);
        return;
    }
    connection_set_state(client, CONNECTION_FLUSHING);
    connection_set_deadline(client, CLIENT_FLUSH);
    watch_writing(client);
}

static void fcgi_refuse(struct client *base, const struct problem *problem) {
    struct buf text = buf_make(4096);
    problem_render(problem, &text);
    fcgi_finish_with(base, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

static void fcgi_drop(struct client *base) {
    if (of(base)->aborted)
        fcgi_finish_with(base, NULL, 0);
    else
        connection_close(of(base));
}

/* So many bytes of replies may lie behind an answer that the other side does not read. */
enum { REPLIES_MAX = 4096 };

bool client_fcgi_say(struct connection *connection, const struct buf *records) {
    struct part part = {records->data, records->len};

    if (connection_queued(connection) > 0) {
        connection->aside->replies += records->len;
        if (connection->aside->replies > REPLIES_MAX)
            return false;
    }
    if (put(connection, &part, 1) != ERR_OK)
        return false;
    watch_writing(connection);
    return true;
}

static const struct client_kind fcgi_kind = {.watch = fcgi_watch,
                                             .hold = fcgi_hold,
                                             .send = fcgi_send,
                                             .finish = fcgi_finish_with,
                                             .refuse = fcgi_refuse,
                                             .drop = fcgi_drop,
                                             .backlog = fcgi_backlog};

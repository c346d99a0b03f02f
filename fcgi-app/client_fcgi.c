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
#include "fcgi-app/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"
#include "fcgi-app/connection.h"
#include "fcgi-app/fcgi.h"
#include "fcgi-app/problem.h"

enum { PARTS_MAX = 6, SMALL = 2048 };

static const struct client_kind fcgi_kind;

/* Clients are connections, and begin with the same member. */
static struct connection *of(const struct client *client) {
    return (struct connection *)(uintptr_t)client;
}

static size_t queued(const struct connection *client) {
    return client->queue != NULL ? client->queue->len : 0;
}

/* Has itself told when a queue can be emptied, and no longer when it is empty. */
static void watch_writing(struct connection *client) {
    bool writing = queued(client) > 0;

    if (client->writing == writing || !connection_watch(client))
        return;
    client->writing = writing;
    pollset_writing(client->all->pollset, client->fd, client, writing);
}

/* The other side has sent something after its request, or closed: it has left. */
static bool other_side_left(const struct connection *client) {
    unsigned char finish[FCGI_FINISH];
    char byte[64];

    ssize_t n = recv(client->fd, byte, sizeof byte, MSG_DONTWAIT);
    if (n == 0 && !client->raw && client->queue == NULL) {
        /* it only stopped sending: an orderly end keeps the web server's log quiet */
        fcgi_finish(finish, client->request_id);
        (void)send(client->fd, finish, sizeof finish, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return n >= 0 || (errno != EAGAIN && errno != EINTR && errno != ENOTSOCK);
}

static enum err flush_queue(struct connection *client) {
    struct buf *queue = client->queue;

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
    free(queue);
    client->queue = NULL;
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

    if ((what & (POLLSET_READABLE | POLLSET_CLOSED)) && other_side_left(client))
        err = ERR_GONE;
    else if (what & POLLSET_WRITABLE)
        err = flush_queue(client);
    if (err != ERR_OK || client->queue == NULL)
        over(client, err);
    else
        connection_set_deadline(client, CLIENT_FLUSH);
}

void client_fcgi_ready(struct connection *client, unsigned what) {
    enum err err = ERR_OK;

    if (client->state == CONNECTION_FLUSHING) {
        flushing_ready(client, what);
        return;
    }
    if (what & POLLSET_CLOSED)
        client->keep = false; /* this is told once */
    if (client->holder.events == NULL && client->queue == NULL)
        return; /* it is answered soon */
    if ((what & (POLLSET_READABLE | POLLSET_CLOSED)) && other_side_left(client))
        err = ERR_GONE;
    bool draining = client->queue != NULL && (what & POLLSET_WRITABLE);
    if (err == ERR_OK && draining)
        err = flush_queue(client);
    if (client->holder.events == NULL)
        return;
    if (err != ERR_OK)
        client->holder.events->gone(client->holder.ctx);
    else if (draining && client->queue == NULL)
        client->holder.events->drained(client->holder.ctx);
}

struct client *client_fcgi_begin(struct connection *connection) {
    connection->base.kind = &fcgi_kind;
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
    (void)connection_watch(of(base)); /* what is no socket, as a CGI program's file, never leaves */
}

static size_t fcgi_backlog(const struct client *base) {
    return queued(of(base));
}

static void queue_parts(struct connection *client, const struct part *parts, size_t count,
                        size_t skip) {
    for (size_t i = 0; i < count; i++) {
        size_t taken = skip < parts[i].len ? skip : parts[i].len;
        if (taken < parts[i].len && client->queue == NULL) {
            client->queue = mem_new(sizeof *client->queue);
            *client->queue = buf_make(SIZE_MAX / 2); /* the hub limits what is queued */
        }
        if (taken < parts[i].len)
            buf_add(client->queue, (const char *)parts[i].data + taken, parts[i].len - taken);
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

    if (client->queue == NULL) {
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
    if (err != ERR_OK || client->queue == NULL) {
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
    connection_close(of(base));
}

static const struct client_kind fcgi_kind = {.watch = fcgi_watch,
                                             .hold = fcgi_hold,
                                             .send = fcgi_send,
                                             .finish = fcgi_finish_with,
                                             .refuse = fcgi_refuse,
                                             .drop = fcgi_drop,
                                             .backlog = fcgi_backlog};

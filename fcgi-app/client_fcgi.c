/*
 * Writes answers. The usual answer is one writev(2) of a record header, shared
 * bytes and the end of the request, then close(2): nothing is copied and nothing
 * waits. Only what a slow descriptor does not take is copied into the client's
 * own queue, which the loop then empties. How much may be queued is the hub's to
 * limit: it stops feeding a client whose queue is not empty.
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
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/mem.h"
#include "fcgi-app/fcgi.h"
#include "fcgi-app/problem.h"

enum { PARTS_MAX = 6 };

static const struct client_kind fcgi_kind;

struct fcgi_client {
    struct client base;
    struct ev_loop *loop;
    struct stats *stats;
    const struct client_events *events;
    void *ctx;
    struct ev_io io;
    struct ev_timer flush;
    struct buf out; /* framed bytes that the descriptor has not taken */
    int fd;
    uint16_t request_id;
    enum client_framing framing;
    bool finishing; /* the end is queued; nobody owns the client but this module */
    bool can_leave; /* the descriptor tells when the other side closes */
};

static void watch_for(struct fcgi_client *client, int events) {
    if (client->io.events == events && ev_is_active(&client->io))
        return;
    ev_io_stop(client->loop, &client->io);
    ev_io_set(&client->io, client->fd, events);
    if (events != 0)
        ev_io_start(client->loop, &client->io);
}

static void watch(struct fcgi_client *client) {
    bool reading = client->events != NULL && client->can_leave && !client->finishing;
    watch_for(client, (reading ? EV_READ : 0) | (client->out.len > 0 ? EV_WRITE : 0));
}

static void drop(struct fcgi_client *client) {
    ev_io_stop(client->loop, &client->io);
    ev_timer_stop(client->loop, &client->flush);
    close(client->fd);
    buf_free(&client->out);
    client->stats->clients--;
    free(client);
}

/* The other side has sent something after its request, or closed: it has left. */
static bool other_side_left(const struct fcgi_client *client) {
    unsigned char finish[FCGI_FINISH];
    char byte[64];

    ssize_t n = recv(client->fd, byte, sizeof byte, MSG_DONTWAIT);
    if (n == 0 && client->framing == CLIENT_FCGI && client->out.len == 0) {
        /* it only stopped sending: an orderly end keeps the web server's log quiet */
        fcgi_finish(finish, client->request_id);
        (void)send(client->fd, finish, sizeof finish, MSG_DONTWAIT | MSG_NOSIGNAL);
    }
    return n >= 0 || (errno != EAGAIN && errno != EINTR);
}

static enum err flush_queue(struct fcgi_client *client) {
    while (client->out.len > 0) {
        ssize_t n = write(client->fd, client->out.data, client->out.len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? ERR_OK : ERR_GONE;
        client->stats->bytes_out += (uint64_t)n;
        buf_consume(&client->out, (size_t)n);
    }
    buf_free(&client->out);
    return ERR_OK;
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events) {
    struct fcgi_client *client = io->data;
    enum err err = ERR_OK;
    (void)loop;

    if ((events & EV_READ) && other_side_left(client))
        err = ERR_GONE;
    if (err == ERR_OK && (events & EV_WRITE))
        err = flush_queue(client);
    if (client->finishing) {
        if (err != ERR_OK || client->out.len == 0)
            drop(client);
        else
            ev_timer_again(client->loop, &client->flush);
        return;
    }
    if (err == ERR_OK)
        watch(client);
    if (client->events == NULL)
        return;
    if (err != ERR_OK)
        client->events->gone(client->ctx);
    else if ((events & EV_WRITE) && client->out.len == 0)
        client->events->drained(client->ctx);
}

static void on_flush_timeout(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    drop(timer->data);
}

struct client *client_new(struct ev_loop *loop, struct stats *stats, int fd,
                          enum client_framing framing, uint16_t request_id) {
    struct fcgi_client *client = mem_new(sizeof *client);
    struct stat info;

    client->base.kind = &fcgi_kind;
    client->loop = loop;
    client->stats = stats;
    client->fd = fd;
    client->framing = framing;
    client->request_id = request_id;
    client->out = buf_make(SIZE_MAX / 2); /* the hub limits what is queued */
    client->can_leave = fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
    ev_io_init(&client->io, on_ready, fd, 0);
    ev_init(&client->flush, on_flush_timeout);
    client->flush.repeat = CLIENT_FLUSH;
    client->io.data = client->flush.data = client;
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    stats->clients++;
    return &client->base;
}

static void fcgi_watch(struct client *base, const struct client_events *events, void *ctx) {
    struct fcgi_client *client = (struct fcgi_client *)base;
    client->events = events;
    client->ctx = ctx;
    watch(client);
}

static size_t fcgi_backlog(const struct client *base) {
    return ((const struct fcgi_client *)base)->out.len;
}

static void queue_parts(struct fcgi_client *client, const struct part *parts, size_t count,
                        size_t skip) {
    for (size_t i = 0; i < count; i++) {
        size_t taken = skip < parts[i].len ? skip : parts[i].len;
        buf_add(&client->out, (const char *)parts[i].data + taken, parts[i].len - taken);
        skip -= taken;
    }
}

/* Writes what the descriptor takes now and queues the rest. */
static enum err put(struct fcgi_client *client, const struct part *parts, size_t count) {
    struct iovec iov[PARTS_MAX + 2];
    ssize_t sent = 0;

    if (client->out.len == 0) {
        for (size_t i = 0; i < count; i++)
            iov[i] = (struct iovec){(void *)(uintptr_t)parts[i].data, parts[i].len};
        do {
            sent = writev(client->fd, iov, (int)count);
        } while (sent < 0 && errno == EINTR);
        if (sent < 0 && errno != EAGAIN)
            return ERR_GONE;
        sent = sent < 0 ? 0 : sent;
        client->stats->bytes_out += (uint64_t)sent;
    }
    queue_parts(client, parts, count, (size_t)sent);
    return ERR_OK;
}

/* A piece of more than one record: framed in a buffer, as it is rare. */
static enum err put_large(struct fcgi_client *client, const struct part *parts, size_t count,
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

static enum err put_framed(struct fcgi_client *client, const struct part *parts, size_t count,
                           bool last) {
    unsigned char header[FCGI_HEADER], finish[FCGI_FINISH];
    struct part all[PARTS_MAX + 2];
    size_t total = 0, used = 0;

    if (count > PARTS_MAX)
        abort(); /* a caller in this program that does not know the limit */
    for (size_t i = 0; i < count; i++)
        total += parts[i].len;
    if (client->framing == CLIENT_RAW)
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
    struct fcgi_client *client = (struct fcgi_client *)base;
    enum err err = put_framed(client, parts, count, false);
    if (err == ERR_OK)
        watch(client);
    return err;
}

static void fcgi_finish_with(struct client *base, const struct part *parts, size_t count) {
    struct fcgi_client *client = (struct fcgi_client *)base;
    enum err err = put_framed(client, parts, count, true);
    if (err != ERR_OK || client->out.len == 0) {
        drop(client);
        return;
    }
    client->finishing = true;
    watch(client);
    ev_timer_again(client->loop, &client->flush);
}

static void fcgi_refuse(struct client *base, const struct problem *problem) {
    struct buf text = buf_make(4096);
    problem_render(problem, &text);
    fcgi_finish_with(base, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

static void fcgi_drop(struct client *base) {
    drop((struct fcgi_client *)base);
}

static const struct client_kind fcgi_kind = {.watch = fcgi_watch,
                                             .send = fcgi_send,
                                             .finish = fcgi_finish_with,
                                             .refuse = fcgi_refuse,
                                             .drop = fcgi_drop,
                                             .backlog = fcgi_backlog};

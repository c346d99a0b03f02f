/*
 * A WebSocket on a non-blocking descriptor, and as a client of the hub. Frames are made in
 * the socket's own queue (frames.c), which the loop empties, so the backlog is known in
 * bytes.
 *
 * Life: OPEN ─► CLOSING (our close frame is queued; the other side has
 * CLOSE_WAIT seconds to answer) ─► freed. Handling what the browser says may end the
 * client: while `busy`, a drop only marks it `dead`.
 *
 * A browser that says goodbye relies on what it said before, and may be gone for good a moment
 * later: what of that still waits is done first, for LEAVE_WAIT seconds at most, and the answer to
 * its close frame says so. Where it could not be done there is no answer.
 *
 * A browser that floods us, with pings or anything else, is read no further
 * while more than max_queue bytes wait to be sent to it, or while its session has
 * enough to do. What is said to it while its messages are handled is sent at once for all.
 */
#include "fcgi-app/door/ws/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/ws/frames.h"

enum { SMALL = 2048 }; /* bytes of a message that is put together on the stack */

enum { READ_CHUNK = 8192 }; /* the shortest messages in it cost a turn about a millisecond */
#define CLOSE_WAIT 2.0
#define LEAVE_WAIT 10.0 /* longer than Redis may take (redis_timeout), as that mostly is */

struct web_socket {
    struct client base;
    struct ev_loop *loop;
    struct stats *stats;
    const struct client_events *watcher; /* the hub, while it holds the client */
    void *watcher_ctx;
    const struct socket_events *events;
    void *ctx;
    struct socket_limits limits;
    struct frames *frames;
    struct ev_io io;
    struct ev_timer close_wait; /* runs while it is closing, or leaving */
    int fd;
    struct buf early; /* came with the handshake, not looked at yet */
    struct buf out;   /* framed, not yet taken by the descriptor */
    double heard;     /* when something came last */
    double arriving;  /* since when a message has been arriving; 0: none is */
    unsigned busy;    /* depth of our own callbacks; see above */
    bool dead;
    bool queued;  /* something was, and its watcher does not know that all of it was taken */
    bool orphan;  /* finished: nobody watches it any more */
    bool paused;  /* the session has enough to do */
    bool hung_up; /* the browser is gone, in the midst of its leaving */
};

static const struct client_kind socket_kind;

static struct web_socket *of(const struct client *client) {
    return (struct web_socket *)(uintptr_t)client;
}

static void watch(struct web_socket *socket) {
    bool reading =
        !socket->paused && !socket->hung_up && socket->out.len <= socket->limits.max_queue;
    int events = (reading ? EV_READ : 0) | (socket->out.len > 0 ? EV_WRITE : 0);

    if (socket->dead || (ev_is_active(&socket->io) && socket->io.events == events))
        return;
    ev_io_stop(socket->loop, &socket->io);
    ev_io_set(&socket->io, socket->fd, events);
    if (events != 0)
        ev_io_start(socket->loop, &socket->io);
}

static void destroy(struct web_socket *socket) {
    if (socket->busy > 0) {
        socket->dead = true;
        return;
    }
    ev_io_stop(socket->loop, &socket->io);
    ev_timer_stop(socket->loop, &socket->close_wait);
    close(socket->fd);
    frames_free(socket->frames);
    buf_free(&socket->early);
    buf_free(&socket->out);
    socket->stats->clients--;
    socket->stats->sockets--;
    socket->events->closed(socket->ctx);
    free(socket);
}

/* The browser is gone: whoever watches drops the client; nobody does if it was finished. */
static void leave(struct web_socket *socket) {
    if (socket->dead)
        return;
    if (socket->watcher != NULL && !socket->orphan)
        socket->watcher->gone(socket->watcher_ctx);
    else
        destroy(socket);
}

/* --------------------------------------------------------------------- sending */

/* Writes what the descriptor takes. */
static enum err write_some(struct web_socket *socket) {
    while (socket->out.len > 0) {
        ssize_t n = send(socket->fd, socket->out.data, socket->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? ERR_OK : ERR_GONE;
        socket->stats->bytes_out += (uint64_t)n;
        buf_consume(&socket->out, (size_t)n);
    }
    buf_free(&socket->out);
    return ERR_OK;
}

/* The browser has said goodbye, and something that it said before is still to be done. */
static bool is_leaving(const struct web_socket *socket) {
    return frames_left(socket->frames) && !socket->orphan && !socket->dead &&
           socket->events->settled != NULL && !socket->events->settled(socket->ctx);
}

static void expect_end(struct web_socket *socket, double seconds) {
    if (ev_is_active(&socket->close_wait) && socket->close_wait.repeat == seconds)
        return;
    socket->close_wait.repeat = seconds;
    ev_timer_again(socket->loop, &socket->close_wait);
}

/* Frames what was said. */
static void put_frames(struct web_socket *socket) {
    if (is_leaving(socket)) {
        expect_end(socket, LEAVE_WAIT);
        return;
    }
    frames_put(socket->frames, &socket->out);
    if (frames_closing(socket->frames))
        expect_end(socket, CLOSE_WAIT);
}

/* Frames what was said, and writes. */
static enum err flush(struct web_socket *socket) {
    put_frames(socket);
    if (write_some(socket) != ERR_OK)
        return ERR_GONE;
    socket->queued = socket->queued || socket->out.len > 0;
    if (socket->out.len == 0 && frames_failed(socket->frames))
        (void)shutdown(socket->fd, SHUT_WR); /* and wait for the other side's end */
    watch(socket);
    return ERR_OK;
}

/* Outside of our own callbacks: who waits for the queue to be empty is told, whoever emptied it. */
static void tell(struct web_socket *socket) {
    if (!socket->queued || socket->out.len > 0)
        return;
    socket->queued = false;
    if (socket->watcher != NULL && !socket->orphan)
        client_events_drained(socket->watcher, socket->watcher_ctx);
}

/* Both sides have said goodbye, and everything was sent. */
static bool over(const struct web_socket *socket) {
    return frames_over(socket->frames) && socket->out.len == 0;
}

static void flush_and_tell(struct web_socket *socket) {
    if (flush(socket) != ERR_OK || over(socket))
        leave(socket);
    else
        tell(socket);
}

/*
 * Looked at with every ping: one that follows too long a silence was not the first; and a
 * message that is not whole after as long a time keeps memory that others need.
 */
static bool is_stuck(struct web_socket *socket) {
    double earliest = ev_now(socket->loop) - socket->limits.silence;

    if (socket->arriving > 0 && socket->arriving < earliest) {
        frames_close(socket->frames, SOCKET_POLICY, "a message took too long to arrive");
        (void)flush(socket);
        return true;
    }
    return socket->heard < earliest;
}

static size_t sum(const struct part *parts, size_t count) {
    size_t total = 0;

    for (size_t i = 0; i < count; i++)
        total += parts[i].len;
    return total;
}

/*
 * A text with nothing in front of it: framed here, and sent at once. So goes a message for many,
 * and what the descriptor does not take is queued as ever.
 */
static enum err send_small(struct web_socket *socket, const struct part *parts, size_t count,
                           size_t total) {
    unsigned char frame[FRAMES_HEAD + SMALL];
    size_t len = frames_text_head(frame, total);
    ssize_t n;

    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            memcpy(frame + len, parts[i].data, parts[i].len);
        len += parts[i].len;
    }
    do {
        n = send(socket->fd, frame, len, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    if (n < 0 && errno != EAGAIN)
        return ERR_GONE;
    size_t sent = n > 0 ? (size_t)n : 0;
    socket->stats->bytes_out += sent;
    if (sent == len)
        return ERR_OK;
    buf_add(&socket->out, frame + sent, len - sent);
    socket->queued = true;
    watch(socket);
    return ERR_OK;
}

/* A message has no head. */
static enum err socket_send(struct client *client, const struct head *head,
                            const struct part *parts, size_t count) {
    struct web_socket *socket = of(client);
    struct buf text = buf_make(SIZE_MAX / 2);
    size_t total = sum(parts, count);
    (void)head;

    if (socket->dead)
        return ERR_GONE;
    if (total > 0 && total <= SMALL && socket->out.len == 0 && frames_idle(socket->frames))
        return send_small(socket, parts, count, total);
    for (size_t i = 0; i < count; i++)
        buf_add(&text, parts[i].data, parts[i].len);
    if (text.len > 0)
        frames_text(socket->frames, text.data, text.len);
    else
        frames_ping(socket->frames);
    bool stuck = text.len == 0 && is_stuck(socket);
    buf_free(&text);
    return stuck ? ERR_GONE : flush(socket);
}

static void say(struct client *client, const char *message, size_t len,
                void (*put)(struct frames *frames, const char *message, size_t len)) {
    struct web_socket *socket = of(client);

    if (socket->dead)
        return;
    put(socket->frames, message, len);
    if (socket->busy == 0)
        flush_and_tell(socket);
}

void socket_say(struct client *client, const char *text, size_t len) {
    say(client, text, len, frames_text);
}

void socket_say_bytes(struct client *client, const char *bytes, size_t len) {
    say(client, bytes, len, frames_bytes);
}

enum err socket_send_all(struct client *client, const struct socket_message *messages,
                         size_t count) {
    struct web_socket *socket = of(client);

    if (socket->dead)
        return ERR_GONE;
    for (size_t i = 0; i < count; i++)
        (messages[i].bytes ? frames_bytes : frames_text)(socket->frames, messages[i].at,
                                                         messages[i].len);
    return flush(socket);
}

void socket_hold(struct client *client) {
    of(client)->busy++;
}

void socket_let_go(struct client *client) {
    struct web_socket *socket = of(client);

    if (--socket->busy > 0)
        return;
    if (socket->dead)
        destroy(socket);
    else
        flush_and_tell(socket);
}

void socket_read_on(struct client *client, bool on) {
    of(client)->paused = !on;
    watch(of(client));
}

/* ------------------------------------------------------------ as a kind of client */

static void socket_watch(struct client *client, const struct client_events *events, void *ctx) {
    of(client)->watcher = events;
    of(client)->watcher_ctx = ctx;
}

static void end_with(struct web_socket *socket, unsigned code, const char *reason) {
    if (socket->dead)
        return;
    socket->orphan = true;
    frames_put(socket->frames, &socket->out); /* a close frame goes in front of what only waits */
    frames_close(socket->frames, code, reason);
    if (flush(socket) != ERR_OK)
        destroy(socket);
}

void socket_close(struct client *client, unsigned code, const char *reason) {
    end_with(of(client), code, reason);
}

static void put_parts(struct web_socket *socket, const struct part *parts, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            frames_text(socket->frames, parts[i].data, parts[i].len);
    }
}

static void socket_finish(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    (void)head;
    put_parts(of(client), parts, count);
    end_with(of(client), SOCKET_GOING_AWAY, "come back with your cursor");
}

static void socket_finish_later(struct client *client, const struct head *head,
                                const struct part *parts, size_t count) {
    (void)head;
    put_parts(of(client), parts, count);
    end_with(of(client), SOCKET_TRY_LATER, "no room, come back with your cursor");
}

static void socket_refuse(struct client *client, const struct problem *problem) {
    struct web_socket *socket = of(client);
    struct buf text = buf_make(4096);

    problem_render_error(problem, (struct scan_value){NULL, 0}, &text);
    frames_text(socket->frames, text.data, text.len);
    buf_free(&text);
    end_with(socket, problem->status == 503 ? SOCKET_TRY_LATER : SOCKET_POLICY,
             head_reason(problem->status));
}

static void socket_drop(struct client *client) {
    destroy(of(client));
}

static size_t socket_backlog(const struct client *client) {
    return of(client)->out.len;
}

static const struct client_kind socket_kind = {.watch = socket_watch,
                                               .send = socket_send,
                                               .finish = socket_finish,
                                               .finish_later = socket_finish_later,
                                               .refuse = socket_refuse,
                                               .drop = socket_drop,
                                               .backlog = socket_backlog};

/* --------------------------------------------------------------------- receiving */

/* Also what came right before a close frame is done; not what came behind ours. */
static void handle_messages(struct web_socket *socket) {
    const struct socket_events *events = socket->events;
    struct buf text;
    bool bytes;

    while (frames_next(socket->frames, &text, &bytes)) {
        socket->arriving = 0;
        if (!socket->dead && !socket->orphan)
            (bytes ? events->bytes : events->message)(socket->ctx,
                                                      text.data != NULL ? text.data : "", text.len);
        buf_free(&text);
    }
}

static enum err receive(struct web_socket *socket, const char *data, size_t len) {
    frames_take(socket->frames, data, len);
    handle_messages(socket);
    if (socket->dead)
        return ERR_GONE;
    if (frames_arriving(socket->frames) && socket->arriving == 0)
        socket->arriving = ev_now(socket->loop);
    enum err err = flush(socket);
    return err == ERR_OK && over(socket) ? ERR_GONE : err;
}

static enum err read_early(struct web_socket *socket) {
    struct buf early = socket->early;

    socket->early = buf_make(0);
    enum err err = receive(socket, early.data, early.len);
    buf_free(&early);
    return err;
}

static enum err read_some(struct web_socket *socket) {
    char chunk[READ_CHUNK];
    ssize_t n = recv(socket->fd, chunk, sizeof chunk, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_OK;
    if (n <= 0)
        return ERR_GONE;
    socket->stats->bytes_in += (uint64_t)n;
    socket->heard = ev_now(socket->loop);
    return receive(socket, chunk, (size_t)n);
}

/* What it said before it left is done all the same; nothing is sent to it any more. */
static void hang_up(struct web_socket *socket) {
    socket->hung_up = true;
    buf_clear(&socket->out);
    watch(socket);
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events) {
    struct web_socket *socket = io->data;
    enum err err = ERR_OK;
    (void)loop;

    socket->busy++;
    if ((events & EV_READ) && socket->early.len > 0)
        err = read_early(socket);
    else if (events & EV_READ)
        err = read_some(socket);
    if (err == ERR_OK && !socket->dead && (events & EV_WRITE))
        err = flush(socket) == ERR_OK && !over(socket) ? ERR_OK : ERR_GONE;
    socket->busy--;
    if (socket->dead)
        destroy(socket);
    else if (err != ERR_OK && is_leaving(socket))
        hang_up(socket);
    else if (err != ERR_OK)
        leave(socket);
    else
        tell(socket);
}

static void on_close_wait(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    leave(timer->data);
}

struct client *socket_new(struct ev_loop *loop, struct stats *stats, int fd,
                          const struct part *hello, const struct part *early,
                          const struct socket_limits *limits, const struct socket_events *events,
                          void *ctx) {
    struct web_socket *socket = mem_new(sizeof *socket);

    socket->base.kind = &socket_kind;
    socket->loop = loop;
    socket->stats = stats;
    socket->events = events;
    socket->ctx = ctx;
    socket->limits = *limits;
    socket->fd = fd;
    socket->heard = ev_now(loop);
    socket->early = buf_make(early->len);
    socket->out = buf_make(SIZE_MAX / 2);
    socket->frames = frames_new(limits->max_message, events->bytes != NULL);
    ev_io_init(&socket->io, on_ready, fd, EV_READ);
    ev_init(&socket->close_wait, on_close_wait);
    socket->io.data = socket->close_wait.data = socket;
    stats->clients++;
    stats->sockets++;
    buf_add(&socket->out, hello->data, hello->len);
    if (early->len > 0)
        buf_add(&socket->early, early->data, early->len);
    ev_io_start(loop, &socket->io);
    if (early->len > 0)
        ev_feed_event(loop, &socket->io, EV_READ);
    ev_feed_event(loop, &socket->io, EV_WRITE);
    return &socket->base;
}

/*
 * WebSocket framing, by wslay's event interface, over a non-blocking descriptor.
 * wslay serialises into the socket's own queue, which the loop empties, so the
 * backlog is known in bytes. It also answers pings, checks masks, UTF-8 and
 * sizes, and closes with the code that each mistake has. What it does not do is to
 * collect a message from its fragments: each would cost memory of its own, and an empty one
 * costs as much as any. They are added to one buffer, which is never longer than a
 * message may be.
 *
 * Life: OPEN ─► CLOSING (our close frame is queued; the other side has
 * CLOSE_WAIT seconds to answer) ─► freed. What the browser says is handled after
 * wslay has returned, because handling it may end the client: while `busy`, a
 * drop only marks it `dead`.
 *
 * A browser that floods us, with pings or anything else, is read no further
 * while more than max_queue bytes wait to be sent to it, or while its session has
 * enough to do. What is said to it while its messages are handled is sent at once for all.
 */
#include "fcgi-app/ws/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#include "core/buf.h"
#include "core/collections.h"
#include "core/mem.h"
#include "fcgi-app/problem.h"

enum { READ_CHUNK = 16384 };
#define CLOSE_WAIT 2.0

struct inbound {
    struct inbound *prev, *next;
    struct buf text;
};

struct web_socket {
    struct client base;
    struct ev_loop *loop;
    struct stats *stats;
    const struct client_events *watcher; /* the hub, while it holds the client */
    void *watcher_ctx;
    const struct socket_events *events;
    void *ctx;
    struct socket_limits limits;
    wslay_event_context_ptr wslay;
    struct ev_io io;
    struct ev_timer close_wait;
    int fd;
    struct buf in;      /* read, not yet taken by wslay */
    struct buf out;     /* framed, not yet taken by the descriptor */
    struct buf message; /* what has come of a text message that is not whole */
    struct inbound *inbox;
    double heard;
    double arriving; /* since when that message is; 0: none is */
    unsigned busy;   /* depth of our own callbacks; see above */
    bool dead;
    bool closing;   /* a close frame is queued: nothing else follows it */
    bool orphan;    /* finished: nobody watches it any more */
    bool failing;   /* the browser broke the rules: nothing more is expected of it */
    bool half_code; /* the last frame was a close with one byte */
    bool broken;    /* what came were no frames: wslay is not asked any more */
    bool refused;   /* a frame was no part of a message that is taken: nothing more is read */
    bool control;   /* the frame that is being read is a control frame */
    bool paused;    /* the session has enough to do */
};

static const struct client_kind socket_kind;

static struct web_socket *of(const struct client *client) {
    return (struct web_socket *)(uintptr_t)client;
}

static void watch(struct web_socket *socket) {
    bool reading = !socket->paused && socket->out.len <= socket->limits.max_queue;
    int events = (reading ? EV_READ : 0) | (socket->out.len > 0 ? EV_WRITE : 0);

    if (socket->dead || (ev_is_active(&socket->io) && socket->io.events == events))
        return;
    ev_io_stop(socket->loop, &socket->io);
    ev_io_set(&socket->io, socket->fd, events);
    if (events != 0)
        ev_io_start(socket->loop, &socket->io);
}

static void destroy(struct web_socket *socket) {
    struct inbound *message, *next;

    if (socket->busy > 0) {
        socket->dead = true;
        return;
    }
    ev_io_stop(socket->loop, &socket->io);
    ev_timer_stop(socket->loop, &socket->close_wait);
    close(socket->fd);
    wslay_event_context_free(socket->wslay);
    buf_free(&socket->in);
    buf_free(&socket->out);
    buf_free(&socket->message);
    DL_FOREACH_SAFE (socket->inbox, message, next) {
        buf_free(&message->text);
        free(message);
    }
    socket->stats->clients--;
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

/* ------------------------------------------------------------ wslay's callbacks */

static ssize_t on_wslay_recv(wslay_event_context_ptr wslay, uint8_t *data, size_t len, int flags,
                             void *ctx) {
    struct web_socket *socket = ctx;
    size_t n = socket->in.len < len ? socket->in.len : len;
    (void)flags;

    if (n == 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(data, socket->in.data, n);
    buf_consume(&socket->in, n);
    return (ssize_t)n;
}

static ssize_t on_wslay_send(wslay_event_context_ptr wslay, const uint8_t *data, size_t len,
                             int flags, void *ctx) {
    struct web_socket *socket = ctx;
    (void)wslay, (void)flags;
    buf_add(&socket->out, data, len);
    return (ssize_t)len;
}

/* Closes, and takes nothing more; from inside of wslay. */
static void refuse_frame(struct web_socket *socket, unsigned code, const char *reason) {
    (void)wslay_event_queue_close(socket->wslay, (uint16_t)code, (const uint8_t *)reason,
                                  strlen(reason));
    wslay_event_shutdown_read(socket->wslay);
    socket->refused = true;
}

/*
 * A frame begins. wslay knows how long it is, but not how long the fragments before it
 * were; and it takes half a status code in a close frame (RFC 6455 §5.5.1) for none.
 */
static void on_wslay_frame(wslay_event_context_ptr wslay,
                           const struct wslay_event_on_frame_recv_start_arg *arg, void *ctx) {
    struct web_socket *socket = ctx;
    (void)wslay;

    socket->half_code = arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1;
    socket->control = wslay_is_ctrl_frame(arg->opcode) != 0;
    if (socket->control)
        return;
    if (socket->arriving == 0)
        socket->arriving = ev_now(socket->loop);
    if (arg->opcode == WSLAY_BINARY_FRAME)
        refuse_frame(socket, SOCKET_UNSUPPORTED, "messages must be text");
    else if (arg->payload_length > socket->limits.max_message - socket->message.len)
        refuse_frame(socket, SOCKET_TOO_BIG, "");
}

static void on_wslay_chunk(wslay_event_context_ptr wslay,
                           const struct wslay_event_on_frame_recv_chunk_arg *arg, void *ctx) {
    struct web_socket *socket = ctx;
    (void)wslay;
    if (!socket->control && !socket->refused)
        buf_add(&socket->message, arg->data, arg->data_length);
}

/* A text message is whole. */
static void on_wslay_message(wslay_event_context_ptr wslay,
                             const struct wslay_event_on_msg_recv_arg *arg, void *ctx) {
    struct web_socket *socket = ctx;
    (void)wslay;

    if (wslay_is_ctrl_frame(arg->opcode) || socket->refused)
        return;
    struct inbound *message = mem_new(sizeof *message);
    message->text = socket->message;
    DL_APPEND(socket->inbox, message);
    socket->message = buf_make(socket->limits.max_message);
    socket->arriving = 0;
}

/* --------------------------------------------------------------------- sending */

/* Frames what wslay has queued and writes what the descriptor takes. */
static enum err flush(struct web_socket *socket) {
    if (!socket->broken && wslay_event_want_write(socket->wslay) &&
        wslay_event_send(socket->wslay) != 0)
        return ERR_GONE;
    while (socket->out.len > 0) {
        ssize_t n = send(socket->fd, socket->out.data, socket->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return ERR_GONE;
        if (n < 0)
            break;
        socket->stats->bytes_out += (uint64_t)n;
        buf_consume(&socket->out, (size_t)n);
    }
    if (socket->out.len == 0)
        buf_free(&socket->out);
    if (socket->out.len == 0 && socket->failing)
        (void)shutdown(socket->fd, SHUT_WR); /* and wait for the other side's end */
    watch(socket);
    return ERR_OK;
}

static void queue(struct web_socket *socket, uint8_t opcode, const char *text, size_t len) {
    const struct wslay_event_msg message = {opcode, (const uint8_t *)text, len};
    if (!socket->closing)
        (void)wslay_event_queue_msg(socket->wslay, &message); /* refused once it is closing */
}

static void begin_close(struct web_socket *socket, unsigned code, const char *reason) {
    if (socket->closing)
        return;
    (void)wslay_event_queue_close(socket->wslay, (uint16_t)code, (const uint8_t *)reason,
                                  strlen(reason));
    socket->closing = true;
    ev_timer_again(socket->loop, &socket->close_wait);
}

/*
 * Looked at with every ping: one that follows too long a silence was not the first; and a
 * message that is not whole after as long a time keeps memory that others need.
 */
static bool is_stuck(struct web_socket *socket) {
    double earliest = ev_now(socket->loop) - socket->limits.silence;

    if (socket->arriving > 0 && socket->arriving < earliest && !socket->closing) {
        begin_close(socket, SOCKET_POLICY, "a message took too long to arrive");
        (void)flush(socket);
        return true;
    }
    return socket->heard < earliest;
}

static enum err socket_send(struct client *client, const struct part *parts, size_t count) {
    struct web_socket *socket = of(client);
    struct buf text = buf_make(SIZE_MAX / 2);

    if (socket->dead)
        return ERR_GONE;
    for (size_t i = 0; i < count; i++)
        buf_add(&text, parts[i].data, parts[i].len);
    if (text.len > 0)
        queue(socket, WSLAY_TEXT_FRAME, text.data, text.len);
    else
        queue(socket, WSLAY_PING, "", 0);
    bool stuck = text.len == 0 && is_stuck(socket);
    buf_free(&text);
    return stuck ? ERR_GONE : flush(socket);
}

void socket_say(struct client *client, const char *text, size_t len) {
    struct web_socket *socket = of(client);

    if (socket->dead)
        return;
    queue(socket, WSLAY_TEXT_FRAME, text, len);
    if (socket->busy == 0 && flush(socket) != ERR_OK)
        leave(socket);
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
    else if (flush(socket) != ERR_OK)
        leave(socket);
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
    begin_close(socket, code, reason);
    if (flush(socket) != ERR_OK)
        destroy(socket);
}

static void socket_finish(struct client *client, const struct part *parts, size_t count) {
    struct web_socket *socket = of(client);
    for (size_t i = 0; i < count; i++) {
        if (parts[i].len > 0)
            queue(socket, WSLAY_TEXT_FRAME, parts[i].data, parts[i].len);
    }
    end_with(socket, SOCKET_GOING_AWAY, "come back with your cursor");
}

static void socket_refuse(struct client *client, const struct problem *problem) {
    struct web_socket *socket = of(client);
    struct buf text = buf_make(4096);

    problem_render_error(problem, (struct scan_value){NULL, 0}, &text);
    queue(socket, WSLAY_TEXT_FRAME, text.data, text.len);
    buf_free(&text);
    end_with(socket, problem->status == 503 ? SOCKET_TRY_LATER : SOCKET_POLICY,
             problem_title(problem->status));
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
                                               .refuse = socket_refuse,
                                               .drop = socket_drop,
                                               .backlog = socket_backlog};

/* --------------------------------------------------------------------- receiving */

static void handle_inbox(struct web_socket *socket) {
    struct inbound *message;

    while ((message = socket->inbox) != NULL) {
        DL_DELETE(socket->inbox, message);
        if (!socket->dead && !socket->closing)
            socket->events->message(socket->ctx, message->text.data, message->text.len);
        buf_free(&message->text);
        free(message);
    }
}

/* Both sides have said goodbye, and everything was sent. */
static bool over(const struct web_socket *socket) {
    return wslay_event_get_close_sent(socket->wslay) &&
           wslay_event_get_close_received(socket->wslay) && socket->out.len == 0;
}

/*
 * wslay closes without a code what is no frame at all, or a close with half a code; the
 * one that the mistake has (RFC 6455 §7.1.7) is sent in its place.
 */
static void break_off(struct web_socket *socket) {
    static const unsigned char protocol_error[] = {0x88, 0x02, 0x03, 0xea}; /* close, 1002 */

    socket->broken = socket->failing = true;
    if (socket->closing)
        return;
    buf_add(&socket->out, protocol_error, sizeof protocol_error);
    socket->closing = true;
    ev_timer_again(socket->loop, &socket->close_wait);
}

/* Gives wslay what was read, then handles what it found. */
static enum err receive(struct web_socket *socket) {
    bool failed = !socket->broken && wslay_event_recv(socket->wslay) != 0 && !socket->refused;

    handle_inbox(socket);
    if (socket->dead)
        return ERR_GONE;
    if (failed || socket->half_code)
        break_off(socket);
    if (socket->broken) {
        buf_clear(&socket->in);
        return flush(socket);
    }
    if (!wslay_event_get_read_enabled(socket->wslay)) { /* it has queued a close frame itself */
        buf_clear(&socket->in);
        if (!socket->closing)
            ev_timer_again(socket->loop, &socket->close_wait);
        socket->closing = true;
        socket->failing = !wslay_event_get_close_received(socket->wslay);
    }
    enum err err = flush(socket);
    return err == ERR_OK && over(socket) ? ERR_GONE : err;
}

static enum err read_some(struct web_socket *socket) {
    char *to = buf_reserve(&socket->in, READ_CHUNK);
    ssize_t n = to != NULL ? recv(socket->fd, to, READ_CHUNK, 0) : -1;

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) /* what came with the handshake is here */
        return socket->in.len > 0 ? receive(socket) : ERR_OK;
    if (n <= 0)
        return ERR_GONE;
    socket->in.len += (size_t)n;
    socket->stats->bytes_in += (uint64_t)n;
    socket->heard = ev_now(socket->loop);
    return receive(socket);
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events) {
    struct web_socket *socket = io->data;
    enum err err = ERR_OK;
    (void)loop;

    socket->busy++;
    if (events & EV_READ)
        err = read_some(socket);
    if (err == ERR_OK && !socket->dead && (events & EV_WRITE))
        err = flush(socket) == ERR_OK && !over(socket) ? ERR_OK : ERR_GONE;
    socket->busy--;
    if (socket->dead) {
        destroy(socket);
    } else if (err != ERR_OK) {
        leave(socket);
    } else if ((events & EV_WRITE) && socket->out.len == 0 && socket->watcher != NULL &&
               !socket->orphan) {
        socket->watcher->drained(socket->watcher_ctx);
    }
}

static void on_close_wait(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    leave(timer->data);
}

struct client *socket_new(struct ev_loop *loop, struct stats *stats, int fd,
                          const struct part *hello, const struct part *early,
                          const struct socket_limits *limits, const struct socket_events *events,
                          void *ctx) {
    static const struct wslay_event_callbacks callbacks = {
        .recv_callback = on_wslay_recv,
        .send_callback = on_wslay_send,
        .on_frame_recv_start_callback = on_wslay_frame,
        .on_frame_recv_chunk_callback = on_wslay_chunk,
        .on_msg_recv_callback = on_wslay_message};
    struct web_socket *socket = mem_new(sizeof *socket);

    socket->base.kind = &socket_kind;
    socket->loop = loop;
    socket->stats = stats;
    socket->events = events;
    socket->ctx = ctx;
    socket->limits = *limits;
    socket->fd = fd;
    socket->heard = ev_now(loop);
    socket->in = buf_make(READ_CHUNK * 4);
    socket->out = buf_make(SIZE_MAX / 2);
    socket->message = buf_make(limits->max_message);
    if (wslay_event_context_server_init(&socket->wslay, &callbacks, socket) != 0)
        abort(); /* out of memory */
    wslay_event_config_set_max_recv_msg_length(socket->wslay, limits->max_message);
    wslay_event_config_set_no_buffering(socket->wslay, 1);
    ev_io_init(&socket->io, on_ready, fd, EV_READ);
    ev_init(&socket->close_wait, on_close_wait);
    socket->close_wait.repeat = CLOSE_WAIT;
    socket->io.data = socket->close_wait.data = socket;
    stats->clients++;
    buf_add(&socket->out, hello->data, hello->len);
    buf_add(&socket->in, early->data, early->len);
    ev_io_start(loop, &socket->io);
    if (early->len > 0)
        ev_feed_event(loop, &socket->io, EV_READ);
    ev_feed_event(loop, &socket->io, EV_WRITE);
    return &socket->base;
}

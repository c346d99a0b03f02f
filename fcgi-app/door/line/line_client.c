/*
 * A connection of the line feed. Life:
 *
 *   OPEN ─► (HALF: the other side sends nothing more, and may still read)
 *        ─► ENDING: all was said; what is queued goes out, for CLIENT_FLUSH seconds at most
 *        ─► LINGERING: it is out, and our end is told; what still comes is read past, for LINGER
 *           seconds at most, so that a reset does not take from the other side what it was sent
 *        ─► freed
 *
 * Lines are given to the reader one at a time. One that it does not take stays here, and nothing
 * more is read: so what one connection keeps is bounded (LINES_ROOM), and whoever writes a
 * thousand commands at once is slowed down by TCP, not refused. Nothing is read either while
 * more than max_queue bytes wait to be sent.
 *
 * Whoever is gone without a word is noticed because nothing acknowledges what is sent to it
 * (TCP_USER_TIMEOUT), PINGs above all: clients of this kind need not answer those. That the
 * other side sends nothing more does not say that it is gone. At a unix socket the system
 * knows; over TCP it is found out by sending something, and looking for the reset a little later.
 */
#include "fcgi-app/door/line/line_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "fcgi-app/door/line/lines.h"
#include "fcgi-app/door/line/policy.h"
#include "fcgi-app/door/problem.h"

enum { READ_CHUNK = 8192, LINES_TURN = 64 /* lines in one turn of the loop */ };
#define LINGER 2.0 /* seconds */
#define PROBE  1.0 /* seconds in which a reset comes back, mostly */

enum line_state {
    OPEN,
    HALF,     /* the other side sends nothing more */
    ENDING,   /* we say nothing more, but not all is out */
    LINGERING /* all is out, and its end too */
};

struct line_client {
    struct client base;
    struct ev_loop *loop;
    struct stats *stats;
    const struct client_events *watcher; /* the hub, while it holds the client */
    void *watcher_ctx;
    const struct line_events *events;
    void *ctx;
    struct line_limits limits;
    struct ev_io io;
    struct ev_timer timer; /* by its state: patience, a probe, flushing, lingering */
    struct ev_timer go_on; /* runs out at once: lines are given again */
    int fd;
    enum line_state state;
    struct lines lines;
    struct buf out;    /* not yet taken by the descriptor */
    double arriving;   /* since when a line has been arriving; 0: none is */
    unsigned busy;     /* depth of our own callbacks: while it is not 0 nothing is freed */
    bool dead;         /* to be freed when `busy` is 0 again */
    bool stopped;      /* the reader did not take the line that is first, or the end */
    bool told_the_end; /* ... which it has taken */
    bool finished;     /* the other side sends nothing more */
    bool queued;       /* not all that was said could be sent at once */
};

static const struct client_kind line_kind;

static struct line_client *of(const struct client *client) {
    return (struct line_client *)(uintptr_t)client;
}

static bool reads(const struct line_client *client) {
    if (client->state >= ENDING)
        return !client->finished;
    return client->state == OPEN && !client->stopped && !ev_is_active(&client->go_on) &&
           client->out.len <= client->limits.max_queue;
}

static void watch(struct line_client *client) {
    int events = (reads(client) ? EV_READ : 0) | (client->out.len > 0 ? EV_WRITE : 0);

    if (client->dead || (ev_is_active(&client->io) && client->io.events == events))
        return;
    ev_io_stop(client->loop, &client->io);
    ev_io_set(&client->io, client->fd, events);
    if (events != 0)
        ev_io_start(client->loop, &client->io);
}

static void destroy(struct line_client *client) {
    if (client->busy > 0) {
        client->dead = true;
        return;
    }
    ev_io_stop(client->loop, &client->io);
    ev_timer_stop(client->loop, &client->timer);
    ev_timer_stop(client->loop, &client->go_on);
    close(client->fd);
    lines_free(&client->lines);
    buf_free(&client->out);
    client->stats->clients--;
    client->stats->line_clients--;
    client->events->closed(client->ctx);
    free(client);
}

/* The other side is gone: whoever watches drops the client. */
static void leave(struct line_client *client) {
    if (client->dead)
        return;
    if (client->watcher != NULL && client->state < ENDING)
        client->watcher->gone(client->watcher_ctx);
    else
        destroy(client);
}

static void set_timer(struct line_client *client, double seconds) {
    client->timer.repeat = seconds;
    ev_timer_again(client->loop, &client->timer);
}

/* --------------------------------------------------------------------- sending */

/* Writes what the descriptor takes, and tells our end once all is out. ERR_GONE: it is over. */
static enum err flush(struct line_client *client) {
    while (client->out.len > 0) {
        ssize_t n = send(client->fd, client->out.data, client->out.len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN)
            return ERR_GONE;
        if (n < 0)
            break;
        client->stats->bytes_out += (uint64_t)n;
        buf_consume(&client->out, (size_t)n);
    }
    client->queued = client->out.len > 0;
    if (client->out.len == 0)
        buf_free(&client->out);
    if (client->out.len == 0 && client->state == ENDING) {
        if (client->finished)
            return ERR_GONE;
        client->state = LINGERING;
        (void)shutdown(client->fd, SHUT_WR);
        set_timer(client, LINGER);
    }
    watch(client);
    return ERR_OK;
}

/* Nothing more is said. What is queued goes out, then the client is freed, by itself. */
static void end(struct line_client *client) {
    if (client->dead || client->state >= ENDING)
        return;
    client->state = ENDING;
    ev_timer_stop(client->loop, &client->go_on);
    set_timer(client, CLIENT_FLUSH);
    if (flush(client) != ERR_OK)
        destroy(client);
}

static void put_problem(struct line_client *client, const struct problem *problem) {
    stats_problem(client->stats, problem->status, problem->detail);
    client->events->tell(client->ctx, problem, &client->out);
}

/* Looked at with everything that is sent, at least with every PING. */
static bool is_stuck(struct line_client *client) {
    struct problem problem;

    if (client->arriving == 0 || client->arriving >= ev_now(client->loop) - client->limits.silence)
        return false;
    client->stats->lines_late++;
    put_problem(client, problem_set(&problem, 408, "a line took too long to arrive"));
    (void)flush(client);
    return true;
}

/* What is sent has no head. */
static enum err line_send(struct client *base, const struct head *head, const struct part *parts,
                          size_t count) {
    struct line_client *client = of(base);
    (void)head;

    if (client->dead || client->state >= ENDING)
        return ERR_GONE;
    for (size_t i = 0; i < count; i++)
        buf_add(&client->out, parts[i].data, parts[i].len);
    return is_stuck(client) ? ERR_GONE : flush(client);
}

/* Sends what was said, outside of our own callbacks, and tells who has waited for that. */
static void flush_and_tell(struct line_client *client) {
    bool queued = client->queued;

    if (flush(client) != ERR_OK)
        leave(client);
    else if (queued && !client->queued && client->watcher != NULL && client->state < ENDING)
        client_events_drained(client->watcher, client->watcher_ctx);
}

void line_client_say(struct client *base, const char *text, size_t len) {
    struct line_client *client = of(base);

    if (client->dead || client->state >= ENDING)
        return;
    buf_add(&client->out, text, len);
    if (client->busy == 0)
        flush_and_tell(client);
}

void line_client_go_on(struct client *base) {
    struct line_client *client = of(base);

    if (client->dead || client->state >= ENDING || !client->stopped)
        return;
    client->stopped = false;
    ev_timer_start(client->loop, &client->go_on);
}

/* ------------------------------------------------------------ as a kind of client */

static void line_watch(struct client *base, const struct client_events *events, void *ctx) {
    of(base)->watcher = events;
    of(base)->watcher_ctx = ctx;
}

static void line_finish(struct client *base, const struct head *head, const struct part *parts,
                        size_t count) {
    struct line_client *client = of(base);
    (void)head;

    for (size_t i = 0; i < count; i++)
        buf_add(&client->out, parts[i].data, parts[i].len);
    end(client);
}

static void line_refuse(struct client *base, const struct problem *problem) {
    struct line_client *client = of(base);

    client->events->tell(client->ctx, problem, &client->out);
    end(client);
}

static void line_drop(struct client *base) {
    destroy(of(base));
}

static size_t line_backlog(const struct client *base) {
    return of(base)->out.len;
}

static const struct client_kind line_kind = {.watch = line_watch,
                                             .send = line_send,
                                             .finish = line_finish,
                                             .refuse = line_refuse,
                                             .drop = line_drop,
                                             .backlog = line_backlog};

/* --------------------------------------------------------------------- receiving */

/* The port that the other side has connected to; 0 at a unix socket. */
static unsigned own_port(int fd) {
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;

    if (getsockname(fd, (struct sockaddr *)&own, &size) != 0)
        return 0;
    if (own.ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)&own)->sin6_port);
    return own.ss_family == AF_INET
               ? ntohs(((const struct sockaddr_in *)(const void *)&own)->sin_port)
               : 0;
}

/* Ends a client that somebody may hold, behind what was said last. */
static void give_up(struct line_client *client) {
    client->events->let_go(client->ctx);
    end(client);
}

/* Whether the reader has answered all that it took. Else it says when, and lines are looked at
 * again then: answers come in the order of the lines, also to one that the reader is never given.
 */
static bool answered(struct line_client *client) {
    client->stopped = !client->events->answered(client->ctx);
    return !client->stopped;
}

static void refuse_long(struct line_client *client) {
    struct problem problem;

    if (!answered(client))
        return;
    client->stats->lines_long++;
    put_problem(client, problem_set(&problem, 413, "line: the most is %d bytes", LINE_MAX_BYTES));
    give_up(client);
}

static void send_policy(struct line_client *client) {
    client->stats->policies++;
    policy_put(&client->out, client->limits.origins, own_port(client->fd));
    give_up(client);
}

/* The other side sends nothing more. A line without an end may have been cut off: nothing of it is
 * done, and that is told. */
static void take_end(struct line_client *client) {
    struct problem problem;

    if (lines_part(&client->lines)) {
        if (!answered(client))
            return;
        lines_free(&client->lines);
        client->lines = lines_make();
        put_problem(client, problem_set(&problem, 400, "line: it has no end"));
    }
    client->told_the_end = client->events->ended(client->ctx);
    client->stopped = !client->told_the_end;
}

static bool listens(const struct line_client *client) {
    return !client->dead && client->state < ENDING && !client->stopped;
}

/* Gives what came to the reader, as far as it takes it, but not all at once. */
static void give_lines(struct line_client *client) {
    struct line line;
    enum lines_event event = LINES_MORE;
    int count = 0;

    while (listens(client) && count < LINES_TURN &&
           (event = lines_look(&client->lines, &line)) == LINES_LINE) {
        client->stopped = !client->events->line(client->ctx, line.text, line.len);
        if (!client->stopped)
            lines_take(&client->lines, &line);
        client->arriving = 0;
        count++;
    }
    if (!listens(client))
        return;
    if (event == LINES_LONG)
        refuse_long(client);
    else if (event == LINES_POLICY)
        send_policy(client);
    else if (count == LINES_TURN)
        ev_timer_start(client->loop, &client->go_on);
    else if (client->state == HALF && !client->told_the_end)
        take_end(client);
}

/* Whether a line has begun to arrive is known when all whole ones are given. */
static void note_arriving(struct line_client *client) {
    if (client->state >= ENDING || !lines_part(&client->lines))
        client->arriving = 0;
    else if (client->arriving == 0)
        client->arriving = ev_now(client->loop);
    if (client->lines.begun && client->state == OPEN)
        ev_timer_stop(client->loop, &client->timer);
}

/* Whether the other side is gone altogether, as far as the system knows. */
static bool hung_up(const struct line_client *client) {
    struct pollfd asked = {.fd = client->fd};
    return poll(&asked, 1, 0) > 0 && (asked.revents & (POLLERR | POLLHUP)) != 0;
}

/* The other side sends nothing more. */
static enum err read_end(struct line_client *client) {
    client->finished = true;
    if (client->state == LINGERING || hung_up(client))
        return ERR_GONE;
    if (client->state == ENDING)
        return ERR_OK;
    client->state = HALF;
    set_timer(client, PROBE);
    give_lines(client);
    return ERR_OK;
}

static enum err read_some(struct line_client *client) {
    char chunk[READ_CHUNK];
    size_t room = client->state >= ENDING ? sizeof chunk : lines_room(&client->lines);
    ssize_t n = recv(client->fd, chunk, room < sizeof chunk ? room : sizeof chunk, 0);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return ERR_OK;
    if (n < 0)
        return ERR_GONE;
    if (n == 0)
        return read_end(client);
    client->stats->bytes_in += (uint64_t)n;
    if (client->state >= ENDING)
        return ERR_OK;
    lines_add(&client->lines, chunk, (size_t)n);
    give_lines(client);
    return ERR_OK;
}

/* After anything was done for the client: sends what was said, and frees it if it is over. */
static void settle(struct line_client *client, enum err err) {
    note_arriving(client);
    client->busy--;
    if (client->dead)
        destroy(client);
    else if (err != ERR_OK)
        leave(client);
    else
        flush_and_tell(client);
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events) {
    struct line_client *client = io->data;
    enum err err = ERR_OK;
    (void)loop;

    client->busy++;
    if (events & EV_READ)
        err = read_some(client);
    settle(client, err);
}

static void on_go_on(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct line_client *client = timer->data;
    (void)loop, (void)events;

    client->busy++;
    give_lines(client);
    settle(client, ERR_OK);
}

/* What the timer means depends on the state. */
static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct line_client *client = timer->data;
    (void)loop, (void)events;

    ev_timer_stop(client->loop, timer);
    if (client->state >= ENDING || (client->state == HALF && hung_up(client))) {
        leave(client);
    } else if (client->state == OPEN) {
        client->busy++;
        client->events->silent(client->ctx);
        settle(client, ERR_OK);
    }
}

struct client *line_client_new(struct ev_loop *loop, struct stats *stats, int fd,
                               const struct line_limits *limits, const struct line_events *events,
                               void *ctx) {
    struct line_client *client = mem_new(sizeof *client);
    unsigned silence = (unsigned)(limits->silence * 1000);

    client->base.kind = &line_kind;
    client->loop = loop;
    client->stats = stats;
    client->events = events;
    client->ctx = ctx;
    client->limits = *limits;
    client->fd = fd;
    client->lines = lines_make();
    client->out = buf_make(SIZE_MAX / 2);
    ev_io_init(&client->io, on_ready, fd, EV_READ);
    ev_init(&client->timer, on_timer);
    ev_timer_init(&client->go_on, on_go_on, 0, 0);
    client->io.data = client->timer.data = client->go_on.data = client;
    stats->clients++;
    stats->line_clients++;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silence, sizeof silence);
    set_timer(client, limits->patience);
    ev_io_start(loop, &client->io);
    return &client->base;
}

/* The floor: the least that could be called serving Halley's requests, as somebody who
 * knows epoll would write it by hand for this one purpose. It is what Halley is measured
 * against, behind the same web server and by the same client.
 *
 * It knows one channel and keeps its last message. Waits and event streams are rows of an
 * array; a message is framed once and the same bytes are sent to each. A leaver is noticed,
 * a slow reader's rest is kept and sent later, a kept connection is used again. It has no
 * history, no deadlines, no limits, no counters, and checks nothing.
 *
 * Messages come by POST, or from the same live feed in Redis that Halley listens to, so
 * that both are published to alike. The bytes of an answer are Halley's for that message.
 */
#include "tests/bench/floor/content.h"
#include "tests/bench/floor/start.h"
#include "tests/lib/keep.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    EVENTS = 256,
    CONNS = 65536,
    RECEIVE = 65536,
};

static const struct wire *wire;
static struct start start;
static int epoll;

static struct conn conns[CONNS];
static char received[RECEIVE];

/* The rows of one kind of parked requests. */
struct rows {
    int fds[CONNS];
    uint32_t count;
};
static struct rows waits, streams;

/* --- connections ------------------------------------------------------------------------ */

static int fd_of(const struct conn *conn) {
    return (int)(conn - conns);
}

/* Room to write is asked for only where it lacks: a unix socket tells of every read of
 * the other side's. */
static void watch(struct conn *conn) {
    uint32_t events = EPOLLIN | EPOLLRDHUP | EPOLLET | (conn->out.length > 0 ? EPOLLOUT : 0);
    struct epoll_event wanted = {.events = events, .data.fd = fd_of(conn)};

    if (conn->watched != events)
        epoll_ctl(epoll, conn->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd_of(conn), &wanted);
    conn->watched = events;
}

static struct rows *rows_of(const struct conn *conn) {
    return conn->state == CONN_WAITING ? &waits : conn->state == CONN_STREAMING ? &streams : NULL;
}

static void park(struct conn *conn, int state) {
    struct rows *rows;

    conn->state = state;
    rows = rows_of(conn);
    conn->row = rows->count;
    rows->fds[rows->count++] = fd_of(conn);
    watch(conn);
}

static void unpark(struct conn *conn) {
    struct rows *rows = rows_of(conn);
    int other;

    if (!rows)
        return;
    other = rows->fds[--rows->count];
    rows->fds[conn->row] = other;
    conns[other].row = conn->row;
    conn->state = CONN_READING;
}

static void hang_up(struct conn *conn) {
    unpark(conn);
    close(fd_of(conn));
    pile_free(&conn->in);
    pile_free(&conn->out);
    conn->state = CONN_CLOSED;
}

static void send_image(struct conn *conn, struct image *image) {
    ssize_t sent = 0;

    if (wire->address)
        wire->address(image, conn);
    if (conn->out.length == 0)
        sent =
            send(fd_of(conn), image->bytes.data, image->bytes.length, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        hang_up(conn);
        return;
    }
    sent = sent < 0 ? 0 : sent;
    if ((size_t)sent < image->bytes.length) {
        pile_add(&conn->out, image->bytes.data + sent, image->bytes.length - (size_t)sent);
        watch(conn);
    }
    if (!image->is_last)
        return;
    conn->ending = !conn->keep;
    if (conn->ending && conn->out.length == 0)
        hang_up(conn);
    else
        conn->state = CONN_READING;
}

static void deliver(void) {
    uint32_t count = waits.count;

    waits.count = 0;
    for (uint32_t i = 0; i < count; i++) {
        conns[waits.fds[i]].state = CONN_READING;
        send_image(&conns[waits.fds[i]], &content.batch);
    }
    for (uint32_t i = streams.count; i > 0; i--) /* who has left makes room for a later one */
        send_image(&conns[streams.fds[i - 1]], &content.event);
}

/* --- requests --------------------------------------------------------------------------- */

/* Whether the request stands where the channel ends. */
static bool has_all(const char *uri, size_t length) {
    const char *since = memmem(uri, length, "since=", 6), *end;

    if (!since)
        return true;
    since += 6;
    end = memchr(since, '&', length - (size_t)(since - uri));
    return content_is_end(since, end ? (size_t)(end - since) : length - (size_t)(since - uri));
}

static bool ends_with(const char *path, size_t length, const char *name) {
    size_t named = strlen(name);

    return length >= named && memcmp(path + length - named, name, named) == 0;
}

static void begin_stream(struct conn *conn, bool all) {
    park(conn, CONN_STREAMING);
    send_image(conn, &content.stream_head);
    if (!all && conn->state == CONN_STREAMING)
        send_image(conn, &content.event);
}

void floor_request(struct conn *conn, const char *uri, size_t length, const char *body,
                   size_t body_length) {
    const char *query = memchr(uri, '?', length);
    size_t path = query ? (size_t)(query - uri) : length;
    bool all = has_all(uri, length);

    if (ends_with(uri, path, "/wait") && all) {
        park(conn, CONN_WAITING);
    } else if (ends_with(uri, path, "/wait") || ends_with(uri, path, "/poll")) {
        send_image(conn, all ? &content.empty_batch : &content.batch);
    } else if (ends_with(uri, path, "/events")) {
        begin_stream(conn, all);
    } else if (ends_with(uri, path, "/publish")) {
        content_take(body, body_length);
        deliver();
        send_image(conn, &content.published);
    } else {
        send_image(conn, &content.not_found);
    }
}

/* Requests that have wholly come, from the front of the data. */
static size_t take_requests(struct conn *conn, const char *data, size_t length) {
    size_t at = 0;

    while (at < length && conn->state == CONN_READING && !conn->ending) {
        long taken = wire->read(conn, data + at, length - at);

        if (taken < 0 && conn->state != CONN_CLOSED)
            hang_up(conn);
        if (taken <= 0)
            break;
        at += (size_t)taken;
    }
    return at;
}

static void take_in(struct conn *conn, const char *data, size_t length) {
    size_t taken;

    if (conn->in.length == 0) {
        taken = take_requests(conn, data, length);
        if (conn->state != CONN_CLOSED && taken < length)
            pile_add(&conn->in, data + taken, length - taken);
        return;
    }
    pile_add(&conn->in, data, length);
    taken = take_requests(conn, conn->in.data, conn->in.length);
    if (conn->state != CONN_CLOSED)
        pile_drop(&conn->in, taken);
}

static void on_readable(struct conn *conn) {
    ssize_t got;

    do {
        got = recv(fd_of(conn), received, sizeof received, MSG_DONTWAIT);
        if (got > 0)
            take_in(conn, received, (size_t)got);
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
            hang_up(conn);
    } while (got == RECEIVE && conn->state != CONN_CLOSED);
    if (conn->state != CONN_CLOSED)
        watch(conn);
}

static void flush(struct conn *conn) {
    ssize_t sent = send(fd_of(conn), conn->out.data, conn->out.length, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (sent > 0)
        pile_drop(&conn->out, (size_t)sent);
    if (conn->ending && conn->out.length == 0)
        hang_up(conn);
    else
        watch(conn);
}

static void on_event(struct conn *conn, uint32_t events) {
    if (conn->state == CONN_CLOSED)
        return;
    if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
        hang_up(conn);
        return;
    }
    if ((events & EPOLLOUT) && conn->out.length > 0)
        flush(conn);
    if ((events & EPOLLIN) && conn->state != CONN_CLOSED)
        on_readable(conn);
}

static void on_listener(void) {
    int fd, on = 1;

    while ((fd = accept4(start.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        must(fd < CONNS, "too many connections");
        if (start.tcp)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        conns[fd] = (struct conn){.state = CONN_READING};
        on_readable(&conns[fd]); /* the request is usually there */
    }
}

/* --- the loop --------------------------------------------------------------------------- */

static bool is_message(const redisReply *reply) {
    return reply->elements == 3 && strcmp(reply->element[0]->str, "message") == 0;
}

static void on_redis(void) {
    redisReply *reply = NULL;

    must(redisBufferRead(start.redis) == REDIS_OK, "Redis: %s", start.redis->errstr);
    while (redisGetReplyFromReader(start.redis, (void **)&reply) == REDIS_OK && reply) {
        if (is_message(reply) && content_take_live(reply->element[2]->str, reply->element[2]->len))
            deliver();
        freeReplyObject(reply);
    }
}

/* New connections last: they may take descriptors of closed ones, of which there may be
 * events behind. */
static void serve(const struct epoll_event *events, int count) {
    bool more = false;

    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == start.listener)
            more = true;
        else if (start.redis && events[i].data.fd == start.redis->fd)
            on_redis();
        else
            on_event(&conns[events[i].data.fd], events[i].events);
    }
    if (more)
        on_listener();
}

static void listen_to(int fd) {
    struct epoll_event wanted = {.events = EPOLLIN, .data.fd = fd};

    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &wanted) == 0, "epoll_ctl: %s", strerror(errno));
}

int floor_run(int argc, char **argv, const struct wire *used) {
    struct epoll_event events[EVENTS];

    wire = used;
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    start_up(&start, argc, argv);
    content_begin(wire, start.channel);
    listen_to(start.listener);
    if (start.redis)
        listen_to(start.redis->fd);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        must(count >= 0 || errno == EINTR, "epoll_wait: %s", strerror(errno));
        serve(events, count);
    }
}

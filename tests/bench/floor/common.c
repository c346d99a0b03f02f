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
#include "tests/bench/floor/common.h"

#include "tests/lib/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { EVENTS = 256, CONNS = 65536, RECEIVE = 65536, BACKLOG = 4096 };

static const struct wire *wire;
static int epoll, listener;
static redisContext *redis;
static const char *channel = "bench";
static bool by_tcp;

static struct conn conns[CONNS];
static char received[RECEIVE];

/* The rows of one kind of parked requests. */
struct rows {
    int fds[CONNS];
    uint32_t count;
};
static struct rows waits, streams;

/* The last message, and what is sent because of it. */
static uint64_t last_n;
static char epoch[32] = "0";
static char cursor[256];
static struct image batch, empty_batch, stream_head, event, published, not_found;

/* --- what is sent ----------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void put(struct pile *pile, const char *format, ...) {
    va_list args;
    char text[1024];

    va_start(args, format);
    pile_add(pile, text, (size_t)vsnprintf(text, sizeof text, format, args));
    va_end(args);
}

static void frame(struct image *image, enum part part, const char *status, const char *type,
                  const struct pile *body) {
    static struct pile head;

    head.length = 0;
    put(&head,
        "%s%s\r\nContent-Type: %s\r\nCache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\n",
        wire->status, status, type);
    if (wire->lengths && part == PART_BEGIN)
        put(&head, "Transfer-Encoding: chunked\r\n");
    else if (wire->lengths)
        put(&head, "Content-Length: %zu\r\n", body->length);
    put(&head, "\r\n");
    image->bytes.length = 0;
    image->is_last = part == PART_WHOLE;
    wire->frame(image, part, part == PART_MORE ? NULL : &head, body);
}

/* Everything that depends on the last message. */
static void frame_all(const char *at, const char *data, size_t length) {
    static struct pile text;

    snprintf(cursor, sizeof cursor, "%s@%s-%" PRIu64, channel, epoch, last_n);
    text.length = 0;
    put(&text,
        "{\"messages\":[{\"channel\":\"%s\",\"id\":\"%s-%" PRIu64 "\",\"at\":%s,\"data\":", channel,
        epoch, last_n, at);
    pile_add(&text, data, length);
    put(&text, "}],\"cursor\":\"%s\"}", cursor);
    frame(&batch, PART_WHOLE, "200 OK", "application/json", &text);

    text.length = 0;
    put(&text, "{\"messages\":[],\"cursor\":\"%s\"}", cursor);
    frame(&empty_batch, PART_WHOLE, "200 OK", "application/json", &text);

    text.length = 0;
    put(&text, "{\"id\":\"%s-%" PRIu64 "\",\"at\":%s}", epoch, last_n, at);
    frame(&published, PART_WHOLE, "200 OK", "application/json", &text);

    text.length = 0;
    put(&text, "retry: 3000\nid: %s\n\n", cursor);
    frame(&stream_head, PART_BEGIN, "200 OK", "text/event-stream", &text);

    text.length = 0;
    put(&text, "id: %s\ndata: ", cursor);
    pile_add(&text, data, length);
    put(&text, "\n\n");
    frame(&event, PART_MORE, "", "", &text);
}

/* --- connections ------------------------------------------------------------------------ */

static int fd_of(const struct conn *conn) {
    return (int)(conn - conns);
}

static void watch(struct conn *conn) {
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                 .data.fd = fd_of(conn)};

    if (!conn->watched)
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd_of(conn), &wanted);
    conn->watched = true;
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
        send_image(&conns[waits.fds[i]], &batch);
    }
    for (uint32_t i = streams.count; i > 0; i--) /* who has left makes room for a later one */
        send_image(&conns[streams.fds[i - 1]], &event);
}

static uint64_t now_real_ms(void) {
    struct timespec time;

    clock_gettime(CLOCK_REALTIME, &time);
    return (uint64_t)time.tv_sec * 1000 + (uint64_t)time.tv_nsec / 1000000;
}

static void publish(const char *data, size_t length) {
    char at[32];

    last_n++;
    snprintf(at, sizeof at, "%" PRIu64, now_real_ms());
    frame_all(at, data, length);
    deliver();
}

/* --- requests --------------------------------------------------------------------------- */

static bool at_end(const char *since, size_t length) {
    return (length == 3 && memcmp(since, "now", 3) == 0) ||
           (length == strlen(cursor) && memcmp(since, cursor, length) == 0);
}

/* Whether the request stands where the channel ends. */
static bool has_all(const char *uri, size_t length) {
    const char *since = memmem(uri, length, "since=", 6), *end;

    if (!since)
        return true;
    since += 6;
    end = memchr(since, '&', length - (size_t)(since - uri));
    return at_end(since, end ? (size_t)(end - since) : length - (size_t)(since - uri));
}

static bool ends_with(const char *path, size_t length, const char *name) {
    size_t named = strlen(name);

    return length >= named && memcmp(path + length - named, name, named) == 0;
}

static void begin_stream(struct conn *conn, bool all) {
    park(conn, CONN_STREAMING);
    send_image(conn, &stream_head);
    if (!all && conn->state == CONN_STREAMING)
        send_image(conn, &event);
}

void floor_request(struct conn *conn, const char *uri, size_t length, const char *body,
                   size_t body_length) {
    const char *query = memchr(uri, '?', length);
    size_t path = query ? (size_t)(query - uri) : length;
    bool all = has_all(uri, length);

    if (ends_with(uri, path, "/wait") && all) {
        park(conn, CONN_WAITING);
    } else if (ends_with(uri, path, "/wait") || ends_with(uri, path, "/poll")) {
        send_image(conn, all ? &empty_batch : &batch);
    } else if (ends_with(uri, path, "/events")) {
        begin_stream(conn, all);
    } else if (ends_with(uri, path, "/publish")) {
        publish(body, body_length);
        send_image(conn, &published);
    } else {
        send_image(conn, &not_found);
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

    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        must(fd < CONNS, "too many connections");
        if (by_tcp)
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        conns[fd] = (struct conn){.state = CONN_READING};
        on_readable(&conns[fd]); /* the request is usually there */
    }
}

/* --- Redis: "<epoch>-<n> <at> <payload>" on the channel's live feed --------------------- */

static void on_live(const char *text, size_t length) {
    const char *dash = memchr(text, '-', length), *at, *data;
    char when[32];

    if (!dash || !(at = memchr(text, ' ', length)) ||
        !(data = memchr(at + 1, ' ', length - (size_t)(at + 1 - text))))
        return;
    snprintf(epoch, sizeof epoch, "%.*s", (int)(dash - text), text);
    snprintf(when, sizeof when, "%.*s", (int)(data - at - 1), at + 1);
    last_n = strtoull(dash + 1, NULL, 10);
    data++;
    frame_all(when, data, length - (size_t)(data - text));
    deliver();
}

static void on_redis(void) {
    redisReply *reply = NULL;

    must(redisBufferRead(redis) == REDIS_OK, "Redis: %s", redis->errstr);
    while (redisGetReplyFromReader(redis, (void **)&reply) == REDIS_OK && reply) {
        if (reply->elements == 3 && strcmp(reply->element[0]->str, "message") == 0)
            on_live(reply->element[2]->str, reply->element[2]->len);
        freeReplyObject(reply);
    }
}

static void subscribe(const char *socket) {
    struct epoll_event wanted = {.events = EPOLLIN};

    redis = redisConnectUnix(socket);
    must(redis && !redis->err, "%s: %s", socket, redis ? redis->errstr : "out of memory");
    freeReplyObject(redisCommand(redis, "SUBSCRIBE halley.live:{%s}", channel));
    wanted.data.fd = redis->fd;
    epoll_ctl(epoll, EPOLL_CTL_ADD, redis->fd, &wanted);
}

/* --- starting --------------------------------------------------------------------------- */

static int listen_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    must(strlen(path) < sizeof address.sun_path, "%s: too long for a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    umask(0); /* whoever runs the web server connects */
    must(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0,
         "%s: %s", path, strerror(errno));
    return fd;
}

static int listen_tcp(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0,
         "%s: %s", port, strerror(errno));
    by_tcp = true;
    return fd;
}

static void listen_on(const char *where) {
    struct epoll_event wanted = {.events = EPOLLIN};
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max < CONNS ? limit.rlim_max : CONNS;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    listener = strncmp(where, "unix:", 5) == 0 ? listen_unix(where + 5) : listen_tcp(where);
    wanted.data.fd = listener;
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &wanted);
}

static void read_options(int argc, char **argv) {
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"redis", required_argument, NULL, 'r'},
                                            {"channel", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *where = NULL, *store = NULL;
    int id;

    while ((id = getopt_long(argc, argv, "l:r:c:h", options, NULL)) != -1) {
        if (id == 'l')
            where = optarg;
        else if (id == 'r')
            store = optarg;
        else if (id == 'c')
            channel = optarg;
        else
            where = NULL;
    }
    if (!where) {
        printf("%s --listen unix:PATH|PORT [--redis SOCKET] [--channel bench]\n", argv[0]);
        exit(64);
    }
    listen_on(where);
    if (store)
        subscribe(store);
}

/* New connections last: they may take descriptors of closed ones, of which there may be
 * events behind. */
static void serve(const struct epoll_event *events, int count) {
    bool more = false;

    for (int i = 0; i < count; i++) {
        if (events[i].data.fd == listener)
            more = true;
        else if (redis && events[i].data.fd == redis->fd)
            on_redis();
        else
            on_event(&conns[events[i].data.fd], events[i].events);
    }
    if (more)
        on_listener();
}

int floor_run(int argc, char **argv, const struct wire *used) {
    static struct pile nothing;
    struct epoll_event events[EVENTS];

    wire = used;
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    snprintf(epoch, sizeof epoch, "%" PRIu64, now_real_ms());
    frame(&not_found, PART_WHOLE, "404 Not Found", "text/plain", &nothing);
    read_options(argc, argv);
    frame_all("0", "null", 4);
    for (;;) {
        int count = epoll_wait(epoll, events, EVENTS, -1);

        must(count >= 0 || errno == EINTR, "epoll_wait: %s", strerror(errno));
        serve(events, count);
    }
}

/* Connections that do not block. What is received goes through one buffer that all
 * share; an answer that is whole in it is handed on from there, so that a connection
 * has memory of its own only for what came in pieces.
 *
 * Over FastCGI the content of the STDOUT records is fed to the same parser as a CGI
 * answer, and END_REQUEST ends it. Without --keep the connection ends with it, as with
 * every web server.
 */
#include "tests/bench/load/conn.h"

#include "tests/lib/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum { RECEIVE = 65536, RECORD_HEAD = 8, END_REQUEST = 3, STDOUT = 6, CONNECT_SECONDS = 5 };

static const struct options *target;
static uint64_t reopened;
static char received[RECEIVE];

void conn_target(const struct options *options) {
    target = options;
}

uint64_t conn_reopened(void) {
    return reopened;
}

static void pile_empty(struct pile *pile) {
    pile->length = 0;
}

void conn_close(struct conn *conn) {
    if (conn->fd < 0)
        return;
    close(conn->fd);
    conn->fd = -1;
    conn->generation++;
    conn->asked = conn->connecting = false;
    conn->http.state = HTTP_ABANDONED;
    pile_empty(&conn->out);
    pile_empty(&conn->rest);
    pile_empty(&conn->records);
}

static void fail(struct conn *conn, const char *why) {
    conn_close(conn);
    conn->events->failed(conn->ctx, why);
}

/* --- what comes ----------------------------------------------------------------------- */

/* What the shared buffer, or `rest`, will not hold for long. */
static void settle(struct span *span, struct pile *kept) {
    if (span->length == 0 || span->data == kept->data)
        return;
    pile_add(kept, span->data, span->length);
    *span = (struct span){kept->data, kept->length};
}

static struct answer answer_of(const struct conn *conn) {
    return (struct answer){.status = conn->http.status,
                           .head = conn->head.data,
                           .head_length = conn->head.length,
                           .body = conn->body.data,
                           .length = conn->body.length};
}

static void on_piece(struct conn *conn, const char *data, size_t length) {
    struct answer head = answer_of(conn);
    struct pile *kept = &conn->kept_body;
    unsigned generation = conn->generation;
    size_t taken;

    head.body = NULL;
    head.length = 0;
    if (kept->length > 0) {
        pile_add(kept, data, length);
        taken = conn->events->piece(conn->ctx, &head, kept->data, kept->length);
        if (conn->generation == generation)
            pile_drop(kept, taken);
        return;
    }
    taken = conn->events->piece(conn->ctx, &head, data, length);
    if (conn->generation == generation && taken < length)
        pile_add(kept, data + taken, length - taken);
}

static void on_head(void *ctx, int status, const char *head, size_t length) {
    struct conn *conn = ctx;

    (void)status;
    pile_empty(&conn->kept_head);
    pile_empty(&conn->kept_body);
    conn->head = (struct span){head, length};
    conn->body = (struct span){NULL, 0};
    if (conn->stream && conn->http.status == 101)
        on_piece(conn, "", 0); /* it is open, and may say nothing for long */
}

static void on_body_whole(struct conn *conn, const char *data, size_t length) {
    if (conn->body.length == 0) {
        conn->body = (struct span){data, length};
        return;
    }
    settle(&conn->body, &conn->kept_body);
    pile_add(&conn->kept_body, data, length);
    conn->body = (struct span){conn->kept_body.data, conn->kept_body.length};
}

/* An answer that the protocol takes for a stream is one only if it is no error. */
static bool streams(const struct conn *conn) {
    return conn->stream && (conn->http.status == 200 || conn->http.status == 101);
}

static void on_body(void *ctx, const char *data, size_t length) {
    struct conn *conn = ctx;

    if (streams(conn))
        on_piece(conn, data, length);
    else
        on_body_whole(conn, data, length);
}

static bool on_end(void *ctx) {
    struct conn *conn = ctx;
    struct answer answer = answer_of(conn);
    unsigned generation = conn->generation;

    conn->asked = false;
    if (conn->http.closes || (target->fcgi && !target->keep))
        conn_close(conn);
    conn->head = conn->body = (struct span){NULL, 0};
    conn->events->answer(conn->ctx, &answer);
    return conn->generation == generation;
}

static const struct http_sink sink = {.head = on_head, .body = on_body, .end = on_end};

static void feed_text(struct conn *conn, const char *data, size_t length) {
    unsigned generation = conn->generation;
    bool has_rest = conn->rest.length > 0;
    size_t taken;

    if (has_rest) {
        pile_add(&conn->rest, data, length);
        data = conn->rest.data;
        length = conn->rest.length;
    }
    taken = http_feed(&conn->http, data, length, &sink, conn);
    if (conn->generation != generation)
        return;
    settle(&conn->head, &conn->kept_head);
    if (!streams(conn))
        settle(&conn->body, &conn->kept_body);
    if (conn->http.state == HTTP_BAD)
        fail(conn, "an answer that is no HTTP");
    else if (has_rest)
        pile_drop(&conn->rest, taken);
    else if (taken < length)
        pile_add(&conn->rest, data + taken, length - taken);
}

static void feed_record(struct conn *conn, int type, const char *content, size_t length) {
    if (type == STDOUT && length > 0)
        feed_text(conn, content, length);
    else if (type == END_REQUEST && !http_finish(&conn->http, &sink, conn))
        fail(conn, "the request ended inside an answer's head");
}

/* Whole records; returns how many bytes they had. */
static size_t feed_records(struct conn *conn, const char *data, size_t length) {
    unsigned generation = conn->generation;
    size_t at = 0;

    while (conn->generation == generation && length - at >= RECORD_HEAD) {
        const unsigned char *head = (const unsigned char *)data + at;
        size_t content = (size_t)head[4] << 8 | head[5], whole = RECORD_HEAD + content + head[6];

        if (length - at < whole)
            break;
        feed_record(conn, head[1], data + at + RECORD_HEAD, content);
        at += whole;
    }
    return at;
}

static void feed_fcgi(struct conn *conn, const char *data, size_t length) {
    unsigned generation = conn->generation;
    size_t taken;

    if (conn->records.length > 0) {
        pile_add(&conn->records, data, length);
        taken = feed_records(conn, conn->records.data, conn->records.length);
        if (conn->generation == generation)
            pile_drop(&conn->records, taken);
        return;
    }
    taken = feed_records(conn, data, length);
    if (conn->generation == generation && taken < length)
        pile_add(&conn->records, data + taken, length - taken);
}

static void on_other_side_closed(struct conn *conn) {
    unsigned generation = conn->generation;

    if (!conn->asked) {
        conn_close(conn);
        return;
    }
    if (!target->fcgi && conn->http.state == HTTP_TO_END && !conn->stream) {
        http_finish(&conn->http, &sink, conn);
        if (conn->generation == generation)
            conn_close(conn);
        return;
    }
    fail(conn, "the connection was closed before the answer was whole");
}

static void take_in(struct conn *conn, bool to_the_end) {
    unsigned generation = conn->generation;

    for (;;) {
        ssize_t got = recv(conn->fd, received, sizeof received, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got < 0) {
            fail(conn, strerror(errno));
            return;
        }
        if (got == 0) {
            on_other_side_closed(conn);
            return;
        }
        if (target->fcgi)
            feed_fcgi(conn, received, (size_t)got);
        else
            feed_text(conn, received, (size_t)got);
        if (conn->generation != generation || (got < RECEIVE && !to_the_end))
            return;
    }
}

/* --- what goes ------------------------------------------------------------------------ */

/* Room to write is asked for only where it lacks: a unix socket tells of every read of
 * the other side's. */
static void watch(struct conn *conn) {
    bool blocked = conn->connecting || conn->out.length > 0;

    if (blocked != conn->blocked)
        loop_change(conn->fd, EPOLLIN | EPOLLRDHUP | (blocked ? EPOLLOUT : 0), &conn->source);
    conn->blocked = blocked;
}

static void send_or_keep(struct conn *conn, const char *data, size_t length) {
    ssize_t sent = 0;

    if (!conn->connecting && conn->out.length == 0)
        sent = send(conn->fd, data, length, MSG_NOSIGNAL);
    if (sent < 0)
        sent = 0; /* full; or broken, and then the loop tells */
    if ((size_t)sent < length)
        pile_add(&conn->out, data + sent, length - (size_t)sent);
    watch(conn);
}

static void flush(struct conn *conn) {
    ssize_t sent = send(conn->fd, conn->out.data, conn->out.length, MSG_NOSIGNAL);

    if (sent > 0)
        pile_drop(&conn->out, (size_t)sent);
    watch(conn);
}

/* False: the attempt has failed. */
static bool is_connected(struct conn *conn) {
    int error = 0;
    socklen_t size = sizeof error;

    getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error)
        fail(conn, strerror(error));
    conn->connecting = false;
    return error == 0;
}

static void on_ready(struct source *source, uint32_t events) {
    struct conn *conn = (struct conn *)source;

    if (conn->fd < 0 || (conn->connecting && !is_connected(conn)))
        return;
    if ((events & EPOLLOUT) && conn->out.length > 0)
        flush(conn);
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        take_in(conn, events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
}

/* --- connecting ----------------------------------------------------------------------- */

/* A unix socket connects at once or, while its backlog is full, not at all: it waits. */
static int connect_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = CONNECT_SECONDS};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    must(strlen(path) < sizeof address.sun_path, "%s: too long for a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
        fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0)
        return fd;
    int why = errno;

    close(fd);
    errno = why;
    return -1;
}

static int connect_tcp(uint32_t host, int port, bool *connecting) {
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(host), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *connecting = connect(fd, (struct sockaddr *)&address, sizeof address) != 0;
    if (!*connecting || errno == EINPROGRESS)
        return fd;
    int why = errno;

    close(fd);
    errno = why;
    return -1;
}

static bool reach(struct conn *conn) {
    conn->connecting = false;
    if (target->port)
        conn->fd = connect_tcp(target->address, target->port, &conn->connecting);
    else
        conn->fd = connect_unix(target->fcgi ? target->fcgi : target->unix_web);
    if (conn->fd < 0)
        return false;
    if (conn->generation > 0 && !(target->fcgi && !target->keep))
        reopened++;
    conn->blocked = conn->connecting;
    loop_add(conn->fd, EPOLLIN | EPOLLRDHUP | (conn->blocked ? EPOLLOUT : 0), &conn->source);
    return true;
}

void conn_begin(struct conn *conn, const struct conn_events *events, void *ctx) {
    memset(conn, 0, sizeof *conn);
    conn->source.ready = on_ready;
    conn->events = events;
    conn->ctx = ctx;
    conn->fd = -1;
    conn->http.cgi = target->fcgi != NULL;
}

void conn_ask(struct conn *conn, const struct request *request, bool stream) {
    static struct pile bytes;

    if (conn->fd < 0 && !reach(conn)) {
        conn->events->failed(conn->ctx, strerror(errno));
        return;
    }
    pile_empty(&bytes);
    if (target->fcgi)
        request_fcgi(request, target->keep, &bytes);
    else
        request_http(request, &bytes);
    http_reset(&conn->http);
    conn->stream = stream;
    conn->asked = true;
    send_or_keep(conn, bytes.data, bytes.length);
}

void conn_say(struct conn *conn, const void *data, size_t length) {
    send_or_keep(conn, data, length);
}

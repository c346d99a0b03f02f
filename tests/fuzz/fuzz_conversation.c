/* A web server's side of a conversation, any bytes in any pieces: several requests on one
 * connection to the intake, some answered at once, some parked, some streamed, some left
 * to be aborted. The first byte of each piece says how long it is and what is done
 * before it. Whatever comes: what is sent back is FastCGI records, each request that was
 * handed over is answered at most once, and nothing is left at the end.
 */
#include "fcgi-app/door/fcgi/intake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/cgi.h"
#include "fcgi-app/door/fcgi/fcgi.h"

enum { BODY_MAX = 5000, HELD_MAX = 64, OUT_MAX = 16 * 1024 * 1024 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ev_loop *loop;
static struct stats stats;
static struct config config = {.request_timeout = 1000, .max_waiters = 10};
static struct connections *connections;
static struct intake *intake;
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct buf out;

/* The clients that wait. */
static struct client *held[HELD_MAX];

static void let_go(struct client **place) {
    struct client *client = *place;
    *place = NULL;
    client_drop(client);
}

static void on_gone(void *ctx) {
    let_go(ctx);
}

static void on_drained(void *ctx) {
    (void)ctx;
}

static const struct client_events events = {.gone = on_gone, .drained = on_drained};

static void park(struct client *client, bool stream) {
    for (int i = 0; i < HELD_MAX; i++) {
        if (held[i] != NULL)
            continue;
        held[i] = client;
        client_watch(client, &events, &held[i]);
        if (stream && client_send(client, NULL, &(struct part){"begin", 5}, 1) != ERR_OK)
            let_go(&held[i]);
        else
            client_hold(client);
        return;
    }
    client_drop(client);
}

static void take(void *ctx, struct request *request, struct client *client) {
    char kind = request->body_len > 0 ? request->body[0] : request->query[0];
    (void)ctx;

    if (request->body_len > BODY_MAX || (request->body_over && request->body_len != BODY_MAX))
        abort();
    request_free(request);
    if (kind == 'w' || kind == 's')
        park(client, kind == 's');
    else
        client_finish(client, NULL, &(struct part){"answer", 6}, 1);
}

static const struct request_taker taker = {.take = take};

static void begin(void) {
    socklen_t len = sizeof address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (cgi_init() != ERR_OK || bind(fd, (struct sockaddr *)&address, sizeof(sa_family_t)) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0 || listen(fd, 10) != 0)
        abort();
    loop = ev_loop_new(0);
    connections = connections_new(loop, &stats, BODY_MAX);
    intake = intake_new(connections, fd, &config, &taker);
}

static void turn(void) {
    for (int i = 0; i < 3; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

/* Takes what was sent back; false when the connection has ended. */
static bool listen_to(int fd) {
    char bytes[4096];
    ssize_t n;

    while ((n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT)) > 0)
        buf_add(&out, bytes, (size_t)n);
    return n < 0;
}

/* All that came back is records of an application's, whole ones. */
static void check(void) {
    for (size_t at = 0; at < out.len;) {
        struct fcgi_record record = fcgi_parse_header((unsigned char *)out.data + at);
        bool known = record.type == FCGI_TYPE_END || record.type == FCGI_TYPE_STDOUT ||
                     (record.request_id == 0 && (record.type == FCGI_TYPE_GET_VALUES_RESULT ||
                                                 record.type == FCGI_TYPE_UNKNOWN));
        if (out.len - at < FCGI_HEADER || record.version != 1 || !known)
            abort();
        at += FCGI_HEADER + record.content + record.padding;
        if (at > out.len)
            abort();
    }
}

/* Answers the first that is parked, as a message would. */
static void deliver(void) {
    for (int i = 0; i < HELD_MAX; i++) {
        struct client *client = held[i];
        if (client == NULL)
            continue;
        held[i] = NULL;
        client_finish(client, NULL, &(struct part){"message", 7}, 1);
        return;
    }
}

static void before_piece(uint8_t what, int fd) {
    if ((what & 0x80) != 0)
        turn();
    if ((what & 0xc0) == 0xc0)
        deliver();
    if (what == 0xff)
        shutdown(fd, SHUT_WR);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t at = 0;
    bool open = true;

    if (loop == NULL)
        begin();
    out = buf_make(OUT_MAX);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (struct sockaddr *)&address, sizeof(sa_family_t) + 6) != 0)
        abort();
    while (open && at < size) {
        size_t len = (data[at] & 0x3f) == 0x3f ? 4000 : (size_t)(data[at] & 0x3f) + 1;
        before_piece(data[at++], fd);
        len = len < size - at ? len : size - at;
        if (send(fd, data + at, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            turn();
        at += len;
        open = listen_to(fd);
    }
    turn();
    if (open)
        (void)listen_to(fd);
    check();
    close(fd);
    while (stats.connections > 0)
        ev_run(loop, EVRUN_NOWAIT);
    for (int i = 0; i < HELD_MAX; i++) {
        if (held[i] != NULL)
            abort();
    }
    if (stats.clients != 0 || stats.connections_kept != 0 || connections->gathered != 0)
        abort();
    buf_free(&out);
    return 0;
}

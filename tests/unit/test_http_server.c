/* fcgi-app/door/http: requests and answers over a socket to which a proxy, or a browser, would
 * connect.
 */
#include "fcgi-app/door/http/server.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/http/client_http.h"
#include "fcgi-app/door/site.h"
#include "tests/lib/keep.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { BODY_MAX = 200 * 1024, ANSWER_MAX = 16 << 20, HELD_MAX = 64 };

#define HOST        "Host: h\r\n"
#define GET(target) "GET /comet/" target " HTTP/1.1\r\n" HOST "\r\n"

/* How every answer here begins. */
#define LINES(type)                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nCache-Control: no-store\r\n"                     \
    "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nAccept-Ranges: none\r\n"

static struct ev_loop *loop;
static struct stats stats;
static struct config config;
static struct connections *connections;
static struct http_server *server;
static struct sockaddr_storage address;
static socklen_t address_size;

/* What was handed over. */
static unsigned taken, gone, drained, doubted;
static struct client *held[HELD_MAX]; /* of requests for "hold", in their order */
static size_t held_count;
static struct buf early; /* of the last one for "upgrade" */
static int upgraded;
static const char *sender;
static bool local;

static void on_gone(void *ctx) {
    struct client **client = ctx;
    gone++;
    client_drop(*client);
    *client = NULL;
}

static void on_drained(void *ctx) {
    (void)ctx;
    drained++;
}

static void on_doubted(void *ctx) {
    (void)ctx;
    doubted++;
}

static const struct client_events events = {on_gone, on_drained, on_doubted};

static void answer(struct client *client, const char *text) {
    const struct head head = {.status = 200, .type = "text/plain", .length = strlen(text)};
    client_finish(client, &head, &(struct part){text, strlen(text)}, 1);
}

static void stream(struct client *client) {
    const struct head head = {.status = 200, .type = "text/x", .length = HEAD_NO_LENGTH};
    const struct part parts[] = {{"ab", 2}, {"c", 1}};

    ck_assert_int_eq(client_send(client, &head, parts, 2), ERR_OK);
    ck_assert_int_eq(client_send(client, NULL, NULL, 0), ERR_OK); /* no chunk, not the last */
    ck_assert_int_eq(client_send(client, NULL, &(struct part){"0123456789abcdefg", 17}, 1), ERR_OK);
    client_finish(client, NULL, &(struct part){"end", 3}, 1);
}

static void hold(struct client *client) {
    ck_assert_uint_lt(held_count, HELD_MAX);
    held[held_count] = client;
    client_watch(client, &events, &held[held_count++]);
    client_hold(client);
}

static void take(void *ctx, struct request *request, struct client *client) {
    (void)ctx;
    taken++;
    request_mount(request, "/comet");
    sender = keepf("%s", request->remote_addr);
    local = site_local(request->remote_addr, request->proxied);
    const char *endpoint = request->endpoint;
    if (strcmp(endpoint, "hold") == 0)
        hold(client);
    else if (strcmp(endpoint, "stream") == 0)
        stream(client);
    else if (strcmp(endpoint, "upgrade") == 0)
        upgraded = client_upgrade(client, &early);
    else
        answer(client, keepf("%s %s?%s%s %zu %.20s", request->method, endpoint, request->query,
                             request->body_over ? " over" : "", request->body_len, request->body));
    request_free(request);
}

static const struct request_taker taker = {.take = take};

static void begin_on(const struct sockaddr *own, socklen_t size) {
    int fd = socket(own->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    loop = ev_default_loop(0);
    ck_assert_int_eq(bind(fd, own, size), 0);
    address_size = sizeof address;
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &address_size), 0);
    ck_assert_int_eq(listen(fd, 500), 0);
    connections = connections_new(loop, &stats, BODY_MAX);
    server = http_server_new(connections, fd, &config, &taker);
}

static void configure(void) {
    config = (struct config){.request_timeout = 60,
                             .keepalive_timeout = 60,
                             .max_connections = 1000,
                             .trusted_proxies = (char *)(uintptr_t) "",
                             .user_header = (char *)(uintptr_t) ""};
}

static void begin_unix(void) {
    struct sockaddr_un own = {.sun_family = AF_UNIX};
    begin_on((struct sockaddr *)&own, sizeof(sa_family_t)); /* a name in the abstract namespace */
}

static void begin_tcp(void) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    begin_on((struct sockaddr *)&own, sizeof own);
}

static void begin(void) {
    configure();
    begin_unix();
}

static void end(void) {
    connections_free(connections);
    http_server_free(server);
    ck_assert_uint_eq(stats.clients, 0);
    ck_assert_uint_eq(stats.connections, 0);
    ev_loop_destroy(loop);
    buf_free(&early);
}

static int connected(void) {
    int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, address_size), 0);
    return fd;
}

static int sent(const char *text) {
    int fd = connected();
    socket_send(fd, text, strlen(text));
    return fd;
}

/* What comes until the other side closes. */
static const char *all_on(int fd) {
    struct buf bytes = buf_make(ANSWER_MAX);

    socket_take_all(loop, fd, &bytes);
    close(fd);
    const char *text = keepf("%s", bytes.len > 0 ? bytes.data : "");
    buf_free(&bytes);
    return text;
}

/* The same after saying that nothing more is sent. */
static const char *last_on(int fd) {
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    return all_on(fd);
}

/* What comes until so much of it is there. */
static const char *take_on(int fd, size_t len) {
    struct buf bytes = buf_make(ANSWER_MAX);

    loop_until(loop, (socket_take(fd, &bytes), bytes.len >= len));
    const char *text = keepf("%s", bytes.data);
    buf_free(&bytes);
    return text;
}

static const char *ok(const char *body) {
    return keepf(LINES("text/plain") "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
}

static const char *closing(const char *body) {
    return keepf(LINES("text/plain") "Content-Length: %zu\r\nConnection: close\r\n\r\n%s",
                 strlen(body), body);
}

/* Turns a while, that nothing may happen in. */
static void turn_some(void) {
    for (int i = 0; i < 20; i++)
        loop_turn(loop);
}

START_TEST(a_request_is_answered_with_its_length_and_the_connection_kept) {
    begin();
    int fd = sent(GET("a?b=c"));
    ck_assert_str_eq(take_on(fd, strlen(ok("GET a?b=c 0 "))), ok("GET a?b=c 0 "));
    socket_send(fd, GET("d"), strlen(GET("d")));
    ck_assert_str_eq(last_on(fd), ok("GET d? 0 "));
    ck_assert_uint_eq(stats.requests, 2);
    ck_assert_uint_eq(stats.requests_reused, 1);
    ck_assert_uint_eq(stats.requests_broken, 0);
    ck_assert_uint_eq(stats.bytes_in, strlen(GET("a?b=c") GET("d")));
    end();
}
END_TEST

START_TEST(a_connection_ends_where_one_side_wants_it) {
    static const struct {
        const char *text;
        bool kept;
    } rows[] = {{"GET /comet/a HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
                {"GET /comet/a HTTP/1.1\r\n" HOST "Connection: x, Close\r\n\r\n", false},
                {"GET /comet/a HTTP/1.0\r\n\r\n", false}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        begin();
        ck_assert_str_eq(all_on(sent(rows[i].text)), closing("GET a? 0 "));
        end();
    }
    begin();
    int fd = sent("GET /comet/a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
                  "GET /comet/b HTTP/1.0\r\n\r\n");
    ck_assert_str_eq(all_on(fd),
                     keepf(LINES("text/plain") "Content-Length: 9\r\n"
                                               "Connection: keep-alive\r\n\r\nGET a? 0 %s",
                           closing("GET b? 0 ")));
    end();
}
END_TEST

START_TEST(bodies_come_by_length_and_in_chunks) {
    static const char text[] =
        "POST /comet/a HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello"
        "POST /comet/b HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
        "2;x\r\nhe\r\n3\r\nllo\r\n0\r\nX: y\r\n\r\n"
        "PUT /comet/c HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n";
    begin();
    int fd = sent(text);
    ck_assert_str_eq(last_on(fd), keepf("%s%s%s", ok("POST a? 5 hello"), ok("POST b? 5 hello"),
                                        ok("PUT c? 0 ")));
    end();
}
END_TEST

START_TEST(pieces_of_a_request_are_put_together) {
    static const char text[] = "POST /comet/a?x HTTP/1.1\r\n" HOST
                               "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" GET("b");
    begin();
    int fd = connected();
    for (size_t i = 0; i < sizeof text - 1; i++) {
        socket_send(fd, text + i, 1);
        loop_turn(loop);
    }
    ck_assert_str_eq(last_on(fd), keepf("%s%s", ok("POST a?x 5 hello"), ok("GET b? 0 ")));
    end();
}
END_TEST

START_TEST(a_head_request_has_no_body_in_its_answer) {
    begin();
    int fd = sent("HEAD /comet/a HTTP/1.1\r\n" HOST "\r\n" GET("b"));
    ck_assert_str_eq(last_on(fd),
                     keepf(LINES("text/plain") "Content-Length: 10\r\n\r\n%s", ok("GET b? 0 ")));
    end();
}
END_TEST

START_TEST(a_stream_goes_in_chunks_and_the_connection_goes_on) {
    begin();
    int fd = sent(GET("stream") GET("a"));
    ck_assert_str_eq(last_on(fd), keepf(LINES("text/x") "Transfer-Encoding: chunked\r\n\r\n"
                                                        "3\r\nabc\r\n11\r\n0123456789abcdefg\r\n"
                                                        "3\r\nend\r\n0\r\n\r\n%s",
                                        ok("GET a? 0 ")));
    end();
}
END_TEST

START_TEST(a_stream_of_http_1_0_ends_with_its_connection) {
    begin();
    int fd = sent("GET /comet/stream HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    ck_assert_str_eq(all_on(fd),
                     LINES("text/x") "Connection: close\r\n\r\nabc0123456789abcdefgend");
    end();
}
END_TEST

START_TEST(requests_wait_their_turn_behind_one_that_is_held) {
    begin();
    int fd =
        sent(GET("hold") GET("a") "POST /comet/b HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhe");
    loop_until(loop, taken == 1);
    socket_send(fd, "llo", 3);
    turn_some();
    ck_assert_uint_eq(taken, 1);
    answer(held[0], "first");
    ck_assert_str_eq(
        take_on(fd, strlen(ok("first")) + strlen(ok("GET a? 0 ")) + strlen(ok("POST b? 5 hello"))),
        keepf("%s%s%s", ok("first"), ok("GET a? 0 "), ok("POST b? 5 hello")));
    ck_assert_str_eq(last_on(fd), "");
    end();
}
END_TEST

START_TEST(who_has_stopped_sending_is_answered_all_the_same) {
    configure();
    for (int tcp = 0; tcp < 2; tcp++) {
        tcp ? begin_tcp() : begin_unix();
        int fd = sent(GET("hold") GET("a") GET("hold"));
        ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
        loop_until(loop, held_count == 1);
        turn_some();
        ck_assert_uint_eq(gone, 0);
        answer(held[0], "late");
        loop_until(loop, held_count == 2);
        turn_some();
        answer(held[1], "later");
        ck_assert_str_eq(all_on(fd), keepf("%s%s%s", ok("late"), ok("GET a? 0 "), ok("later")));
        held_count = taken = 0;
        end();
    }
}
END_TEST

/* Over TCP the one looks like the other, until something is sent. */
START_TEST(who_may_have_left_is_doubted_and_has_where_a_reset_answers) {
    const struct head head = {.status = 200, .type = "text/x", .length = HEAD_NO_LENGTH};

    configure();
    for (int leaves = 0; leaves < 2; leaves++) {
        begin_tcp();
        int fd = sent(GET("hold"));
        loop_until(loop, held_count == 1);
        ck_assert_int_eq(client_send(held[0], &head, &(struct part){"a", 1}, 1), ERR_OK);
        take_on(fd, 1);
        ck_assert_int_eq(leaves ? close(fd) : shutdown(fd, SHUT_WR), 0);
        loop_until(loop, doubted == 1);
        ck_assert_uint_eq(gone, 0);
        ck_assert_int_eq(client_send(held[0], NULL, &(struct part){"b", 1}, 1), ERR_OK);
        if (leaves) {
            loop_until(loop, gone == 1);
        } else {
            ck_assert_str_eq(take_on(fd, 6), "1\r\nb\r\n");
            ck_assert_uint_eq(gone, 0);
            client_drop(held[0]);
            close(fd);
        }
        held_count = taken = doubted = gone = 0;
        end();
    }
}
END_TEST

START_TEST(who_is_gone_is_noticed_while_he_is_held) {
    begin();
    int fd = sent(GET("hold"));
    loop_until(loop, held_count == 1);
    close(fd);
    loop_until(loop, gone == 1);
    end();
    begin_tcp();
    fd = sent(GET("hold"));
    loop_until(loop, held_count == 2);
    ck_assert_int_eq(
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger)), 0);
    close(fd); /* by a reset */
    loop_until(loop, gone == 2);
    end();
}
END_TEST

START_TEST(who_rests_or_waits_has_no_buffer) {
    begin();
    int fd = sent(GET("a")), other = sent(GET("hold"));
    (void)take_on(fd, strlen(ok("GET a? 0 ")));
    loop_until(loop, held_count == 1);
    ck_assert_ptr_null(connection_of(held[0])->aside);
    ck_assert_uint_eq(connections->gathered, 0);
    socket_send(fd, "GET ", 4);
    loop_until(loop, connections->gathered == 4);
    socket_send(fd, "/comet/hold HTTP/1.1\r\n" HOST "\r\n", 22 + 9 + 2);
    loop_until(loop, held_count == 2);
    ck_assert_ptr_null(connection_of(held[1])->aside);
    ck_assert_uint_eq(connections->gathered, 0);
    close(fd);
    close(other);
    loop_until(loop, gone == 2);
    end();
}
END_TEST

START_TEST(one_hundred_is_said_to_who_waits_for_it) {
    begin();
    int fd = sent("POST /comet/a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
                  "Content-Length: 5\r\n\r\n");
    ck_assert_str_eq(take_on(fd, 25), "HTTP/1.1 100 Continue\r\n\r\n");
    socket_send(fd, "hello", 5);
    ck_assert_str_eq(last_on(fd), ok("POST a? 5 hello"));
    /* not to who does not wait */
    fd = sent("POST /comet/a HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n"
              "Content-Length: 5\r\n\r\nhello");
    ck_assert_str_eq(last_on(fd), ok("POST a? 5 hello"));
    end();
}
END_TEST

/* The first line of an answer, after which the connection has ended. */
static const char *status_of(const char *answers) {
    return keepf("%.12s", answers);
}

START_TEST(what_is_wrong_is_told_and_ends_the_connection) {
    static const struct {
        const char *text;
        const char *status;
    } rows[] = {{"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
                {"\x16\x03\x01", "HTTP/1.1 400"},
                {"GET /\r\n", "HTTP/1.1 400"},
                {"GET / HTTP/2.0\r\n", "HTTP/1.1 505"},
                {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n", "HTTP/1.1 501"},
                {"POST / HTTP/1.1\r\n" HOST "Expect: x\r\n\r\n", "HTTP/1.1 417"},
                {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
                 "HTTP/1.1 400"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        begin();
        /* what stands behind it is never looked at */
        const char *got = all_on(sent(keepf("%s" GET("a"), rows[i].text)));
        ck_assert_msg(strcmp(status_of(got), rows[i].status) == 0, "row %zu: %s", i, got);
        ck_assert_ptr_nonnull(strstr(got, "\r\nConnection: close\r\n"));
        ck_assert_ptr_nonnull(strstr(got, "application/problem+json"));
        ck_assert_uint_eq(taken, 0);
        ck_assert_uint_eq(stats.requests_wrong, i + 1);
        end();
    }
    begin();
    const char *got = all_on(sent(GET("a") "bad\r\n\r\n" GET("b")));
    ck_assert_ptr_eq(strstr(got, ok("GET a? 0 ")), got);
    ck_assert_ptr_nonnull(strstr(got, "HTTP/1.1 400"));
    ck_assert_ptr_null(strstr(got, "GET b"));
    end();
}
END_TEST

START_TEST(a_head_that_is_too_long_is_told_so) {
    begin();
    int fd = sent(keepf("GET / HTTP/1.1\r\nX: %0*d", 70000, 0));
    ck_assert_str_eq(status_of(all_on(fd)), "HTTP/1.1 431");
    end();
}
END_TEST

START_TEST(a_body_that_is_too_long_is_answered_before_its_end) {
    begin();
    int fd = sent(
        keepf("POST /comet/a HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\nabc", BODY_MAX + 1));
    const char *body = "POST a? over 0 ";
    ck_assert_str_eq(take_on(fd, strlen(closing(body))), closing(body));
    /* who goes on sending has the answer, and is not read for ever */
    ck_assert_str_eq(last_on(fd), "");
    fd = sent(keepf("POST /comet/a HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                    "%x\r\n%0*d\r\n5\r\nhello\r\n0\r\n\r\n" GET("b"),
                    BODY_MAX, BODY_MAX, 0));
    ck_assert_str_eq(all_on(fd), closing(keepf("POST a? over %d %020d", BODY_MAX, 0)));
    ck_assert_uint_eq(taken, 2);
    end();
}
END_TEST

START_TEST(large_bodies_together_have_their_limit) {
    begin();
    connections->gathered_max = 300 * 1024;
    const char *half = keepf("POST /comet/a HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n%0*d",
                             BODY_MAX, BODY_MAX - 1, 0);
    int fd = sent(half), other;
    loop_until(loop, connections->gathered > 100 * 1024);
    other = sent(half);
    ck_assert_str_eq(status_of(all_on(other)), "HTTP/1.1 503");
    ck_assert_uint_eq(stats.bodies_refused, 1);
    socket_send(fd, "x", 1);
    ck_assert_str_eq(last_on(fd), ok(keepf("POST a? %d %020d", BODY_MAX, 0)));
    ck_assert_uint_eq(connections->gathered, 0);
    end();
}
END_TEST

START_TEST(a_request_that_does_not_arrive_is_408) {
    static const char *const rows[] = {
        "G", "GET / HTTP/1.1\r\n", "POST / HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\na",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n2\r\n"};
    int fds[ROWS(rows)];

    configure();
    config.request_timeout = 1;
    begin_unix();
    for (size_t i = 0; i < ROWS(rows); i++)
        fds[i] = sent(rows[i]);
    int silent = connected();
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *got = all_on(fds[i]);
        ck_assert_msg(strcmp(status_of(got), "HTTP/1.1 408") == 0, "row %zu: %s", i, got);
    }
    ck_assert_uint_eq(stats.requests_late, ROWS(rows));
    /* who has said nothing is no request */
    ck_assert_str_eq(last_on(silent), "");
    end();
}
END_TEST

START_TEST(no_drop_of_a_request_makes_its_time_longer) {
    struct ev_timer drop;
    configure();
    config.request_timeout = 1;
    begin_unix();
    int fd = sent("GET / HTTP/1.1\r\nX: ");
    double since = ev_time();
    ev_timer_init(&drop, NULL, 0, 0);
    struct buf bytes = buf_make(ANSWER_MAX);
    while (socket_take(fd, &bytes) && bytes.len == 0) {
        ck_assert_msg(ev_time() - since < 60, "never");
        (void)send(fd, "x", 1, MSG_NOSIGNAL);
        usleep(20000);
        loop_turn(loop);
    }
    ck_assert_str_eq(status_of(bytes.data), "HTTP/1.1 408");
    buf_free(&bytes);
    close(fd);
    end();
}
END_TEST

START_TEST(a_connection_without_a_request_is_kept_for_its_time) {
    configure();
    config.keepalive_timeout = 1;
    begin_unix();
    int silent = connected(), kept = sent(GET("a")), held_on = sent(GET("hold"));
    loop_until(loop, held_count == 1);
    ck_assert_str_eq(all_on(silent), "");
    ck_assert_str_eq(all_on(kept), ok("GET a? 0 "));
    ck_assert_uint_eq(stats.requests_late + stats.requests_broken, 0);
    answer(held[0], "late"); /* who waits for his answer does not rest */
    ck_assert_str_eq(all_on(held_on), ok("late"));
    end();
}
END_TEST

START_TEST(connections_beyond_the_limit_are_told_so) {
    configure();
    config.max_connections = 2;
    begin_unix();
    int fds[2] = {sent(GET("hold")), connected()};
    loop_until(loop, held_count == 1 && stats.connections == 2);
    for (int i = 0; i < 3; i++) {
        const char *got = all_on(sent(GET("a")));
        ck_assert_str_eq(status_of(got), "HTTP/1.1 503");
        ck_assert_ptr_nonnull(strstr(got, "Retry-After: 2\r\n"));
        ck_assert_ptr_nonnull(strstr(got, "Connection: close\r\n"));
    }
    ck_assert_uint_eq(stats.connections_over, 3);
    ck_assert_uint_eq(stats.answers_503, 3);
    close(fds[1]);
    loop_until(loop, stats.connections == 1);
    ck_assert_str_eq(last_on(sent(GET("a"))), ok("GET a? 0 "));
    stats.sockets = 1; /* open WebSockets are connections too */
    ck_assert_str_eq(status_of(all_on(sent(GET("a")))), "HTTP/1.1 503");
    stats.sockets = 0;
    close(fds[0]);
    loop_until(loop, gone == 1);
    end();
}
END_TEST

START_TEST(a_slow_reader_is_queued_for_and_then_goes_on) {
    begin();
    int fd = sent(GET("hold") GET("a"));
    struct buf bytes = buf_make(ANSWER_MAX);
    loop_until(loop, held_count == 1);
    const struct head head = {.status = 200, .type = "text/x", .length = HEAD_NO_LENGTH};
    char *large = keep(calloc(1, 1 << 20));
    memset(large, 'x', (1 << 20) - 1);
    ck_assert_int_eq(client_send(held[0], &head, &(struct part){large, strlen(large)}, 1), ERR_OK);
    ck_assert_uint_gt(client_backlog(held[0]), 0);
    loop_until(loop, (socket_take(fd, &bytes), drained == 1));
    ck_assert_uint_eq(client_backlog(held[0]), 0);
    client_finish(held[0], NULL, NULL, 0);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    socket_take_all(loop, fd, &bytes);
    const char *last = keepf("\r\n0\r\n\r\n%s", ok("GET a? 0 "));
    ck_assert_uint_gt(bytes.len, (1 << 20) + strlen(last));
    ck_assert_str_eq(bytes.data + bytes.len - strlen(last), last);
    buf_free(&bytes);
    close(fd);
    end();
}
END_TEST

START_TEST(an_upgrade_hands_over_the_connection_and_what_came_behind) {
    begin();
    int fd = sent(GET("a") GET("upgrade") "\x81\x80 frames");
    loop_until(loop, taken == 2);
    ck_assert_int_ge(upgraded, 0);
    ck_assert_uint_eq(early.len, 9);
    ck_assert_int_eq(memcmp(early.data, "\x81\x80 frames", 9), 0);
    ck_assert_uint_eq(stats.connections, 0);
    socket_send(fd, "more", 4);
    turn_some(); /* is not this door's any more */
    char rest[8];
    ck_assert_int_eq(recv(upgraded, rest, sizeof rest, 0), 4);
    close(upgraded);
    ck_assert_str_eq(all_on(fd), ok("GET a? 0 "));
    end();
}
END_TEST

START_TEST(shutting_down_ends_connections_with_their_answers) {
    begin();
    int resting = connected(), waiting = sent(GET("hold") GET("a")), begun = sent("GET /comet/b");
    loop_until(loop, held_count == 1 && connections->gathered > 0);
    ck_assert(!connections_idle(connections));
    http_server_close(server);
    connections_drain(connections);
    ck_assert_str_eq(all_on(resting), "");
    answer(held[0], "last");
    ck_assert_str_eq(all_on(waiting), closing("last"));
    socket_send(begun, " HTTP/1.1\r\n" HOST "\r\n", 22);
    ck_assert_str_eq(all_on(begun), closing("GET b? 0 "));
    ck_assert(connections_idle(connections));
    end();
}
END_TEST

START_TEST(who_asks_in_the_moment_of_the_end_is_answered) {
    begin();
    int kept = sent(GET("a")), idle = sent(GET("a"));
    ck_assert_str_eq(take_on(kept, strlen(ok("GET a? 0 "))), ok("GET a? 0 "));
    ck_assert_str_eq(take_on(idle, strlen(ok("GET a? 0 "))), ok("GET a? 0 "));
    int begun = connected(), later = connected(), silent = connected();
    loop_until(loop, stats.connections == 5);
    socket_send(kept, GET("b"), strlen(GET("b")));
    socket_send(begun, GET("c"), strlen(GET("c")));
    int waiting = sent(GET("d"));
    http_server_close(server);
    connections_drain(connections);
    socket_send(later, GET("e"), strlen(GET("e")));
    ck_assert_str_eq(all_on(kept), closing("GET b? 0 "));
    ck_assert_str_eq(all_on(begun), closing("GET c? 0 "));
    ck_assert_str_eq(all_on(waiting), closing("GET d? 0 "));
    ck_assert_str_eq(all_on(later), closing("GET e? 0 "));
    ck_assert_str_eq(all_on(idle), "");
    ck_assert_str_eq(all_on(silent), "");
    ck_assert(connections_idle(connections));
    ck_assert_uint_eq(stats.requests_late + stats.requests_broken, 0);
    end();
}
END_TEST

START_TEST(who_has_kept_a_connection_may_ask_once_more_until_it_drains) {
    begin();
    int kept = sent(GET("a")), idle = sent(GET("a"));
    ck_assert_str_eq(take_on(kept, strlen(ok("GET a? 0 "))), ok("GET a? 0 "));
    ck_assert_str_eq(take_on(idle, strlen(ok("GET a? 0 "))), ok("GET a? 0 "));
    http_server_close(server);
    loop_turn(loop);
    socket_send(kept, GET("b"), strlen(GET("b")));
    ck_assert_str_eq(all_on(kept), closing("GET b? 0 "));
    ck_assert_uint_eq(stats.connections, 1);
    connections_drain(connections);
    ck_assert_str_eq(all_on(idle), "");
    end();
}
END_TEST

START_TEST(the_client_is_whom_a_trusted_proxy_names) {
    begin();
    (void)last_on(sent(GET("a")));
    ck_assert_str_eq(sender, "unix:");
    ck_assert(local);
    (void)last_on(sent("GET /comet/a HTTP/1.1\r\n" HOST
                       "X-Forwarded-For: 127.0.0.1\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"));
    ck_assert_str_eq(sender, "192.0.2.1");
    ck_assert(!local);
    end();
    begin_tcp();
    (void)last_on(sent(GET("a")));
    ck_assert_str_eq(sender, "127.0.0.1");
    ck_assert(local);
    (void)last_on(sent("GET /comet/a HTTP/1.1\r\n" HOST "X-Forwarded-For: 192.0.2.1\r\n\r\n"));
    ck_assert_str_eq(sender, "127.0.0.1");
    ck_assert(!local);
    end();
    config.trusted_proxies = keepf("10.0.0.0/8 127.0.0.0/8");
    begin_tcp();
    (void)last_on(sent("GET /comet/a HTTP/1.1\r\n" HOST "X-Forwarded-For: 192.0.2.1\r\n\r\n"));
    ck_assert_str_eq(sender, "192.0.2.1");
    end();
}
END_TEST

/* ------------------------------------------------------------------ in any order */

enum { PEERS = 3, SCRIPT_MAX = 4096 };

/* One client of many: what he sends, how far he is, and what he must get. */
struct peer {
    int fd;
    struct buf says, must, got;
    size_t said;
};

static unsigned random_below(unsigned below) {
    return (unsigned)rand() % below;
}

/* Appends a request, and its answer. True: nothing may follow. */
static bool add_request(struct peer *peer) {
    unsigned id = random_below(1000);
    static const char *const last[] = {"", "", "", "", "", "Connection: close\r\n"};
    const char *ends = last[random_below(6)];
    const char *(*frame)(const char *) = ends[0] != '\0' ? closing : ok;

    switch (random_below(5)) {
    case 0:
        buf_printf(&peer->says, "GET /comet/n%u HTTP/1.1\r\n" HOST "%s\r\n", id, ends);
        buf_text(&peer->must, frame(keepf("GET n%u? 0 ", id)));
        break;
    case 1:
        buf_printf(&peer->says, "GET /comet/hold?%u HTTP/1.1\r\n" HOST "%s\r\n", id, ends);
        buf_text(&peer->must, frame("held"));
        break;
    case 2:
        buf_printf(&peer->says,
                   "POST /comet/n%u HTTP/1.1\r\n" HOST "Content-Length: 3\r\n%s\r\nabc", id, ends);
        buf_text(&peer->must, frame(keepf("POST n%u? 3 abc", id)));
        break;
    case 3:
        buf_printf(&peer->says,
                   "POST /comet/n%u HTTP/1.1\r\n%sTransfer-Encoding: chunked\r\n" HOST
                   "\r\n1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n",
                   id, ends);
        buf_text(&peer->must, frame(keepf("POST n%u? 3 abc", id)));
        break;
    default:
        buf_printf(&peer->says, "\r\nHEAD /comet/n%u HTTP/1.1\r\n" HOST "%s\r\n", id, ends);
        buf_printf(&peer->must, LINES("text/plain") "Content-Length: %zu\r\n%s\r\n",
                   strlen(keepf("HEAD n%u? 0 ", id)), ends);
    }
    return ends[0] != '\0';
}

static void begin_peer(struct peer *peer) {
    *peer = (struct peer){.fd = connected(),
                          .says = buf_make(SCRIPT_MAX),
                          .must = buf_make(ANSWER_MAX),
                          .got = buf_make(ANSWER_MAX)};
    for (unsigned left = 1 + random_below(6); left > 0; left--) {
        if (add_request(peer))
            break;
    }
}

static void answer_some(void) {
    if (held_count == 0)
        return;
    size_t which = random_below((unsigned)held_count);
    struct client *client = held[which];
    held[which] = held[--held_count];
    /* none of them leaves before its answer, so whom the place is told does not matter */
    answer(client, "held");
}

static void move(struct peer *peer) {
    size_t left = peer->says.len - peer->said, most = left < 90 ? left : 90;
    size_t len = most > 0 ? 1 + random_below((unsigned)most) : 0;

    /* who said that it is his last request may find the connection closed behind its answer */
    if (len > 0 && send(peer->fd, peer->says.data + peer->said, len, MSG_NOSIGNAL) == (ssize_t)len)
        peer->said += len;
    if (left > 0 && peer->said == peer->says.len && random_below(2) == 0)
        (void)shutdown(peer->fd, SHUT_WR);
    (void)socket_take(peer->fd, &peer->got);
}

static void end_peer(struct peer *peer, unsigned seed) {
    ck_assert_msg(peer->got.len == peer->must.len && strcmp(peer->got.data, peer->must.data) == 0,
                  "seed %u: \"%s\" instead of \"%s\" for \"%s\"", seed, peer->got.data,
                  peer->must.data, peer->says.data);
    close(peer->fd);
    buf_free(&peer->says);
    buf_free(&peer->must);
    buf_free(&peer->got);
}

START_TEST(whatever_comes_in_whatever_pieces_is_answered_in_its_order) {
    struct peer peers[PEERS];
    unsigned first = (unsigned)getpid() * 7919U;

    begin();
    for (unsigned seed = first; seed < first + 300; seed++) {
        srand(seed);
        for (int i = 0; i < PEERS; i++)
            begin_peer(&peers[i]);
        for (bool done = false; !done;) {
            done = true;
            for (int i = 0; i < PEERS; i++) {
                move(&peers[i]);
                done &= peers[i].got.len >= peers[i].must.len;
            }
            loop_turn(loop);
            if (random_below(3) == 0)
                answer_some();
        }
        for (int i = 0; i < PEERS; i++)
            end_peer(&peers[i], seed);
        loop_until(loop, stats.connections == 0);
        ck_assert_uint_eq(connections->gathered, 0);
        ck_assert_uint_eq(held_count, 0);
    }
    end();
}
END_TEST

UNIT_MAIN("http_server", a_request_is_answered_with_its_length_and_the_connection_kept,
          a_connection_ends_where_one_side_wants_it, bodies_come_by_length_and_in_chunks,
          pieces_of_a_request_are_put_together, a_head_request_has_no_body_in_its_answer,
          a_stream_goes_in_chunks_and_the_connection_goes_on,
          a_stream_of_http_1_0_ends_with_its_connection,
          requests_wait_their_turn_behind_one_that_is_held,
          who_has_stopped_sending_is_answered_all_the_same,
          who_may_have_left_is_doubted_and_has_where_a_reset_answers,
          who_is_gone_is_noticed_while_he_is_held, who_rests_or_waits_has_no_buffer,
          one_hundred_is_said_to_who_waits_for_it, what_is_wrong_is_told_and_ends_the_connection,
          a_head_that_is_too_long_is_told_so, a_body_that_is_too_long_is_answered_before_its_end,
          large_bodies_together_have_their_limit, a_request_that_does_not_arrive_is_408,
          no_drop_of_a_request_makes_its_time_longer,
          a_connection_without_a_request_is_kept_for_its_time,
          connections_beyond_the_limit_are_told_so, a_slow_reader_is_queued_for_and_then_goes_on,
          an_upgrade_hands_over_the_connection_and_what_came_behind,
          shutting_down_ends_connections_with_their_answers,
          who_asks_in_the_moment_of_the_end_is_answered,
          who_has_kept_a_connection_may_ask_once_more_until_it_drains,
          the_client_is_whom_a_trusted_proxy_names,
          whatever_comes_in_whatever_pieces_is_answered_in_its_order)

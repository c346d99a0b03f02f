/* fcgi-app/door/fcgi/intake: requests on their way in, over a unix socket that a web server
 * would connect to.
 */
#include "fcgi-app/door/fcgi/intake.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/cgi.h"
#include "fcgi-app/door/fcgi/fcgi.h"
#include "tests/lib/keep.h"
#include "tests/unit/records.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { BODY_MAX = 8 * 1024 * 1024 };

static struct ev_loop *loop;
static struct stats stats;
static struct config config = {.request_timeout = 10};
static struct connections *connections;
static struct intake *intake;
static struct sockaddr_un address = {.sun_family = AF_UNIX};

/* What was handed over last. */
static unsigned taken;
static char *endpoint, *body;
static size_t body_len;

static void take(void *ctx, struct request *request, struct client *client) {
    (void)ctx;
    taken++;
    request_mount(request, "/comet");
    endpoint = keepf("%s", request->endpoint);
    body = request->body_len > 0
               ? keep(memcpy(malloc(request->body_len), request->body, request->body_len))
               : NULL;
    body_len = request->body_len;
    const char *text = keepf("took %s", request->endpoint);
    request_free(request);
    client_finish(client, NULL, &(struct part){text, strlen(text)}, 1);
}

static const struct request_taker taker = {.take = take};

static void begin(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(cgi_init(), ERR_OK);
    loop = ev_default_loop(0);
    memcpy(address.sun_path + 1, "halley-unit-", 12); /* in the abstract namespace */
    const char *own = keepf("%d", (int)getpid());
    memcpy(address.sun_path + 13, own, strlen(own));
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(fd, 100), 0);
    connections = connections_new(loop, &stats, BODY_MAX);
    intake = intake_new(connections, fd, &config, &taker);
}

static void end(void) {
    ck_assert(connections_idle(connections));
    connections_free(connections);
    intake_free(intake);
    ck_assert_uint_eq(stats.clients, 0);
    ck_assert_uint_eq(stats.connections, 0);
    ev_loop_destroy(loop);
}

static int connect_server(void) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The answer on `fd`, to its end. */
static const char *answer_on(int fd, unsigned id) {
    struct buf bytes = buf_make(RECORDS_MAX);

    socket_take_all(loop, fd, &bytes);
    close(fd);
    const char *text = bytes.len > 0 ? record_answer(bytes.data, bytes.len, id, NULL) : "";
    buf_free(&bytes);
    return text;
}

static struct buf poll_request(void) {
    struct buf text = buf_make(RECORDS_MAX);
    record_request(&text, 1, "GET", "/comet/poll?channel=a", NULL, "", 0);
    return text;
}

START_TEST(a_request_that_is_all_there_is_taken_at_once) {
    struct buf text = poll_request();

    begin();
    int fd = connect_server();
    socket_send(fd, text.data, text.len);
    loop_turn(loop);
    ck_assert_uint_eq(taken, 1);
    ck_assert_str_eq(endpoint, "poll");
    ck_assert_str_eq(answer_on(fd, 1), "took poll");
    ck_assert_uint_eq(stats.requests, 1);
    ck_assert_uint_gt(stats.bytes_in, 0);
    buf_free(&text);
    end();
}
END_TEST

START_TEST(a_request_that_dribbles_in_byte_by_byte_is_taken_when_it_is_whole) {
    struct buf text = buf_make(RECORDS_MAX);

    begin();
    record_request(&text, 1, "POST", "/comet/publish?channel=a", NULL, "hello", 5);
    int fd = connect_server();
    for (size_t i = 0; i < text.len; i++) {
        ck_assert_msg(taken == 0, "taken at %zu of %zu", i, text.len);
        socket_send(fd, text.data + i, 1);
        loop_turn(loop);
    }
    ck_assert_uint_eq(taken, 1);
    ck_assert_uint_eq(body_len, 5);
    ck_assert_mem_eq(body, "hello", 5);
    ck_assert_str_eq(answer_on(fd, 1), "took publish");
    buf_free(&text);
    end();
}
END_TEST

START_TEST(many_connections_dribble_without_disturbing_each_other) {
    enum { MANY = 40 };
    struct buf text = poll_request();
    int fds[MANY];

    begin();
    for (int i = 0; i < MANY; i++)
        fds[i] = connect_server();
    for (size_t at = 0; at < text.len; at += 7) {
        for (int i = 0; i < MANY; i++)
            socket_send(fds[i], text.data + at, text.len - at < 7 ? text.len - at : 7);
        loop_turn(loop);
    }
    loop_until(loop, taken == MANY);
    for (int i = 0; i < MANY; i++)
        ck_assert_str_eq(answer_on(fds[i], 1), "took poll");
    buf_free(&text);
    end();
}
END_TEST

START_TEST(a_request_that_is_cut_off_anywhere_is_never_taken) {
    struct buf text = buf_make(RECORDS_MAX);

    config.request_timeout = 1;
    begin();
    record_request(&text, 1, "POST", "/comet/publish", NULL, "hello", 5);
    for (size_t cut = 0; cut < text.len; cut++) {
        int fd = connect_server();
        if (cut > 0)
            socket_send(fd, text.data, cut);
        close(fd);
        loop_turn(loop);
    }
    loop_until(loop, stats.requests_broken == text.len);
    ck_assert_uint_eq(taken, 0);
    buf_free(&text);
    end();
}
END_TEST

START_TEST(a_half_close_in_the_middle_is_the_end_too) {
    struct buf text = poll_request();

    begin();
    int fd = connect_server();
    socket_send(fd, text.data, text.len - 4);
    shutdown(fd, SHUT_WR);
    ck_assert_str_eq(answer_on(fd, 1), "");
    ck_assert_uint_eq(stats.requests_broken, 1);
    ck_assert_uint_eq(taken, 0);
    buf_free(&text);
    end();
}
END_TEST

START_TEST(junk_is_closed_at_once) {
    static const struct part rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {"\x00", 1},
        {"\x02\x01\x00\x01\x00\x08\x00\x00", 8},
        {"\x01\x01\x00\x01\x00\x07\x00\x00", 8},            /* a short beginning */
        {"\x01\x01\x00\x01\x00\x08\x00\x00\0\1\0\0\0\0\0\0" /* another version within */
         "\x00\x04\x00\x01\x00\x00\x00\x00",
         24}};
    begin();
    for (size_t i = 0; i < ROWS(rows); i++) {
        int fd = connect_server();
        socket_send(fd, rows[i].data, rows[i].len);
        ck_assert_str_eq(answer_on(fd, 1), "");
        ck_assert_msg(stats.requests_broken == i + 1, "row %zu", i);
    }
    ck_assert_uint_eq(taken, 0);
    end();
}
END_TEST

START_TEST(oversized_parameters_are_refused_before_they_are_read) {
    struct buf text = buf_make(RECORDS_MAX);
    char *value = keep(calloc(1, 60001));

    begin();
    memset(value, 'x', 60000);
    const char *const names[] = {"HTTP_A", value, "HTTP_B", value, NULL};
    record_request(&text, 9, "GET", "/comet/poll", names, "", 0);
    int fd = connect_server();
    socket_send(fd, text.data, text.len);
    const char *answer = answer_on(fd, 9);
    ck_assert_msg(strncmp(answer, "Status: 413 ", 12) == 0, "%s", answer);
    ck_assert_uint_eq(taken, 0);
    buf_free(&text);
    end();
}
END_TEST

static struct buf large;

static void *send_large(void *ctx) {
    socket_send(*(int *)ctx, large.data, large.len);
    return NULL;
}

START_TEST(a_body_larger_than_the_socket_is_taken_as_it_comes) {
    enum { SIZE = 5 * 1024 * 1024 };
    char *data = keep(malloc(SIZE));
    pthread_t sender;

    begin();
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (char)(i % 253);
    large = buf_make(RECORDS_MAX);
    record_request(&large, 1, "POST", "/comet/publish", NULL, data, SIZE);
    int fd = connect_server();
    ck_assert_int_eq(pthread_create(&sender, NULL, send_large, &fd), 0);
    loop_until(loop, taken == 1);
    pthread_join(sender, NULL);
    ck_assert_uint_eq(body_len, SIZE);
    ck_assert_int_eq(memcmp(body, data, SIZE), 0);
    ck_assert_uint_eq(stats.requests_large, 1);
    ck_assert_str_eq(answer_on(fd, 1), "took publish");
    buf_free(&large);
    end();
}
END_TEST

START_TEST(many_large_bodies_come_side_by_side) {
    enum { MANY = 20, SIZE = 600000 };
    char *data = keep(calloc(1, SIZE));
    pthread_t senders[MANY];
    int fds[MANY];

    begin();
    large = buf_make(RECORDS_MAX);
    record_request(&large, 1, "POST", "/comet/publish", NULL, data, SIZE);
    for (int i = 0; i < MANY; i++) {
        fds[i] = connect_server();
        ck_assert_int_eq(pthread_create(&senders[i], NULL, send_large, &fds[i]), 0);
    }
    loop_until(loop, taken == MANY);
    for (int i = 0; i < MANY; i++) {
        pthread_join(senders[i], NULL);
        ck_assert_str_eq(answer_on(fds[i], 1), "took publish");
    }
    buf_free(&large);
    end();
}
END_TEST

START_TEST(a_large_body_that_breaks_off_is_broken) {
    struct buf text = buf_make(RECORDS_MAX);
    char *data = keep(calloc(1, 100000));

    begin();
    record_request(&text, 1, "POST", "/comet/publish", NULL, data, 100000);
    int fd = connect_server();
    socket_send(fd, text.data, text.len / 2);
    loop_until(loop, stats.requests_large == 1);
    close(fd);
    loop_until(loop, stats.requests_broken == 1);
    ck_assert_uint_eq(taken, 0);
    buf_free(&text);
    end();
}
END_TEST

/* Sends as much as the intake takes; returns when nothing moves any more. */
static size_t push(int fd, const char *data, size_t len) {
    size_t sent = 0;

    for (int idle = 0; idle < 3 && sent < len;) {
        ssize_t n = send(fd, data + sent, len - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
        sent += n > 0 ? (size_t)n : 0;
        idle = n > 0 ? 0 : idle + 1;
        loop_turn(loop);
    }
    return sent;
}

START_TEST(bodies_that_come_together_have_a_limit_together) {
    enum { SIZE = BODY_MAX - 100, MANY = 9 };
    char *data = keep(calloc(1, SIZE));
    struct buf text = buf_make(RECORDS_MAX);
    int fds[MANY];

    begin();
    record_request(&text, 1, "POST", "/comet/publish", NULL, data, SIZE);
    for (int i = 0; i < MANY; i++) {
        fds[i] = connect_server();
        (void)push(fds[i], text.data, text.len - 8);
    }
    ck_assert_uint_eq(stats.bodies_refused, 1);
    ck_assert_uint_eq(taken, 0);
    const char *answer = answer_on(fds[MANY - 1], 1);
    ck_assert_msg(strncmp(answer, "Status: 503 ", 12) == 0, "%s", answer);
    for (int i = 0; i < MANY - 1; i++) {
        socket_send(fds[i], text.data + text.len - 8, 8);
        loop_until(loop, taken == (unsigned)i + 1);
        ck_assert_uint_eq(body_len, SIZE);
        ck_assert_str_eq(answer_on(fds[i], 1), "took publish");
    }
    ck_assert_uint_eq(connections->gathered, 0);
    buf_free(&text);
    end();
}
END_TEST

/* A slow upload may take longer than request_timeout, as long as it goes on. */
START_TEST(a_large_body_has_its_time_for_each_piece) {
    enum { SIZE = 480000, PIECE = 40000 };
    char *data = keep(calloc(1, SIZE));
    struct buf text = buf_make(RECORDS_MAX);

    config.request_timeout = 5;
    begin();
    record_request(&text, 1, "POST", "/comet/publish", NULL, data, SIZE);
    int fd = connect_server();
    double started = ev_time();
    for (size_t at = 0; at < text.len; at += PIECE) {
        socket_send(fd, text.data + at, text.len - at < PIECE ? text.len - at : PIECE);
        for (int i = 0; i < 50; i++) {
            loop_turn(loop);
            pause_ms(10);
        }
    }
    loop_until(loop, taken == 1);
    ck_assert_double_gt(ev_time() - started, config.request_timeout);
    ck_assert_str_eq(answer_on(fd, 1), "took publish");

    int slow = connect_server();
    (void)push(slow, text.data, text.len / 2);
    const char *answer = answer_on(slow, 1); /* and then nothing */
    ck_assert_msg(strncmp(answer, "Status: 400 ", 12) == 0, "%s", answer);
    buf_free(&text);
    end();
}
END_TEST

START_TEST(ending_in_the_midst_of_large_bodies_leaves_nothing) {
    enum { SIZE = 1000000 };
    char *data = keep(calloc(1, SIZE));
    struct buf text = buf_make(RECORDS_MAX);

    begin();
    record_request(&text, 1, "POST", "/comet/publish", NULL, data, SIZE);
    int fd = connect_server(), other = connect_server();
    (void)push(fd, text.data, text.len / 2);
    (void)push(other, text.data, text.len / 3);
    ck_assert_uint_eq(stats.requests_large, 2);
    intake_close(intake);
    ck_assert(!connections_idle(connections));
    (void)push(fd, text.data + text.len / 2, 1000); /* it may go on to arrive */
    connections_free(connections);
    intake_free(intake);
    ck_assert_uint_eq(stats.connections, 0);
    close(fd);
    close(other);
    ev_loop_destroy(loop);
    buf_free(&text);
}
END_TEST

START_TEST(a_request_that_does_not_arrive_in_time_is_told_so) {
    struct buf text = poll_request();

    config.request_timeout = 1;
    begin();
    int silent = connect_server(), slow = connect_server();
    socket_send(slow, text.data, text.len - 1);
    const char *answer = answer_on(slow, 1);
    ck_assert_msg(strncmp(answer, "Status: 400 ", 12) == 0 && strstr(answer, "1 seconds") != NULL,
                  "%s", answer);
    ck_assert_str_eq(answer_on(silent, 1), ""); /* nothing was asked, nothing is answered */
    ck_assert_uint_eq(stats.requests_broken, 2);
    buf_free(&text);
    end();
}
END_TEST

/* ------------------------------------------------------------- kept connections */

/* As poll_request(), with FCGI_KEEP_CONN set. */
static struct buf kept_request(void) {
    struct buf text = poll_request();
    text.data[FCGI_HEADER + 2] = 1;
    return text;
}

/* The next answer on a connection that stays open. */
static const char *next_answer(int fd) {
    struct buf bytes = buf_make(RECORDS_MAX);

    loop_until(loop, (ck_assert(socket_take(fd, &bytes)), bytes.len >= FCGI_FINISH));
    const char *text = record_answer(bytes.data, bytes.len, 1, NULL);
    buf_free(&bytes);
    return text;
}

START_TEST(a_kept_connection_carries_one_request_after_the_other) {
    struct buf text = kept_request();

    begin();
    int fd = connect_server();
    for (unsigned i = 1; i <= 100; i++) {
        socket_send(fd, text.data, text.len);
        ck_assert_str_eq(next_answer(fd), "took poll");
        ck_assert_uint_eq(taken, i);
        ck_assert_uint_eq(stats.connections_kept, 1);
        ck_assert_uint_eq(stats.clients, 0);
    }
    ck_assert_uint_eq(stats.connections, 1);
    ck_assert_uint_eq(stats.requests_reused, 99);
    ck_assert(connections_idle(connections)); /* one that rests keeps nobody */
    close(fd);
    loop_until(loop, stats.connections == 0);
    ck_assert_uint_eq(stats.requests_broken, 0);
    buf_free(&text);
    end();
}
END_TEST

START_TEST(the_last_request_of_a_kept_connection_closes_it) {
    struct buf text = kept_request(), last = poll_request();

    begin();
    int fd = connect_server();
    socket_send(fd, text.data, text.len);
    ck_assert_str_eq(next_answer(fd), "took poll");
    socket_send(fd, last.data, last.len);
    ck_assert_str_eq(answer_on(fd, 1), "took poll"); /* to its end */
    ck_assert_uint_eq(stats.connections, 0);
    buf_free(&text);
    buf_free(&last);
    end();
}
END_TEST

START_TEST(half_a_request_on_a_kept_connection_blocks_nobody) {
    struct buf text = kept_request();

    config.request_timeout = 1;
    begin();
    int half = connect_server(), other = connect_server();
    socket_send(half, text.data, text.len);
    ck_assert_str_eq(next_answer(half), "took poll");
    socket_send(half, text.data, text.len / 2);
    loop_turn(loop);
    ck_assert_uint_eq(stats.connections_kept, 0);
    socket_send(other, text.data, text.len);
    ck_assert_str_eq(next_answer(other), "took poll");
    const char *answer = answer_on(half, 1); /* its time is over */
    ck_assert_msg(strncmp(answer, "Status: 400 ", 12) == 0, "%s", answer);
    ck_assert_uint_eq(stats.connections, 1);
    close(other);
    loop_until(loop, stats.connections == 0);
    buf_free(&text);
    end();
}
END_TEST

START_TEST(junk_on_a_kept_connection_ends_it) {
    struct buf text = kept_request(), bytes = buf_make(RECORDS_MAX);

    begin();
    int fd = connect_server();
    socket_send(fd, text.data, text.len);
    ck_assert_str_eq(next_answer(fd), "took poll");
    socket_send(fd, "GET / HTTP/1.0\r\n\r\n", 18);
    loop_until(loop, !socket_take(fd, &bytes));
    ck_assert_uint_eq(bytes.len, 0);
    ck_assert_uint_eq(taken, 1);
    ck_assert_uint_eq(stats.requests_broken, 1);
    close(fd);
    buf_free(&text);
    buf_free(&bytes);
    end();
}
END_TEST

START_TEST(closing_ends_the_connections_that_rest) {
    struct buf text = kept_request(), bytes = buf_make(RECORDS_MAX);

    begin();
    int fd = connect_server();
    socket_send(fd, text.data, text.len);
    int asks = connect_server();
    socket_send(asks, text.data, text.len);
    ck_assert_str_eq(next_answer(fd), "took poll");
    ck_assert_str_eq(next_answer(asks), "took poll");
    intake_close(intake);
    ck_assert_uint_eq(stats.connections_kept, 2);
    socket_send(asks, text.data, text.len);
    connections_drain(connections);
    ck_assert_uint_eq(stats.connections, 0);
    ck_assert_str_eq(answer_on(asks, 1), "took poll"); /* it had come before the end */
    ck_assert(!socket_take(fd, &bytes));
    close(fd);
    buf_free(&text);
    buf_free(&bytes);
    end();
}
END_TEST

START_TEST(closing_takes_what_was_already_waiting) {
    struct buf text = poll_request();

    begin();
    int fd = connect_server(), half = connect_server();
    socket_send(fd, text.data, text.len);
    socket_send(half, text.data, 10);
    intake_close(intake);
    ck_assert_uint_eq(taken, 1);
    ck_assert(!connections_idle(connections));
    int refused = socket(AF_UNIX, SOCK_STREAM, 0);
    ck_assert_int_ne(connect(refused, (struct sockaddr *)&address, sizeof address), 0);
    close(refused);
    socket_send(half, text.data + 10, text.len - 10);
    loop_until(loop, taken == 2);
    ck_assert(connections_idle(connections));
    ck_assert_str_eq(answer_on(fd, 1), "took poll");
    ck_assert_str_eq(answer_on(half, 1), "took poll");
    intake_close(intake);
    buf_free(&text);
    end();
}
END_TEST

START_TEST(freeing_ends_what_is_still_on_its_way) {
    struct buf text = poll_request(), bytes = buf_make(RECORDS_MAX);

    begin();
    int fd = connect_server();
    socket_send(fd, text.data, 20);
    loop_turn(loop);
    ck_assert(!connections_idle(connections));
    connections_free(connections);
    intake_free(intake);
    ck_assert(!socket_take(fd, &bytes));
    intake_free(NULL);
    connections_free(NULL);
    close(fd);
    ev_loop_destroy(loop);
    buf_free(&text);
    buf_free(&bytes);
}
END_TEST

UNIT_MAIN("intake", a_request_that_is_all_there_is_taken_at_once,
          a_request_that_dribbles_in_byte_by_byte_is_taken_when_it_is_whole,
          many_connections_dribble_without_disturbing_each_other,
          a_request_that_is_cut_off_anywhere_is_never_taken,
          a_half_close_in_the_middle_is_the_end_too, junk_is_closed_at_once,
          oversized_parameters_are_refused_before_they_are_read,
          a_body_larger_than_the_socket_is_taken_as_it_comes, many_large_bodies_come_side_by_side,
          a_large_body_that_breaks_off_is_broken, bodies_that_come_together_have_a_limit_together,
          a_large_body_has_its_time_for_each_piece,
          ending_in_the_midst_of_large_bodies_leaves_nothing,
          a_request_that_does_not_arrive_in_time_is_told_so, closing_takes_what_was_already_waiting,
          freeing_ends_what_is_still_on_its_way,
          a_kept_connection_carries_one_request_after_the_other,
          the_last_request_of_a_kept_connection_closes_it,
          half_a_request_on_a_kept_connection_blocks_nobody, junk_on_a_kept_connection_ends_it,
          closing_ends_the_connections_that_rest)

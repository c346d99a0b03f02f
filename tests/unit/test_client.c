/* fcgi-app/door/client: answers on a FastCGI connection, over a socket pair whose other
 * end is the web server's.
 */
#include "fcgi-app/door/client.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/client_fcgi.h"
#include "fcgi-app/door/fcgi/fcgi.h"
#include "fcgi-app/door/problem.h"
#include "tests/lib/keep.h"
#include "tests/unit/records.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { ID = 0x0102 };

static struct ev_loop *loop;
static struct stats stats;
static struct connections *connections;
static int server; /* the web server's end */
static int own;    /* the client's end, its own to close */
static unsigned gone, drained;
static struct buf answer;

enum door { FCGI, CGI };

static struct client *begin(enum door door) {
    int ends[2];

    loop = ev_loop_new(0);
    socket_pair(ends);
    server = ends[0];
    own = ends[1];
    answer = buf_make(RECORDS_MAX);
    connections = connections_new(loop, &stats, 0);
    return door == FCGI ? client_fcgi_new(connections, own, ID)
                        : client_cgi_new(connections, own, false);
}

static void end(void) {
    ck_assert_uint_eq(stats.clients, 0);
    ck_assert_uint_eq(stats.connections, 0);
    connections_free(connections);
    buf_free(&answer);
    close(server);
    ev_loop_destroy(loop);
}

static void on_gone(void *ctx) {
    gone++;
    client_drop(*(struct client **)ctx);
}

static void on_drained(void *ctx) {
    (void)ctx;
    drained++;
}

static const struct client_events events = {.gone = on_gone, .drained = on_drained};

/* `len` bytes that differ from record to record; kept. */
static char *pattern(size_t len) {
    char *data = keep(malloc(len + 1));
    for (size_t i = 0; i < len; i++)
        data[i] = (char)('a' + (i / 251 + i) % 26);
    data[len] = '\0';
    return data;
}

static void finish(struct client *client, const char *text) {
    client_finish(client, NULL, &(struct part){text, strlen(text)}, 1);
}

static void send_text(struct client *client, const char *text) {
    ck_assert_int_eq(client_send(client, NULL, &(struct part){text, strlen(text)}, 1), ERR_OK);
}

START_TEST(finishing_sends_output_and_end_and_closes) {
    struct client *client = begin(FCGI);

    ck_assert_uint_eq(stats.clients, 1);
    finish(client, "hello");
    ck_assert(!socket_take(server, &answer)); /* closed at once: nothing waits for the loop */
    ck_assert_str_eq(record_answer(answer.data, answer.len, ID, NULL), "hello");
    ck_assert_uint_eq(answer.len, FCGI_HEADER + 5 + FCGI_FINISH);
    ck_assert_uint_eq(stats.bytes_out, answer.len);
    end();
}
END_TEST

START_TEST(parts_are_one_piece) {
    struct client *client = begin(FCGI);
    const struct part parts[] = {{"Status: 200\r\n", 13}, {"", 0}, {"\r\n", 2}, {"body", 4}};

    client_finish(client, NULL, parts, 4);
    socket_take(server, &answer);
    ck_assert_str_eq(record_answer(answer.data, answer.len, ID, NULL), "Status: 200\r\n\r\nbody");
    ck_assert_uint_eq(answer.len, FCGI_HEADER + 19 + FCGI_FINISH);
    end();
}
END_TEST

START_TEST(an_answer_of_nothing_still_ends) {
    struct client *client = begin(FCGI);

    client_finish(client, NULL, NULL, 0);
    ck_assert(!socket_take(server, &answer));
    ck_assert_str_eq(record_answer(answer.data, answer.len, ID, NULL), "");
    ck_assert_uint_eq(answer.len, FCGI_FINISH);
    end();
}
END_TEST

START_TEST(output_larger_than_a_record_is_split_without_losing_a_byte) {
    static const size_t sizes[] = {65534, 65535, 65536, 131070, 131071, 1000003};

    for (size_t i = 0; i < ROWS(sizes); i++) {
        struct client *client = begin(FCGI);
        const char *data = pattern(sizes[i]);
        const struct part parts[] = {{data, 7}, {data + 7, sizes[i] - 7}};
        size_t len;
        client_finish(client, NULL, parts, 2);
        socket_take_all(loop, server, &answer);
        const char *got = record_answer(answer.data, answer.len, ID, &len);
        ck_assert_msg(len == sizes[i] && memcmp(got, data, len) == 0, "%zu bytes", sizes[i]);
        size_t records = (sizes[i] + FCGI_CONTENT_MAX - 1) / FCGI_CONTENT_MAX;
        ck_assert_uint_eq(answer.len, sizes[i] + records * FCGI_HEADER + FCGI_FINISH);
        end();
    }
}
END_TEST

START_TEST(several_sends_are_one_answer) {
    struct client *client = begin(FCGI);

    send_text(client, "one ");
    ck_assert(socket_take(server, &answer));
    ck_assert_str_eq(record_output(answer.data, answer.len, ID, NULL), "one ");
    send_text(client, "two ");
    send_text(client, "");
    finish(client, "three");
    ck_assert(!socket_take(server, &answer));
    ck_assert_str_eq(record_answer(answer.data, answer.len, ID, NULL), "one two three");
    end();
}
END_TEST

START_TEST(what_the_descriptor_does_not_take_is_queued_and_drained) {
    struct client *client = begin(FCGI);
    enum { SIZE = 300000 };
    const char *data = pattern(SIZE);

    drained = 0;
    socket_narrow(own);
    client_watch(client, &events, &client);
    client_hold(client);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){data, SIZE}, 1), ERR_OK);
    ck_assert_uint_gt(client_backlog(client), 0);
    send_text(client, "and this");
    ck_assert_uint_gt(client_backlog(client), FCGI_HEADER + 8);
    loop_turn(loop);
    ck_assert_uint_eq(drained, 0);
    loop_until(loop, (socket_take(server, &answer), client_backlog(client) == 0));
    socket_take(server, &answer);
    ck_assert_uint_eq(drained, 1);
    size_t len;
    const char *got = record_output(answer.data, answer.len, ID, &len);
    ck_assert_uint_eq(len, SIZE + 8);
    ck_assert_int_eq(memcmp(got, data, SIZE), 0);
    ck_assert_str_eq(got + SIZE, "and this");
    client_drop(client);
    end();
}
END_TEST

START_TEST(a_slow_reader_gets_the_whole_end_before_the_close) {
    struct client *client = begin(FCGI);
    enum { SIZE = 200000 };
    const char *data = pattern(SIZE);
    size_t len;

    socket_narrow(own);
    client_finish(client, NULL, &(struct part){data, SIZE}, 1);
    ck_assert_uint_eq(stats.clients, 1); /* it is still busy with it */
    socket_take_all(loop, server, &answer);
    record_answer(answer.data, answer.len, ID, &len);
    ck_assert_uint_eq(len, SIZE);
    end();
}
END_TEST

START_TEST(a_client_that_is_finishing_tells_nobody_any_more) {
    struct client *client = begin(FCGI);

    gone = drained = 0;
    socket_narrow(own);
    client_watch(client, &events, &client);
    client_hold(client);
    client_finish(client, NULL, &(struct part){pattern(200000), 200000}, 1);
    shutdown(server, SHUT_WR);
    loop_turn(loop);
    socket_take_all(loop, server, &answer);
    ck_assert_uint_eq(gone, 0);
    ck_assert_uint_eq(drained, 0);
    end();
}
END_TEST

START_TEST(a_server_that_closes_is_told_at_once) {
    struct client *client = begin(FCGI);

    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 0);
    shutdown(server, SHUT_WR);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 1);
    end();
}
END_TEST

START_TEST(an_abort_means_that_the_browser_has_left_and_is_answered) {
    struct client *client = begin(FCGI);

    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    send_text(client, "begun");
    socket_send(server, "\x01\x02\x01\x02\x00\x00\x00\x00", 8); /* ABORT_REQUEST */
    loop_turn(loop);
    ck_assert_uint_eq(gone, 1);
    ck_assert(!socket_take(server, &answer));
    ck_assert_str_eq(record_answer(answer.data, answer.len, ID, NULL), "begun");
    end();
}
END_TEST

START_TEST(an_abort_of_what_is_queued_still_ends_whole) {
    struct client *client = begin(FCGI);
    enum { SIZE = 300000 };
    size_t len;

    gone = 0;
    socket_narrow(own);
    client_watch(client, &events, &client);
    client_hold(client);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){pattern(SIZE), SIZE}, 1), ERR_OK);
    socket_send(server, "\x01\x02\x01\x02\x00\x00\x00\x00", 8);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 1);
    socket_take_all(loop, server, &answer);
    record_answer(answer.data, answer.len, ID, &len);
    ck_assert_uint_eq(len, SIZE);
    end();
}
END_TEST

/* What came before somebody held the client is not lost. */
START_TEST(an_end_that_came_early_is_told_when_it_is_held) {
    for (int late = 0; late < 2; late++) {
        struct client *client = begin(FCGI);

        gone = 0;
        client_hold(client);
        loop_turn(loop);
        if (late)
            shutdown(server, SHUT_WR);
        else
            socket_send(server, "\x01\x02\x01\x02\x00\x00\x00\x00", 8);
        loop_turn(loop);
        client_watch(client, &events, &client);
        client_hold(client);
        loop_turn(loop);
        ck_assert_uint_eq(gone, 1);
        end();
    }
}
END_TEST

START_TEST(records_of_nobody_harm_nothing) {
    struct client *client = begin(FCGI);
    struct buf stray = buf_make(RECORDS_MAX);

    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    record_add(&stray, RECORD_ABORT, 7, NULL, 0, 3);
    record_add(&stray, RECORD_STDIN, ID, "too late", 8, 255);
    record_add(&stray, RECORD_PARAMS, 9, "x", 1, 0);
    for (size_t i = 0; i < stray.len; i++) {
        socket_send(server, stray.data + i, 1);
        loop_turn(loop);
    }
    ck_assert_uint_eq(gone, 0);
    finish(client, "hello");
    ck_assert(!socket_take(server, &answer));
    ck_assert_str_eq(record_answer(answer.data, answer.len, ID, NULL), "hello");
    buf_free(&stray);
    end();
}
END_TEST

START_TEST(who_asks_without_end_and_reads_nothing_is_cut_off) {
    struct client *client = begin(FCGI);
    static const char question[8] = "\x01\x2a";
    int asked = 0;

    gone = 0;
    socket_narrow(own);
    client_watch(client, &events, &client);
    client_hold(client);
    while (gone == 0 && asked < 1000000) {
        asked++;
        if (send(server, question, sizeof question, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
            loop_turn(loop);
    }
    ck_assert_uint_eq(gone, 1);
    end();
}
END_TEST

START_TEST(bytes_that_are_no_records_mean_that_nobody_is_there) {
    struct client *client = begin(FCGI);

    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    socket_send(server, "GET / HTTP/1.1\r\n", 16);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 1);
    end();
}
END_TEST

/* Apache's mod_cgid closes its half of the socket when the request is sent. */
START_TEST(a_cgi_program_is_left_when_nobody_reads_not_when_nobody_sends) {
    struct client *client = begin(CGI);

    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    shutdown(server, SHUT_WR);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 0);
    send_text(client, "Status: 200 OK\r\n\r\n");
    ck_assert(socket_take(server, &answer));
    ck_assert_str_eq(answer.data, "Status: 200 OK\r\n\r\n");
    close(server);
    server = open("/dev/null", O_RDONLY);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 1);
    end();
}
END_TEST

START_TEST(a_cgi_program_whose_pipe_is_closed_is_left) {
    int ends[2];

    loop = ev_loop_new(0);
    connections = connections_new(loop, &stats, 0);
    ck_assert_int_eq(pipe(ends), 0);
    struct client *client = client_cgi_new(connections, ends[1], false);
    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    close(ends[0]);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 1);
    server = open("/dev/null", O_RDONLY);
    end();
}
END_TEST

START_TEST(sending_to_nobody_says_so) {
    struct client *client = begin(FCGI);

    close(server);
    server = open("/dev/null", O_RDONLY);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){"x", 1}, 1), ERR_GONE);
    client_drop(client);
    end();
}
END_TEST

START_TEST(finishing_to_nobody_frees) {
    struct client *client = begin(FCGI);

    close(server);
    server = open("/dev/null", O_RDONLY);
    finish(client, "x");
    end();
}
END_TEST

START_TEST(a_reader_that_leaves_while_the_queue_drains_is_told) {
    struct client *client = begin(FCGI);

    gone = 0;
    socket_narrow(own);
    client_watch(client, &events, &client);
    client_hold(client);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){pattern(300000), 300000}, 1), ERR_OK);
    close(server);
    server = open("/dev/null", O_RDONLY);
    loop_until(loop, gone == 1);
    end();
}
END_TEST

START_TEST(dropping_closes_without_an_end) {
    struct client *client = begin(FCGI);

    send_text(client, "half");
    client_drop(client);
    ck_assert(!socket_take(server, &answer));
    ck_assert_uint_eq(answer.len, FCGI_HEADER + 4);
    client_drop(NULL);
    end();
}
END_TEST

START_TEST(a_cgi_answer_is_not_framed) {
    struct client *client = begin(CGI);

    send_text(client, "Status: 200 OK\r\n\r\n");
    finish(client, "body");
    ck_assert(!socket_take(server, &answer));
    ck_assert_str_eq(answer.data, "Status: 200 OK\r\n\r\nbody");
    end();
}
END_TEST

START_TEST(a_pipe_takes_an_answer_too) {
    int ends[2];
    char text[64];

    loop = ev_loop_new(0);
    connections = connections_new(loop, &stats, 0);
    ck_assert_int_eq(pipe(ends), 0);
    struct client *client = client_cgi_new(connections, ends[1], false);
    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 0); /* a pipe cannot tell */
    finish(client, "body");
    ck_assert_int_eq(read(ends[0], text, sizeof text), 4);
    ck_assert_int_eq(read(ends[0], text, sizeof text), 0);
    server = ends[0];
    end();
}
END_TEST

/* The web server has the same pipe: closing it here ends nothing (epoll(7)). */
START_TEST(a_cgi_program_hears_no_more_of_a_pipe_that_others_have_too) {
    for (int drops = 0; drops < 2; drops++) {
        int ends[2];

        loop = ev_loop_new(0);
        connections = connections_new(loop, &stats, 0);
        ck_assert_int_eq(pipe(ends), 0);
        int others = dup(ends[1]);
        struct client *client = client_cgi_new(connections, ends[1], false);
        gone = 0;
        client_watch(client, &events, &client);
        client_hold(client);
        loop_turn(loop);
        if (drops)
            client_drop(client);
        else
            finish(client, "body");
        close(ends[0]);
        loop_turn(loop);
        ck_assert_uint_eq(gone, 0);
        server = others;
        end();
    }
}
END_TEST

#define HEAD_OF_OK                                                                                 \
    "Status: 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\n"                    \
    "X-Content-Type-Options: nosniff\r\nX-Accel-Buffering: no\r\nAccept-Ranges: none\r\n"

static const struct head ok = {.status = 200, .type = "text/plain", .length = 4};

START_TEST(a_head_goes_with_the_first_piece_in_one_record) {
    struct client *client = begin(FCGI);
    const char *want = HEAD_OF_OK "Content-Length: 4\r\n\r\nbody";

    size_t size = client_head_size(client, &ok);
    client_finish(client, &ok, &(struct part){"body", 4}, 1);
    ck_assert(!socket_take(server, &answer));
    ck_assert_str_eq(record_answer(answer.data, answer.len, ID, NULL), want);
    ck_assert_uint_eq(answer.len, FCGI_HEADER + strlen(want) + FCGI_FINISH);
    ck_assert_uint_eq(size, strlen(want) - 4);
    end();
}
END_TEST

START_TEST(the_answer_to_a_head_request_is_its_head) {
    for (int pieces = 0; pieces < 2; pieces++) {
        struct client *client = begin(CGI);
        struct head head = ok;

        connection_of(client)->head_only = true;
        head.length = pieces ? HEAD_NO_LENGTH : 4;
        if (pieces)
            ck_assert_int_eq(client_send(client, &head, &(struct part){"bo", 2}, 1), ERR_OK);
        client_finish(client, pieces ? NULL : &head, &(struct part){"body", 4}, 1);
        ck_assert(!socket_take(server, &answer));
        ck_assert_str_eq(answer.data,
                         pieces ? HEAD_OF_OK "\r\n" : HEAD_OF_OK "Content-Length: 4\r\n\r\n");
        end();
    }
}
END_TEST

START_TEST(fields_of_a_client_stand_in_whatever_it_is_answered) {
    struct problem problem;

    for (int refused = 0; refused < 2; refused++) {
        struct client *client = begin(FCGI);
        client_add_fields(client, "X-One: 1\r\n");
        client_add_fields(client, "X-Two: 2\r\n");
        if (refused)
            client_refuse(client, problem_set(&problem, 400, "wrong"));
        else
            client_finish(client, &ok, &(struct part){"body", 4}, 1);
        ck_assert(!socket_take(server, &answer));
        const char *text = record_answer(answer.data, answer.len, ID, NULL);
        ck_assert_ptr_nonnull(strstr(text, "\r\nX-One: 1\r\nX-Two: 2\r\nContent-Length: "));
        ck_assert_ptr_nonnull(strstr(text, refused ? "Status: 400 " : "Status: 200 "));
        end();
    }
}
END_TEST

START_TEST(a_connection_that_is_given_away_stays_open_and_is_watched_no_more) {
    struct client *client = begin(FCGI);

    gone = 0;
    client_watch(client, &events, &client);
    client_hold(client);
    loop_turn(loop);
    int fd = connection_detach(connection_of(client));
    ck_assert_int_eq(fd, own);
    socket_send(server, "hello", 5);
    loop_turn(loop);
    ck_assert_uint_eq(gone, 0);
    char text[8];
    ck_assert_int_eq(read(fd, text, sizeof text), 5);
    close(fd);
    end();
}
END_TEST

UNIT_MAIN("client", finishing_sends_output_and_end_and_closes, parts_are_one_piece,
          an_answer_of_nothing_still_ends,
          output_larger_than_a_record_is_split_without_losing_a_byte, several_sends_are_one_answer,
          what_the_descriptor_does_not_take_is_queued_and_drained,
          a_slow_reader_gets_the_whole_end_before_the_close,
          a_client_that_is_finishing_tells_nobody_any_more, a_server_that_closes_is_told_at_once,
          an_abort_means_that_the_browser_has_left_and_is_answered,
          an_abort_of_what_is_queued_still_ends_whole,
          an_end_that_came_early_is_told_when_it_is_held, records_of_nobody_harm_nothing,
          who_asks_without_end_and_reads_nothing_is_cut_off,
          bytes_that_are_no_records_mean_that_nobody_is_there,
          a_cgi_program_is_left_when_nobody_reads_not_when_nobody_sends,
          a_cgi_program_whose_pipe_is_closed_is_left, sending_to_nobody_says_so,
          finishing_to_nobody_frees, a_reader_that_leaves_while_the_queue_drains_is_told,
          dropping_closes_without_an_end, a_cgi_answer_is_not_framed, a_pipe_takes_an_answer_too,
          a_cgi_program_hears_no_more_of_a_pipe_that_others_have_too,
          a_head_goes_with_the_first_piece_in_one_record, the_answer_to_a_head_request_is_its_head,
          fields_of_a_client_stand_in_whatever_it_is_answered,
          a_connection_that_is_given_away_stays_open_and_is_watched_no_more)

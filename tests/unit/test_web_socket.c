/* fcgi-app/door/ws/socket: what its watcher is told of, whoever empties the queue. */
#include "fcgi-app/door/ws/socket.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/unit/unit.h"

enum { LARGE = 1 << 20 };

static struct ev_loop *loop;
static struct stats stats;
static struct client *client;
static int browser;
static unsigned drained, gone, closed;

static void on_gone(void *ctx) {
    (void)ctx;
    gone++;
}

static void on_drained(void *ctx) {
    (void)ctx;
    drained++;
}

static void on_message(void *ctx, const char *text, size_t len) {
    (void)ctx, (void)text, (void)len;
    socket_say(client, "answer", 6);
}

static void on_closed(void *ctx) {
    (void)ctx;
    closed++;
}

static void on_bytes(void *ctx, const char *bytes, size_t len) {
    (void)ctx;
    socket_say_bytes(client, bytes, len);
}

static bool settled; /* what was said is done */

static bool is_settled(void *ctx) {
    (void)ctx;
    return settled;
}

static const struct client_events watcher = {.gone = on_gone, .drained = on_drained};
static const struct socket_events events = {.message = on_message, .closed = on_closed},
                                  with_bytes = {.message = on_message,
                                                .bytes = on_bytes,
                                                .closed = on_closed},
                                  with_work = {.message = on_message,
                                               .settled = is_settled,
                                               .closed = on_closed};

static void begin_with(const struct socket_events *owner) {
    static const struct socket_limits limits = {
        .max_message = 1000, .max_queue = 4 * LARGE, .silence = 100};
    const struct part none = {"", 0};
    int fds[2];

    loop = ev_default_loop(0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    client = socket_new(loop, &stats, fds[0], &none, &none, &limits, owner, NULL);
    browser = fds[1];
    client_watch(client, &watcher, NULL);
}

static void begin(void) {
    begin_with(&events);
}

static void end(void) {
    client_drop(client);
    ck_assert_uint_eq(closed, 1);
    close(browser);
}

/* More than the descriptor takes. */
static void send_large(void) {
    char *large = mem_new(LARGE);

    memset(large, 'x', LARGE);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){large, LARGE}, 1), ERR_OK);
    free(large);
    ck_assert_uint_gt(client_backlog(client), 0);
}

/* The browser reads what has come; the loop does not turn. */
static void read_all(void) {
    char bytes[65536];
    while (recv(browser, bytes, sizeof bytes, 0) > 0)
        continue;
}

START_TEST(who_empties_the_queue_by_what_is_said_between_tells_that_it_is_drained) {
    begin();
    send_large();
    for (int i = 0; i < 100 && client_backlog(client) > 0; i++) {
        read_all();
        socket_say(client, "reply", 5);
    }
    ck_assert_uint_eq(client_backlog(client), 0);
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

START_TEST(who_empties_it_when_it_is_let_go_tells_so_too) {
    begin();
    send_large();
    for (int i = 0; i < 100 && client_backlog(client) > 0; i++) {
        read_all();
        socket_hold(client);
        socket_say(client, "reply", 5);
        socket_let_go(client);
    }
    ck_assert_uint_eq(client_backlog(client), 0);
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

START_TEST(the_loop_tells_so_once) {
    begin();
    send_large();
    for (int i = 0; i < 100 && drained == 0; i++) {
        read_all();
        ev_run(loop, EVRUN_NOWAIT);
    }
    ck_assert_uint_eq(drained, 1);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){"next", 4}, 1), ERR_OK);
    socket_say(client, "reply", 5);
    ev_run(loop, EVRUN_NOWAIT);
    ck_assert_uint_eq(drained, 1); /* nothing was queued */
    end();
}
END_TEST

/* Sends a masked binary message of four bytes; returns how many bytes are answered. */
static ssize_t send_bytes(unsigned char *answer, size_t room) {
    static const unsigned char frame[] = {0x82, 0x84, 0, 0, 0, 0, 1, 0, 0xff, 4};
    ssize_t n = -1;

    ck_assert_int_eq(send(browser, frame, sizeof frame, 0), sizeof frame);
    for (int i = 0; i < 100 && n <= 0; i++) {
        ev_run(loop, EVRUN_NOWAIT);
        n = recv(browser, answer, room, 0);
    }
    return n;
}

START_TEST(a_socket_whose_owner_knows_bytes_has_binary_messages) {
    static const unsigned char echo[] = {0x82, 4, 1, 0, 0xff, 4};
    unsigned char answer[64];

    begin_with(&with_bytes);
    ck_assert_int_eq(send_bytes(answer, sizeof answer), sizeof echo);
    ck_assert_mem_eq(answer, echo, sizeof echo);
    end();
}
END_TEST

START_TEST(any_other_socket_is_closed_by_one) {
    unsigned char answer[64];

    begin();
    ck_assert_int_ge(send_bytes(answer, sizeof answer), 4);
    ck_assert_int_eq(answer[0], 0x88);
    ck_assert_int_eq(answer[2] << 8 | answer[3], 1003);
    end();
}
END_TEST

/* What the browser has now. */
static size_t received(unsigned char *bytes, size_t room) {
    size_t len = 0;
    ssize_t n;

    while (len < room && (n = recv(browser, bytes + len, room - len, 0)) > 0)
        len += (size_t)n;
    return len;
}

/* Sends a text in two parts, and checks the frame that comes. */
static void check_text(size_t len) {
    size_t extended = len < 126 ? 0 : len < 65536 ? 2 : 8, size = 2 + extended + len, said = 0;
    char *text = mem_new(len + 1);
    unsigned char *frame = mem_new(size + 1);

    for (size_t i = 0; i < len; i++)
        text[i] = (char)('a' + i % 26);
    const struct part parts[] = {{text, len / 3}, {text + len / 3, len - len / 3}};
    ck_assert_int_eq(client_send(client, NULL, parts, 2), ERR_OK);
    ck_assert_uint_eq(received(frame, size + 1), size);
    ck_assert_uint_eq(frame[0], 0x81);
    ck_assert_uint_eq(frame[1], extended == 0 ? len : extended == 2 ? 126 : 127);
    for (size_t i = 0; i < extended; i++)
        said = said << 8 | frame[2 + i];
    ck_assert_uint_eq(extended == 0 ? len : said, len);
    ck_assert_mem_eq(frame + 2 + extended, text, len);
    free(text);
    free(frame);
}

START_TEST(texts_of_every_length_are_framed_alike) {
    static const size_t lens[] = {1, 2, 125, 126, 127, 2037, 2047, 2048, 2049, 65535, 65536, 70000};

    begin();
    for (size_t i = 0; i < sizeof lens / sizeof lens[0]; i++)
        check_text(lens[i]);
    ck_assert_uint_eq(client_backlog(client), 0);
    ck_assert_uint_eq(drained, 0);
    end();
}
END_TEST

/* Small texts until the descriptor takes no more: all come, in order, and the watcher is told. */
START_TEST(small_texts_that_are_not_taken_at_once_come_whole_and_in_order) {
    enum { EACH = 1000, FRAME = 4 + EACH };
    char text[EACH];
    unsigned char *got;
    size_t sent = 0, len = 0;

    begin();
    for (; client_backlog(client) < 5 * FRAME; sent++) {
        memset(text, (char)('a' + sent % 26), EACH);
        ck_assert_int_eq(client_send(client, NULL, &(struct part){text, EACH}, 1), ERR_OK);
    }
    got = mem_new(sent * FRAME);
    for (int i = 0; i < 10000 && len < sent * FRAME; i++) {
        len += received(got + len, sent * FRAME - len);
        ev_run(loop, EVRUN_NOWAIT);
    }
    ck_assert_uint_eq(len, sent * FRAME);
    for (size_t i = 0; i < sent; i++) {
        ck_assert_uint_eq(got[i * FRAME], 0x81);
        ck_assert_uint_eq(got[i * FRAME + 4], 'a' + i % 26);
        ck_assert_uint_eq(got[i * FRAME + FRAME - 1], 'a' + i % 26);
    }
    free(got);
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

START_TEST(what_is_said_while_it_is_held_goes_before_a_text) {
    unsigned char got[64];

    begin();
    socket_hold(client);
    socket_say(client, "one", 3);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){"two", 3}, 1), ERR_OK);
    socket_let_go(client);
    ck_assert_uint_eq(received(got, sizeof got), 10);
    ck_assert_mem_eq(got, "\x81\x03one\x81\x03two", 10);
    end();
}
END_TEST

START_TEST(no_text_comes_behind_a_close_frame) {
    unsigned char got[64];

    begin();
    socket_close(client, 1001, "bye");
    (void)!client_send(client, NULL, &(struct part){"two", 3}, 1);
    ck_assert_uint_eq(received(got, sizeof got), 7);
    ck_assert_mem_eq(got,
                     "\x88\x05\x03\xe9"
                     "bye",
                     7);
    end();
}
END_TEST

/* The browser says goodbye, and with `leaves` is gone at once. */
static void say_goodbye(bool leaves) {
    static const unsigned char frame[] = {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8};

    ck_assert_int_eq(send(browser, frame, sizeof frame, 0), sizeof frame);
    if (leaves)
        ck_assert_int_eq(shutdown(browser, SHUT_WR), 0);
    for (int i = 0; i < 5; i++)
        ev_run(loop, EVRUN_NOWAIT);
}

static void must_answer_when_done(bool leaves) {
    static const unsigned char answer[] = {0x88, 0x02, 0x03, 0xe8};
    unsigned char bytes[100];

    gone = 0;
    settled = false;
    begin_with(&with_work);
    say_goodbye(leaves);
    socket_say(client, "nothing goes before it", 22);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){"nor this", 8}, 1), ERR_OK);
    ck_assert_int_lt(recv(browser, bytes, sizeof bytes, 0), 0);
    ck_assert_uint_eq(gone, 0);
    settled = true;
    socket_hold(client);
    socket_let_go(client);
    ck_assert_int_eq(recv(browser, bytes, sizeof bytes, 0), sizeof answer);
    ck_assert_mem_eq(bytes, answer, sizeof answer);
    ck_assert_uint_eq(gone, 1);
    end();
}

START_TEST(a_goodbye_is_answered_when_all_that_was_said_is_done) {
    must_answer_when_done(false);
}
END_TEST

START_TEST(what_was_said_is_done_where_the_browser_leaves_with_its_goodbye) {
    must_answer_when_done(true);
}
END_TEST

START_TEST(a_small_text_for_who_has_left_says_so) {
    begin();
    close(browser);
    ck_assert_int_eq(client_send(client, NULL, &(struct part){"two", 3}, 1), ERR_GONE);
    client_drop(client);
    ck_assert_uint_eq(closed, 1);
}
END_TEST

UNIT_MAIN("web_socket", texts_of_every_length_are_framed_alike,
          small_texts_that_are_not_taken_at_once_come_whole_and_in_order,
          what_is_said_while_it_is_held_goes_before_a_text, no_text_comes_behind_a_close_frame,
          a_small_text_for_who_has_left_says_so,
          a_goodbye_is_answered_when_all_that_was_said_is_done,
          what_was_said_is_done_where_the_browser_leaves_with_its_goodbye,
          a_socket_whose_owner_knows_bytes_has_binary_messages, any_other_socket_is_closed_by_one,
          who_empties_the_queue_by_what_is_said_between_tells_that_it_is_drained,
          who_empties_it_when_it_is_let_go_tells_so_too, the_loop_tells_so_once)

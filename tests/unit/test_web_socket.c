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

static const struct client_events watcher = {.gone = on_gone, .drained = on_drained};
static const struct socket_events events = {.message = on_message, .closed = on_closed};

static void begin(void) {
    static const struct socket_limits limits = {
        .max_message = 1000, .max_queue = 4 * LARGE, .silence = 100};
    const struct part none = {"", 0};
    int fds[2];

    loop = ev_default_loop(0);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    client = socket_new(loop, &stats, fds[0], &none, &none, &limits, &events, NULL);
    browser = fds[1];
    client_watch(client, &watcher, NULL);
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

UNIT_MAIN("web_socket", who_empties_the_queue_by_what_is_said_between_tells_that_it_is_drained,
          who_empties_it_when_it_is_let_go_tells_so_too, the_loop_tells_so_once)

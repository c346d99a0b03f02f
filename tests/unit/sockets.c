/* Sockets and loops as the tests of fcgi-app/ use them. Nothing here sleeps: who
 * waits, waits in the loop, for an event or the end of patience.
 */
#include "tests/unit/sockets.h"

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 20.0 /* seconds */

void socket_pair(int ends[2]) {
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
}

void socket_narrow(int fd) {
    int bytes = 1;
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
}

void socket_send(int fd, const void *data, size_t len) {
    const char *at = data;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        ck_assert_msg(n > 0 || errno == EINTR, "send: %s", strerror(errno));
        at += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
}

bool socket_take(int fd, struct buf *into) {
    ssize_t n;

    do {
        char *to = buf_reserve(into, 65536);
        ck_assert_ptr_nonnull(to);
        n = recv(fd, to, 65536, MSG_DONTWAIT);
        into->len += n > 0 ? (size_t)n : 0;
        into->data[into->len] = '\0';
    } while (n > 0);
    ck_assert_msg(n == 0 || errno == EAGAIN || errno == ECONNRESET, "recv: %s", strerror(errno));
    return n < 0 && errno == EAGAIN;
}

static void on_stir(struct ev_loop *loop, struct ev_io *io, int events) {
    (void)loop, (void)io, (void)events;
}

void socket_take_all(struct ev_loop *loop, int fd, struct buf *into) {
    struct ev_io io;

    ev_io_init(&io, on_stir, fd, EV_READ);
    ev_io_start(loop, &io);
    loop_until(loop, !socket_take(fd, into));
    ev_io_stop(loop, &io);
}

void loop_turn(struct ev_loop *loop) {
    ev_run(loop, EVRUN_NOWAIT);
}

static void on_patience(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)timer, (void)events;
}

void loop_patience(struct ev_loop *loop, struct ev_timer *timer) {
    ev_now_update(loop);
    ev_timer_init(timer, on_patience, PATIENCE, 0);
    ev_timer_start(loop, timer);
}

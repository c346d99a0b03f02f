/* The two ends of a connection, and a loop that turns until something is so. */
#ifndef HALLEY_TESTS_SOCKETS_H
#define HALLEY_TESTS_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/loop.h"

/* A connected pair of stream sockets; both are close-on-exec. */
void socket_pair(int ends[2]);

/* How many bytes the kernel takes from a sender whose reader does not read, at the least. */
void socket_narrow(int fd);

/* Sends everything, blocking. */
void socket_send(int fd, const void *data, size_t len);

/* Takes what is there now, without waiting; false when the other side has closed. */
bool socket_take(int fd, struct buf *into);

/* Takes until the other side closes, turning the loop meanwhile. */
void socket_take_all(struct ev_loop *loop, int fd, struct buf *into);

/* One turn of the loop that does not wait. */
void loop_turn(struct ev_loop *loop);

/* Turns the loop until the condition holds; the loop sleeps between events. */
#define loop_until(loop, condition)                                                                \
    do {                                                                                           \
        struct ev_timer patience_;                                                                 \
        loop_patience(loop, &patience_);                                                           \
        while (!(condition)) {                                                                     \
            ck_assert_msg(ev_is_active(&patience_), "never: %s", #condition);                      \
            ev_run(loop, EVRUN_ONCE);                                                              \
        }                                                                                          \
        ev_timer_stop(loop, &patience_);                                                           \
    } while (0)
void loop_patience(struct ev_loop *loop, struct ev_timer *timer);

#endif

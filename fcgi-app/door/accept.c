/*
 * The one place that calls accept(2). The listening socket is level-triggered, so
 * an error that stays would have the loop call again at once, for ever. Errors are of
 * three kinds:
 *
 *   this connection's    it was aborted, or the network has something to say of it: the
 *                        next one is tried (accept(2), "Error handling")
 *   no descriptor        one that can be spared is closed; else the one in reserve is
 *                        used to accept with, say that there is no room, and close
 *   all else             no memory, no buffers, not even the reserve: nothing is
 *                        accepted during a pause, each twice as long as the last.
 *                        Whoever connects waits in the socket's queue; who is served
 *                        already notices nothing
 *
 * A burst without a single connection is a pause too, whatever its errors were.
 *
 * The kernel wakes all processes that wait at a socket, and the quickest takes whoever comes, so
 * that one of them may be at its limit while others have room. Near it a process steps aside.
 */
#include "fcgi-app/door/accept.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"

#define PAUSE_MIN 0.1  /* seconds */
#define PAUSE_MAX 1.6  /* seconds */
#define ASIDE     0.02 /* seconds that others have for a newcomer */

enum { BURST = 64, BURST_ASIDE = 32 };

struct acceptor {
    struct ev_loop *loop;
    struct stats *stats;
    const struct acceptor_calls *calls;
    void *ctx;
    int fd;
    int reserve; /* a descriptor to be given up; -1: it could not be had again */
    struct ev_io io;
    struct ev_timer pause;
    double next_pause; /* seconds */
    struct ev_timer aside;
    uint64_t aside_from; /* connections from which on newcomers are left to others; 0: never */
    int error;           /* errno of the last try that failed */
    struct log_limit complaint;
};

/* How a try to accept ended. */
enum outcome {
    TAKEN,    /* a connection was taken, or told that there is no room */
    NEXT,     /* this connection came to nothing, the next one may */
    NOBODY,   /* nobody waits */
    HINDERED, /* it cannot be done now, whoever waits */
};

static void complain(struct acceptor *acceptor, const char *event, const char *why) {
    unsigned long quiet;

    if (log_allowed(&acceptor->complaint, ev_now(acceptor->loop), &quiet))
        log_error(event, "%s not_logged=%lu", why, quiet);
}

static int next_connection(struct acceptor *acceptor) {
    int fd = accept4(acceptor->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    acceptor->error = fd < 0 ? errno : 0;
    return fd;
}

/* Without a descriptor accept(2) fails whether or not somebody waits. */
static bool somebody_waits(const struct acceptor *acceptor) {
    struct pollfd listener = {.fd = acceptor->fd, .events = POLLIN};
    return poll(&listener, 1, 0) > 0;
}

static void fill_reserve(struct acceptor *acceptor) {
    if (acceptor->reserve < 0)
        acceptor->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* With the descriptor in reserve: accept, have it said that there is no room. */
static enum outcome turn_away(struct acceptor *acceptor) {
    if (acceptor->reserve < 0)
        return HINDERED;
    close(acceptor->reserve);
    acceptor->reserve = -1;
    int fd = next_connection(acceptor);
    if (fd >= 0) {
        acceptor->stats->connections_refused++;
        acceptor->calls->refuse(acceptor->ctx, fd);
    }
    fill_reserve(acceptor);
    complain(acceptor, "accept.descriptors", "all are in use: raise LimitNOFILE");
    return fd >= 0 ? TAKEN : HINDERED;
}

static enum outcome without_descriptor(struct acceptor *acceptor) {
    const struct acceptor_calls *calls = acceptor->calls;

    if (!somebody_waits(acceptor))
        return NOBODY;
    if (calls->make_room != NULL && calls->make_room(acceptor->ctx))
        return NEXT;
    return turn_away(acceptor);
}

static enum outcome accept_one(struct acceptor *acceptor) {
    int fd = next_connection(acceptor);

    if (fd >= 0) {
        acceptor->calls->taken(acceptor->ctx, fd);
        return TAKEN;
    }
    switch (acceptor->error) {
    case EAGAIN:
        return NOBODY;
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
    case ENOPROTOOPT:
    case EOPNOTSUPP:
    case ETIMEDOUT:
        return NEXT;
    case EMFILE:
    case ENFILE:
        return without_descriptor(acceptor);
    default:
        return HINDERED;
    }
}

/* Looks at the socket again when the timer is over. */
static void look_away(struct acceptor *acceptor, struct ev_timer *timer, double seconds) {
    ev_io_stop(acceptor->loop, &acceptor->io);
    ev_timer_set(timer, seconds, 0);
    ev_timer_start(acceptor->loop, timer);
}

static void take_pause(struct acceptor *acceptor) {
    look_away(acceptor, &acceptor->pause, acceptor->next_pause);
    acceptor->next_pause *= acceptor->next_pause * 2 <= PAUSE_MAX ? 2 : 1;
    acceptor->stats->accept_pauses++;
    complain(acceptor, "accept.paused", strerror(acceptor->error));
}

static void on_pause_over(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct acceptor *acceptor = timer->data;
    (void)events;
    fill_reserve(acceptor);
    ev_io_start(loop, &acceptor->io);
}

/* Takes so many of those who wait at most. */
static void take_burst(struct acceptor *acceptor, int most) {
    enum outcome outcome = NEXT;
    bool any = false;

    for (int i = 0; i < most && outcome <= NEXT; i++) {
        outcome = accept_one(acceptor);
        any |= outcome == TAKEN;
    }
    if (any)
        acceptor->next_pause = PAUSE_MIN;
    if (outcome == HINDERED || (outcome == NEXT && !any))
        take_pause(acceptor);
}

static bool leaves_newcomers(const struct acceptor *acceptor) {
    return acceptor->aside_from > 0 && stats_connected(acceptor->stats) >= acceptor->aside_from;
}

static void step_aside(struct acceptor *acceptor) {
    look_away(acceptor, &acceptor->aside, ASIDE);
    acceptor->stats->accepts_left++;
}

static void on_aside_over(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct acceptor *acceptor = timer->data;
    (void)events;
    ev_io_start(loop, &acceptor->io);
    take_burst(acceptor, BURST_ASIDE); /* which may stop it again, for a pause */
}

static void on_connection(struct ev_loop *loop, struct ev_io *io, int events) {
    struct acceptor *acceptor = io->data;
    (void)loop, (void)events;

    if (leaves_newcomers(acceptor))
        step_aside(acceptor);
    else
        take_burst(acceptor, BURST);
}

bool acceptor_prepare(int listen_fd) {
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    int yes = 1;
    bool local =
        getsockname(listen_fd, (struct sockaddr *)&own, &size) == 0 && own.ss_family == AF_UNIX;

    if (!local)
        (void)setsockopt(listen_fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); /* inherited */
    return local;
}

struct acceptor *acceptor_new(struct ev_loop *loop, struct stats *stats, int listen_fd,
                              const struct acceptor_calls *calls, void *ctx) {
    struct acceptor *acceptor = mem_new(sizeof *acceptor);

    *acceptor = (struct acceptor){.loop = loop,
                                  .stats = stats,
                                  .calls = calls,
                                  .ctx = ctx,
                                  .fd = listen_fd,
                                  .reserve = -1,
                                  .next_pause = PAUSE_MIN};
    fill_reserve(acceptor);
    (void)fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
    ev_io_init(&acceptor->io, on_connection, listen_fd, EV_READ);
    ev_timer_init(&acceptor->pause, on_pause_over, 0, 0);
    ev_timer_init(&acceptor->aside, on_aside_over, 0, 0);
    acceptor->io.data = acceptor->pause.data = acceptor->aside.data = acceptor;
    ev_io_start(loop, &acceptor->io);
    return acceptor;
}

void acceptor_share(struct acceptor *acceptor, size_t most) {
    acceptor->aside_from = most - most / 5;
}

void acceptor_take_waiting(struct acceptor *acceptor) {
    int failures = 0;

    while (failures < BURST) {
        enum outcome outcome = accept_one(acceptor);
        if (outcome == NOBODY || outcome == HINDERED)
            return;
        failures = outcome == NEXT ? failures + 1 : 0;
    }
}

void acceptor_free(struct acceptor *acceptor) {
    if (acceptor == NULL)
        return;
    ev_io_stop(acceptor->loop, &acceptor->io);
    ev_timer_stop(acceptor->loop, &acceptor->pause);
    ev_timer_stop(acceptor->loop, &acceptor->aside);
    close(acceptor->fd);
    if (acceptor->reserve >= 0)
        close(acceptor->reserve);
    free(acceptor);
}

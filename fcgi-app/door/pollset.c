/*
 * libev's own watchers cost 64 bytes a descriptor and, level-triggered, would spin
 * on what is only peeked at. Events are taken from the kernel EVENTS at a time, one
 * portion a turn of the loop, so that nobody else waits long.
 *
 * An item may be freed while events for it are still in the portion that is being
 * handed out: pollset_forget() blanks them.
 */
#include "fcgi-app/door/pollset.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "core/base/mem.h"

enum { EVENTS = 128 };

struct pollset {
    struct ev_loop *loop;
    void (*ready)(void *ctx, void *item, unsigned what);
    void *ctx;
    int fd;
    struct ev_io io;
    struct epoll_event events[EVENTS];
    int at, count; /* of the portion that is being handed out */
};

static unsigned what_of(uint32_t events) {
    bool broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
    return ((events & EPOLLIN) ? POLLSET_READABLE : 0) |
           ((events & EPOLLOUT) ? POLLSET_WRITABLE : 0) |
           (broken ? POLLSET_CLOSED | POLLSET_BROKEN : 0) |
           ((events & EPOLLRDHUP) ? POLLSET_CLOSED : 0);
}

static void on_events(struct ev_loop *loop, struct ev_io *io, int revents) {
    struct pollset *pollset = io->data;
    (void)loop, (void)revents;

    pollset->count = epoll_wait(pollset->fd, pollset->events, EVENTS, 0);
    for (pollset->at = 0; pollset->at < pollset->count; pollset->at++) {
        const struct epoll_event *event = &pollset->events[pollset->at];
        if (event->data.ptr != NULL)
            pollset->ready(pollset->ctx, event->data.ptr, what_of(event->events));
    }
    pollset->count = 0;
}

void pollset_forget(struct pollset *pollset, const void *item) {
    for (int i = pollset->at; i < pollset->count; i++) {
        if (pollset->events[i].data.ptr == item)
            pollset->events[i].data.ptr = NULL;
    }
}

static bool control(struct pollset *pollset, int operation, int fd, void *item, bool writing) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = item};
    event.events |= writing ? EPOLLOUT : 0;
    return epoll_ctl(pollset->fd, operation, fd, &event) == 0;
}

bool pollset_add(struct pollset *pollset, int fd, void *item) {
    return control(pollset, EPOLL_CTL_ADD, fd, item, false);
}

void pollset_writing(struct pollset *pollset, int fd, void *item, bool writing) {
    (void)control(pollset, EPOLL_CTL_MOD, fd, item, writing);
}

void pollset_again(struct pollset *pollset, int fd, void *item, bool writing) {
    /* what is ready when it is asked for anew is an edge of its own (epoll(7)) */
    (void)control(pollset, EPOLL_CTL_MOD, fd, item, writing);
}

void pollset_remove(struct pollset *pollset, int fd) {
    (void)epoll_ctl(pollset->fd, EPOLL_CTL_DEL, fd, NULL);
}

struct pollset *pollset_new(struct ev_loop *loop,
                            void (*ready)(void *ctx, void *item, unsigned what), void *ctx) {
    struct pollset *pollset = mem_new(sizeof *pollset);
    pollset->loop = loop;
    pollset->ready = ready;
    pollset->ctx = ctx;
    pollset->fd = epoll_create1(EPOLL_CLOEXEC);
    ev_io_init(&pollset->io, on_events, pollset->fd, EV_READ);
    pollset->io.data = pollset;
    ev_io_start(loop, &pollset->io);
    return pollset;
}

void pollset_free(struct pollset *pollset) {
    if (pollset == NULL)
        return;
    ev_io_stop(pollset->loop, &pollset->io);
    close(pollset->fd);
    free(pollset);
}

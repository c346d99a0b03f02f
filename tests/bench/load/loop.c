/* The one epoll loop. Nothing in the load generator blocks but loop_turn(), and that
 * never longer than until the end of all time given on the command line.
 */
#include "tests/bench/load/loop.h"

#include "tests/lib/keep.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

enum { EVENTS = 256, GLANCE_US = 100000 };

static int epoll = -1;
static size_t grain = EVENTS;
static uint64_t events_seen;
static int64_t end_us;
static volatile sig_atomic_t stopped;

static void on_stop(int signal) {
    (void)signal;
    stopped = 1;
}

void loop_begin(double timeout_seconds) {
    struct sigaction stop = {.sa_handler = on_stop};

    epoll = epoll_create1(EPOLL_CLOEXEC);
    must(epoll >= 0, "epoll_create1: %s", strerror(errno));
    end_us = now_us() + (int64_t)(timeout_seconds * 1e6);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGINT, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

void loop_add(int fd, uint32_t events, struct source *source) {
    struct epoll_event event = {.events = events | EPOLLET, .data.ptr = source};

    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl: %s", strerror(errno));
}

void loop_change(int fd, uint32_t events, struct source *source) {
    struct epoll_event event = {.events = events | EPOLLET, .data.ptr = source};

    must(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event) == 0, "epoll_ctl: %s", strerror(errno));
}

void loop_add_input(int fd, struct source *source) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};

    must(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0 || errno == EPERM || errno == EBADF,
         "epoll_ctl: %s", strerror(errno));
}

void loop_turn(int64_t until_us) {
    struct epoll_event events[EVENTS];
    int64_t now = now_us(), wait = until_us - now;
    struct timespec time;
    int count;

    wait = wait > GLANCE_US ? GLANCE_US : wait > 0 ? wait : 0;
    time = (struct timespec){.tv_nsec = wait * 1000};
    count = epoll_pwait2(epoll, events, (int)grain, &time, NULL);
    must(count >= 0 || errno == EINTR, "epoll_pwait2: %s", strerror(errno));
    for (int i = 0; i < count; i++) {
        struct source *source = events[i].data.ptr;

        source->ready(source, events[i].events);
    }
    events_seen += count > 0 ? (uint64_t)count : 0;
}

void loop_grain(size_t events) {
    grain = events < EVENTS ? events : EVENTS;
}

uint64_t loop_events(void) {
    return events_seen;
}

bool loop_over(void) {
    return stopped || now_us() >= end_us;
}

/*
 * The intake. The conversation with the web server, in order: it connects,
 * sends BEGIN_REQUEST, PARAMS, STDIN, each stream ended by an empty record, and
 * waits. Halley looks (MSG_PEEK) along the record headers, so libfcgi is only
 * ever given what it can read without waiting:
 *
 *     accept ── look ── whole ─────────────► libfcgi reads in place ─► take()
 *                │ ▲                                                     ▲
 *                ▼ │ more has come             large: a reader thread ───┘
 *              waiting (request_timeout)       reads, under a timeout
 *
 * What was peeked at stays in the socket, so a level-triggered loop would spin:
 * connections that are waiting stand in an edge-triggered epoll set of their
 * own, and that set's descriptor stands in the loop.
 *
 * A request whose body does not fit the socket's buffer never arrives wholly by
 * itself. Once its parameters are whole and LARGE bytes are here, a thread
 * reads it, blocking, and sends it back through a locked queue; at most READERS
 * threads at a time, the others wait their turn.
 *
 * Out of descriptors: one is kept in reserve to accept with and answer 503.
 */
#include "fcgi-app/intake.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/collections.h"
#include "core/log.h"
#include "core/mem.h"
#include "fcgi-app/fcgi.h"
#include "fcgi-app/problem.h"

enum {
    PEEK_MAX = 256 * 1024,
    LARGE = 32 * 1024,
    READERS = 8,
    ACCEPT_BURST = 64,
    EVENTS = 64,
    READER_STACK = 256 * 1024
};

enum arrival_state {
    ARRIVAL_WAITING, /* not all here; in the edge-triggered set */
    ARRIVAL_QUEUED,  /* large; waits for a reader thread */
    ARRIVAL_READING  /* a reader thread has the descriptor */
};

struct arrival {
    struct intake *intake;
    int fd;
    enum arrival_state state;
    uint16_t request_id;
    struct ev_timer deadline;
    struct arrival *prev, *next;
    struct request *request; /* what the reader thread read, or NULL */
};

struct intake {
    struct ev_loop *loop;
    struct stats *stats;
    intake_fn *take;
    void *ctx;
    size_t body_max;
    int timeout;
    int listen_fd; /* -1 once closed */
    int epoll_fd;
    int reserve_fd;
    struct ev_io listener;
    struct ev_io waiting;
    struct arrival *arrivals;
    unsigned readers;
    struct ev_async read_done;
    unsigned char *peek; /* PEEK_MAX bytes */
    struct log_limit complaint;
    struct {
        pthread_mutex_t lock; /* guards `done`, and nothing else */
        struct arrival *done; /* read by threads, not yet taken by the loop; linked by `next` */
    } shared;
};

static void arrival_free(struct arrival *arrival) {
    struct intake *intake = arrival->intake;
    DL_DELETE(intake->arrivals, arrival);
    ev_timer_stop(intake->loop, &arrival->deadline);
    free(arrival);
}

static void arrival_close(struct arrival *arrival) {
    arrival->intake->stats->requests_broken++;
    close(arrival->fd);
    arrival_free(arrival);
}

/* Answers without having read the request: for what is refused before that. */
static void refuse(struct intake *intake, int fd, uint16_t request_id,
                   const struct problem *problem) {
    client_refuse(client_new(intake->loop, intake->stats, fd, CLIENT_FCGI, request_id), problem);
}

/* Hands a request over; the arrival is gone afterwards, its descriptor the client's. */
static void deliver(struct arrival *arrival, struct request *request) {
    struct intake *intake = arrival->intake;
    struct client *client =
        client_new(intake->loop, intake->stats, arrival->fd, CLIENT_FCGI, arrival->request_id);
    arrival_free(arrival);
    intake->stats->requests++;
    intake->stats->bytes_in += request->bytes;
    intake->take(intake->ctx, request, client);
}

/* -------------------------------------------------------------- reader threads */

static void *read_large(void *data) {
    struct arrival *arrival = data;
    struct intake *intake = arrival->intake;

    if (request_read(arrival->fd, intake->body_max, &arrival->request) != ERR_OK)
        arrival->request = NULL;
    pthread_mutex_lock(&intake->shared.lock);
    LL_PREPEND(intake->shared.done, arrival);
    pthread_mutex_unlock(&intake->shared.lock);
    ev_async_send(intake->loop, &intake->read_done);
    return NULL;
}

static bool start_thread(struct arrival *arrival) {
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;

    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, READER_STACK);
    sigfillset(&all); /* the loop takes all signals */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &attributes, read_large, arrival);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return failed == 0;
}

/* Gives the descriptor to a thread, blocking from now on but never longer than the timeout. */
static void start_reader(struct arrival *arrival) {
    struct intake *intake = arrival->intake;
    struct timeval timeout = {.tv_sec = intake->timeout};

    ev_timer_stop(intake->loop, &arrival->deadline);
    DL_DELETE(intake->arrivals, arrival);
    arrival->state = ARRIVAL_READING;
    fcntl(arrival->fd, F_SETFL, fcntl(arrival->fd, F_GETFL) & ~O_NONBLOCK);
    setsockopt(arrival->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    intake->readers++;
    intake->stats->requests_large++;
    if (start_thread(arrival))
        return;
    intake->readers--;
    DL_APPEND(intake->arrivals, arrival);
    arrival_close(arrival);
}

static void next_reader(struct intake *intake) {
    struct arrival *arrival, *next;
    DL_FOREACH_SAFE (intake->arrivals, arrival, next) {
        if (intake->readers >= READERS)
            return;
        if (arrival->state == ARRIVAL_QUEUED)
            start_reader(arrival);
    }
}

static void on_read_done(struct ev_loop *loop, struct ev_async *async, int events) {
    struct intake *intake = async->data;
    struct arrival *done, *arrival, *next;
    (void)loop, (void)events;

    pthread_mutex_lock(&intake->shared.lock);
    done = intake->shared.done;
    intake->shared.done = NULL;
    pthread_mutex_unlock(&intake->shared.lock);
    LL_FOREACH_SAFE (done, arrival, next) {
        intake->readers--;
        DL_APPEND(intake->arrivals, arrival);
        if (arrival->request != NULL) {
            deliver(arrival, arrival->request);
        } else {
            intake->stats->requests_broken++; /* request_read() has closed the descriptor */
            arrival_free(arrival);
        }
    }
    next_reader(intake);
}

/* ------------------------------------------------------------ looking and waiting */

static void wait_for_more(struct arrival *arrival) {
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = arrival};

    if (ev_is_active(&arrival->deadline))
        return;
    ev_timer_again(arrival->intake->loop, &arrival->deadline);
    if (epoll_ctl(arrival->intake->epoll_fd, EPOLL_CTL_ADD, arrival->fd, &event) != 0)
        arrival_close(arrival);
}

static void stop_waiting(struct arrival *arrival) {
    if (ev_is_active(&arrival->deadline))
        epoll_ctl(arrival->intake->epoll_fd, EPOLL_CTL_DEL, arrival->fd, NULL);
    ev_timer_stop(arrival->intake->loop, &arrival->deadline);
}

static void read_in_place(struct arrival *arrival) {
    struct intake *intake = arrival->intake;
    struct request *request;

    stop_waiting(arrival);
    if (request_read(arrival->fd, intake->body_max, &request) == ERR_OK) {
        deliver(arrival, request);
        return;
    }
    intake->stats->requests_broken++; /* the descriptor is closed */
    arrival_free(arrival);
}

static void refuse_header(struct arrival *arrival) {
    struct problem problem;

    stop_waiting(arrival);
    problem_set(&problem, 413, "header: the most is %d bytes", REQUEST_HEADER_MAX);
    refuse(arrival->intake, arrival->fd, arrival->request_id, &problem);
    arrival_free(arrival);
}

/* `closed`: nothing more will come, so what is not whole now never will be. */
static void look(struct arrival *arrival, bool closed) {
    struct intake *intake = arrival->intake;
    struct fcgi_view view;

    ssize_t n = recv(arrival->fd, intake->peek, PEEK_MAX, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && !closed && (errno == EAGAIN || errno == EINTR)) {
        wait_for_more(arrival);
        return;
    }
    enum fcgi_look seen = n > 0 ? fcgi_look(intake->peek, (size_t)n, &view) : FCGI_JUNK;
    if (seen == FCGI_JUNK || (closed && seen == FCGI_PARTIAL)) {
        stop_waiting(arrival);
        arrival_close(arrival);
        return;
    }
    arrival->request_id = view.request_id;
    if (view.params_bytes > REQUEST_HEADER_MAX) {
        refuse_header(arrival);
    } else if (seen == FCGI_WHOLE) {
        read_in_place(arrival);
    } else if (view.params_whole && n >= LARGE) {
        stop_waiting(arrival);
        arrival->state = ARRIVAL_QUEUED;
        ev_timer_again(intake->loop, &arrival->deadline);
        next_reader(intake);
    } else {
        wait_for_more(arrival);
    }
}

static void on_more(struct ev_loop *loop, struct ev_io *io, int revents) {
    struct intake *intake = io->data;
    struct epoll_event events[EVENTS];
    (void)loop, (void)revents;

    int count = epoll_wait(intake->epoll_fd, events, EVENTS, 0);
    for (int i = 0; i < count; i++) { /* look() frees no arrival but its own */
        bool closed = (events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
        look(events[i].data.ptr, closed);
    }
}

static void on_deadline(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct arrival *arrival = timer->data;
    struct problem problem;
    (void)loop, (void)events;

    if (arrival->state == ARRIVAL_WAITING)
        epoll_ctl(arrival->intake->epoll_fd, EPOLL_CTL_DEL, arrival->fd, NULL);
    if (arrival->request_id == 0) {
        arrival_close(arrival);
        return;
    }
    if (arrival->state == ARRIVAL_QUEUED)
        problem_later(&problem, 503, 1, "too many large requests at a time");
    else
        problem_set(&problem, 400, "the request did not arrive within %d seconds",
                    arrival->intake->timeout);
    arrival->intake->stats->requests_broken++;
    refuse(arrival->intake, arrival->fd, arrival->request_id, &problem);
    arrival_free(arrival);
}

/* ------------------------------------------------------------------- accepting */

static void arrive(struct intake *intake, int fd) {
    struct arrival *arrival = mem_new(sizeof *arrival);
    arrival->intake = intake;
    arrival->fd = fd;
    ev_init(&arrival->deadline, on_deadline);
    arrival->deadline.repeat = intake->timeout;
    arrival->deadline.data = arrival;
    DL_APPEND(intake->arrivals, arrival);
    look(arrival, false);
}

/* With the descriptor in reserve: accept, say that there is no room, close. */
static void turn_away(struct intake *intake) {
    struct problem problem;
    unsigned long quiet;

    close(intake->reserve_fd);
    int fd = accept4(intake->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        problem_later(&problem, 503, 2, "no descriptor is left for another request");
        refuse(intake, fd, 1, &problem); /* every web server counts requests from 1 */
        intake->stats->answers_503++;
    }
    intake->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (log_allowed(&intake->complaint, ev_now(intake->loop), &quiet))
        log_error("accept.descriptors", "all are in use: raise LimitNOFILE not_logged=%lu", quiet);
}

static bool accept_one(struct intake *intake) {
    int fd = accept4(intake->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        arrive(intake, fd);
        return true;
    }
    if (errno == EMFILE || errno == ENFILE)
        turn_away(intake);
    return errno == EINTR || errno == ECONNABORTED;
}

static void on_connection(struct ev_loop *loop, struct ev_io *io, int events) {
    struct intake *intake = io->data;
    (void)loop, (void)events;
    for (int i = 0; i < ACCEPT_BURST && accept_one(intake); i++)
        ;
}

struct intake *intake_new(struct ev_loop *loop, struct stats *stats, int listen_fd,
                          const struct config *config, size_t body_max, intake_fn *take,
                          void *ctx) {
    struct intake *intake = mem_new(sizeof *intake);
    intake->loop = loop;
    intake->stats = stats;
    intake->take = take;
    intake->ctx = ctx;
    intake->body_max = body_max;
    intake->timeout = config->request_timeout;
    intake->listen_fd = listen_fd;
    intake->peek = mem_new(PEEK_MAX);
    intake->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    intake->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pthread_mutex_init(&intake->shared.lock, NULL);
    fcntl(listen_fd, F_SETFL, fcntl(listen_fd, F_GETFL) | O_NONBLOCK);
    ev_io_init(&intake->listener, on_connection, listen_fd, EV_READ);
    ev_io_init(&intake->waiting, on_more, intake->epoll_fd, EV_READ);
    ev_async_init(&intake->read_done, on_read_done);
    intake->listener.data = intake->waiting.data = intake->read_done.data = intake;
    ev_io_start(loop, &intake->listener);
    ev_io_start(loop, &intake->waiting);
    ev_async_start(loop, &intake->read_done);
    return intake;
}

void intake_close(struct intake *intake) {
    if (intake->listen_fd < 0)
        return;
    while (accept_one(intake))
        ;
    ev_io_stop(intake->loop, &intake->listener);
    close(intake->listen_fd);
    intake->listen_fd = -1;
}

bool intake_idle(const struct intake *intake) {
    return intake->arrivals == NULL && intake->readers == 0;
}

void intake_free(struct intake *intake) {
    struct arrival *arrival, *next;

    if (intake == NULL)
        return;
    if (intake->listen_fd >= 0)
        close(intake->listen_fd);
    ev_io_stop(intake->loop, &intake->listener);
    ev_io_stop(intake->loop, &intake->waiting);
    ev_async_stop(intake->loop, &intake->read_done);
    DL_FOREACH_SAFE (intake->arrivals, arrival, next) {
        stop_waiting(arrival);
        arrival_close(arrival);
    }
    close(intake->epoll_fd);
    close(intake->reserve_fd);
    free(intake->peek);
    if (intake->readers == 0) /* a thread that still reads ends with the process */
        free(intake);
}

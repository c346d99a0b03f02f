/*
 * The intake. The conversation with the web server, in order: it connects,
 * sends BEGIN_REQUEST, PARAMS, STDIN, each stream ended by an empty record, and
 * waits. Halley looks (MSG_PEEK) along the record headers, so libfcgi is only
 * ever given what it can read without waiting:
 *
 *     accept ── look ── plain and whole ───► libfcgi reads in place ──► take()
 *                │ ▲                                                     ▲ │
 *                ▼ │ more has come           read record by record       │ │
 *              arriving (request_timeout) ── (arrival.c), as it comes ───┘ │ answered
 *                  ▲                         large, or not plain           ▼
 *                  └── the next request begins ── resting, if it is kept (FCGI_KEEP_CONN)
 *
 * Nearly all requests are plain and lie in the socket as a whole. What does not fit it,
 * and what has other records in it, is taken out of the socket as it comes; its
 * parameters are then laid into a file in memory, for libfcgi to read.
 *
 * A connection that rests has no deadline: the web server decides how many it
 * keeps, and for how long. When descriptors run out, the one that has rested
 * longest is closed; where none rests, whoever connects is answered 503 (accept.c).
 */
#include "fcgi-app/door/fcgi/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "fcgi-app/door/accept.h"
#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/cgi.h"
#include "fcgi-app/door/fcgi/client_fcgi.h"
#include "fcgi-app/door/fcgi/fcgi.h"
#include "fcgi-app/door/fcgi/inflow.h"
#include "fcgi-app/door/problem.h"

enum { LARGE = 32 * 1024 }; /* what is looked at in the socket */

struct intake {
    struct fcgi_carrier carrier; /* first: what its connections point to */
    struct connections *all;
    struct stats *stats;
    const struct request_taker *taker;
    int timeout;
    struct acceptor *acceptor; /* NULL once closed */
    int laid; /* a file in memory, out of which libfcgi reads parameters; -1: none yet */
};

static struct intake *intake_of(const struct connection *connection) {
    return (struct intake *)(uintptr_t)connection_carrier(connection);
}

/* Nothing that can be answered came. */
static void break_off(struct connection *connection) {
    connection->all->stats->requests_broken++;
    connection_close(connection);
}

/* Answers without having read the request, whose rest nobody reads: the connection ends with it. */
static void refuse(struct connection *connection, const struct problem *problem) {
    connection->keep = connection->head_only = false;
    client_refuse(client_fcgi_begin(connection), problem);
}

/* Hands a request over: the connection is its client now. */
static void hand_over(struct intake *intake, struct connection *connection,
                      struct request *request) {
    intake->stats->requests++;
    intake->stats->requests_reused += connection->reused;
    intake->stats->bytes_in += request->bytes;
    connection->head_only = strcmp(request->method, "HEAD") == 0;
    intake->taker->take(intake->taker->ctx, request, client_fcgi_begin(connection));
}

static void wait_for_more(struct connection *connection) {
    if (!wheel_pending(&connection->deadline))
        connection_set_deadline(connection, intake_of(connection)->timeout);
    if (!connection_watch(connection))
        break_off(connection);
}

static void read_in_place(struct connection *connection, const struct fcgi_view *view) {
    struct intake *intake = intake_of(connection);
    struct request *request;

    if (!fcgi_are_pairs(connection->all->scratch + view->params_at, view->params_bytes)) {
        break_off(connection);
        return;
    }
    if (cgi_read(connection->fd, connection->all->body_max, intake->taker, &request) == ERR_OK) {
        hand_over(intake, connection, request);
        return;
    }
    connection->fd = -1; /* libfcgi has closed it */
    break_off(connection);
}

static void refuse_header(struct connection *connection) {
    struct problem problem;
    problem_set(&problem, 413, "header: the most is %d bytes", REQUEST_HEADER_MAX);
    refuse(connection, &problem);
}

/* The end of a connection that said nothing, or not enough. */
static void end_of(struct connection *connection, bool silent) {
    if (silent && connection->reused)
        connection_close(connection); /* it was kept, and is needed no longer */
    else
        break_off(connection);
}

static void rest(struct connection *connection) {
    struct arrival *arrival = inflow_arrival(connection);

    connection->own = 0;
    if (arrival != NULL) {
        inflow_over(connection);
        connection_tidy(connection);
    }
    if (!connection_watch(connection))
        connection_close(connection);
}

/* Nothing has begun on it, and it may stay. */
static void go_on_resting(struct connection *connection) {
    connection->reused = true;
    connection_set_state(connection, CONNECTION_RESTING);
    rest(connection);
}

/* --------------------------------------------------------------- record by record */

/* Lays the parameters down as a plain request; a descriptor to read it from, or -1. */
static int lay_down(struct intake *intake, const struct arrival *arrival) {
    struct buf plain = buf_make(REQUEST_HEADER_MAX + 1024);

    if (intake->laid < 0)
        intake->laid = memfd_create("halley-request", MFD_CLOEXEC);
    int fd = intake->laid;
    fcgi_put_request(&plain, arrival->request_id, arrival->params.data, arrival->params.len);
    bool done = fd >= 0 && ftruncate(fd, 0) == 0 &&
                pwrite(fd, plain.data, plain.len, 0) == (ssize_t)plain.len &&
                lseek(fd, 0, SEEK_SET) == 0;
    buf_free(&plain);
    return done ? fd : -1;
}

static void take_gathered(struct connection *connection, struct arrival *arrival) {
    struct intake *intake = intake_of(connection);
    struct request *request;
    bool pairs = fcgi_are_pairs(arrival->params.data, arrival->params.len);
    int fd = pairs ? lay_down(intake, arrival) : -1;

    if (fd < 0) {
        break_off(connection);
        return;
    }
    connection->all->gathered -= arrival->body.len;
    struct cgi_body body = {arrival->body, arrival->body_bytes};
    arrival->body = buf_make(0);
    enum err err = cgi_read_gathered(fd, &body, intake->taker, &request);
    buf_free(&body.kept);
    if (err == ERR_OK) {
        hand_over(intake, connection, request);
        return;
    }
    intake->laid = -1; /* libfcgi has closed it */
    break_off(connection);
}

/* All that has come was taken, and there is no whole request in it. */
static void gathered_so_far(struct connection *connection, struct arrival *arrival) {
    struct problem problem;

    if (connection_queued(connection) > 0) {
        break_off(connection); /* it asks and does not read */
    } else if (connection->all->gathered > connection->all->gathered_max &&
               arrival->body.len > LARGE) {
        connection->all->stats->bodies_refused++;
        problem_later(&problem, 503, 1, "too many large requests at a time");
        refuse(connection, &problem);
    } else if (connection->reused && arrival_idle(arrival)) {
        connection_tidy(connection);
        go_on_resting(connection);
    } else {
        connection_tidy(connection);
        wait_for_more(connection);
    }
}

static void gather(struct connection *connection) {
    struct arrival *arrival = inflow_gather(connection);
    size_t pieces = arrival->body_bytes / LARGE;
    enum arrival_event event = inflow_read(connection);

    connection->own = arrival->request_id;
    connection->keep = arrival->keep;
    switch (event) {
    case ARRIVAL_MORE:
        if (arrival->body_bytes / LARGE != pieces)
            connection_set_deadline(connection, intake_of(connection)->timeout);
        gathered_so_far(connection, arrival);
        break;
    case ARRIVAL_WHOLE:
        take_gathered(connection, arrival);
        break;
    case ARRIVAL_TOO_LONG:
        refuse_header(connection);
        break;
    case ARRIVAL_ABORTED:
        client_finish(client_fcgi_begin(connection), NULL, NULL, 0);
        break;
    case ARRIVAL_REFUSED:
        if (connection->keep)
            go_on_resting(connection);
        else
            break_off(connection);
        break;
    case ARRIVAL_END:
        end_of(connection, arrival_idle(arrival));
        break;
    case ARRIVAL_WAITS:
    case ARRIVAL_BROKEN:
        break_off(connection);
        break;
    }
}

/* ------------------------------------------------------------- looking and waiting */

/* A request has begun on it, or something that must be read to be known. */
static void take_up(struct connection *connection, enum fcgi_look seen,
                    const struct fcgi_view *view, size_t len) {
    struct intake *intake = intake_of(connection);

    if (connection->state == CONNECTION_RESTING)
        connection_set_state(connection, CONNECTION_ARRIVING);
    if (view->params_bytes > REQUEST_HEADER_MAX) {
        refuse_header(connection);
    } else if (seen == FCGI_WHOLE && view->size == len) {
        read_in_place(connection, view);
    } else if (seen == FCGI_PARTIAL && len < LARGE) {
        wait_for_more(connection);
    } else {
        intake->stats->requests_large += seen == FCGI_PARTIAL;
        connection->missed = false;
        gather(connection);
    }
}

/* `closed`: nothing more will come, so what is not whole now never will be. */
static void look(struct connection *connection, bool closed) {
    struct fcgi_view view;

    ssize_t n =
        recv(connection->fd, connection->all->scratch, CONNECTION_SCRATCH, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && !closed && (errno == EAGAIN || errno == EINTR)) {
        if (connection->state == CONNECTION_ARRIVING)
            wait_for_more(connection);
        return;
    }
    enum fcgi_look seen =
        n > 0 ? fcgi_look((const unsigned char *)connection->all->scratch, (size_t)n, &view)
              : FCGI_JUNK;
    if (seen == FCGI_JUNK || (closed && seen == FCGI_PARTIAL)) {
        end_of(connection, n <= 0);
        return;
    }
    connection->own = view.request_id;
    connection->keep = view.keep && !closed;
    take_up(connection, seen, &view, (size_t)n);
}

static void ready(struct connection *connection, unsigned what) {
    if (inflow_arrival(connection) == NULL) {
        look(connection, (what & POLLSET_CLOSED) != 0);
        return;
    }
    if (connection->state == CONNECTION_RESTING)
        connection_set_state(connection, CONNECTION_ARRIVING);
    gather(connection);
}

static void late(struct connection *connection) {
    struct problem problem;

    if (connection->own == 0) {
        break_off(connection);
        return;
    }
    problem_set(&problem, 400, "the request did not arrive within %d seconds",
                intake_of(connection)->timeout);
    connection->all->stats->requests_broken++;
    refuse(connection, &problem);
}

/* ------------------------------------------------------------------- accepting */

static void on_taken(void *ctx, int fd) {
    struct intake *intake = ctx;
    look(connection_new(intake->all, &intake->carrier.base, fd), false);
}

static bool make_room(void *ctx) {
    const struct intake *intake = ctx;
    return connections_spare(intake->all);
}

static void refuse_for_want_of_descriptors(void *ctx, int fd) {
    struct intake *intake = ctx;
    struct problem problem;

    problem_later(&problem, 503, 2, "no descriptor is left for another request");
    /* every web server counts requests from 1 */
    client_refuse(client_fcgi_new(intake->all, fd, 1), &problem);
    stats_problem(intake->stats, problem.status, problem.detail);
}

static const struct acceptor_calls calls = {
    .taken = on_taken, .make_room = make_room, .refuse = refuse_for_want_of_descriptors};

/* Requests that this process could hold. */
static int most_here(const struct config *config) {
    return config->room > 0 && config->room < config->max_waiters ? config->room
                                                                  : config->max_waiters;
}

struct intake *intake_new(struct connections *all, int listen_fd, const struct config *config,
                          const struct request_taker *taker) {
    struct intake *intake = mem_new(sizeof *intake);

    intake->carrier = (struct fcgi_carrier){.base = {.client = client_fcgi_kind,
                                                     .ready = ready,
                                                     .left = client_fcgi_left,
                                                     .late = late,
                                                     .rest = rest,
                                                     .forget = inflow_forget},
                                            .limits = {.params_max = REQUEST_HEADER_MAX,
                                                       .body_max = all->body_max,
                                                       .most = (unsigned)most_here(config)}};
    intake->all = all;
    intake->stats = all->stats;
    intake->taker = taker;
    intake->timeout = config->request_timeout;
    intake->laid = -1;
    intake->acceptor = acceptor_new(all->loop, all->stats, listen_fd, &calls, intake);
    return intake;
}

void intake_close(struct intake *intake) {
    if (intake->acceptor == NULL)
        return;
    connections_finish(intake->all);
    acceptor_take_waiting(intake->acceptor);
    acceptor_free(intake->acceptor);
    intake->acceptor = NULL;
}

void intake_free(struct intake *intake) {
    if (intake == NULL)
        return;
    acceptor_free(intake->acceptor);
    if (intake->laid >= 0)
        close(intake->laid);
    free(intake);
}

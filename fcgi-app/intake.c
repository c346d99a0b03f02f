/*
 * The intake. The conversation with the web server, in order: it connects,
 * sends BEGIN_REQUEST, PARAMS, STDIN, each stream ended by an empty record, and
 * waits. Halley looks (MSG_PEEK) along the record headers, so libfcgi is only
 * ever given what it can read without waiting:
 *
 *     accept ── look ── whole ─────────────► libfcgi reads in place ─► take()
 *                │ ▲                                                     ▲ │
 *                ▼ │ more has come             large: a reader thread ───┘ │
 *              arriving (request_timeout)      reads, under a timeout      │ answered
 *                  ▲                                                       ▼
 *                  └── the next request begins ── resting, if it is kept (FCGI_KEEP_CONN)
 *
 * A connection that rests has no deadline: the web server decides how many it
 * keeps, and for how long. When descriptors run out, the one that has rested
 * longest is closed; where none rests, whoever connects is answered 503 (accept.c).
 */
#include "fcgi-app/intake.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "core/mem.h"
#include "fcgi-app/accept.h"
#include "fcgi-app/connection.h"
#include "fcgi-app/fcgi.h"
#include "fcgi-app/problem.h"
#include "fcgi-app/readers.h"

enum { PEEK_MAX = 256 * 1024, LARGE = 32 * 1024 };

struct intake {
    struct connections *all;
    struct stats *stats;
    intake_fn *take;
    void *ctx;
    size_t body_max;
    int timeout;
    struct acceptor *acceptor; /* NULL once closed */
    struct readers *readers;
    unsigned char *peek; /* PEEK_MAX bytes */
};

/* Nothing that can be answered came. */
static void break_off(struct connection *connection) {
    connection->all->stats->requests_broken++;
    connection_close(connection);
}

/* Answers without having read the request, whose rest nobody reads: the connection ends with it. */
static void refuse(struct connection *connection, const struct problem *problem) {
    connection->keep = false;
    client_refuse(client_fcgi_begin(connection), problem);
}

/* Hands a request over: the connection is its client now. */
static void hand_over(void *ctx, struct connection *connection, struct request *request) {
    struct intake *intake = ctx;

    intake->stats->requests++;
    intake->stats->bytes_in += request->bytes;
    intake->take(intake->ctx, request, client_fcgi_begin(connection));
}

/* --------------------------------------------------------------- looking and waiting */

static void wait_for_more(struct connection *connection) {
    if (!wheel_pending(&connection->deadline))
        connection_set_deadline(connection, connection->all->intake->timeout);
    if (!connection_watch(connection))
        break_off(connection);
}

static void read_in_place(struct connection *connection) {
    struct intake *intake = connection->all->intake;
    struct request *request;

    if (request_read(connection->fd, intake->body_max, &request) == ERR_OK) {
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

/* `closed`: nothing more will come, so what is not whole now never will be. */
static void look(struct connection *connection, bool closed) {
    struct intake *intake = connection->all->intake;
    struct fcgi_view view;

    ssize_t n = recv(connection->fd, intake->peek, PEEK_MAX, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && !closed && (errno == EAGAIN || errno == EINTR)) {
        if (connection->state == CONNECTION_ARRIVING)
            wait_for_more(connection);
        return;
    }
    enum fcgi_look seen = n > 0 ? fcgi_look(intake->peek, (size_t)n, &view) : FCGI_JUNK;
    if (seen == FCGI_JUNK || (closed && seen == FCGI_PARTIAL)) {
        end_of(connection, n <= 0);
        return;
    }
    if (connection->state == CONNECTION_RESTING) {
        connection_set_state(connection, CONNECTION_ARRIVING);
        intake->stats->requests_reused++;
    }
    connection->request_id = view.request_id;
    connection->keep = view.keep && !closed;
    if (view.params_bytes > REQUEST_HEADER_MAX) {
        refuse_header(connection);
    } else if (seen == FCGI_WHOLE) {
        read_in_place(connection);
    } else if (view.params_whole && n >= LARGE) {
        connection_set_state(connection, CONNECTION_QUEUED);
        connection_set_deadline(connection, intake->timeout);
        readers_take(intake->readers, connection);
    } else {
        wait_for_more(connection);
    }
}

void intake_ready(struct connection *connection, unsigned what) {
    look(connection, (what & POLLSET_CLOSED) != 0);
}

void intake_rest(struct connection *connection) {
    connection->reused = true;
    connection->request_id = 0;
    connection_set_state(connection, CONNECTION_RESTING);
    if (!connection_watch(connection))
        connection_close(connection);
}

void intake_late(struct connection *connection) {
    struct problem problem;

    if (connection->request_id == 0) {
        break_off(connection);
        return;
    }
    if (connection->state == CONNECTION_QUEUED) {
        readers_forget(connection->all->intake->readers, connection);
        problem_later(&problem, 503, 1, "too many large requests at a time");
    } else {
        problem_set(&problem, 400, "the request did not arrive within %d seconds",
                    connection->all->intake->timeout);
    }
    connection->all->stats->requests_broken++;
    refuse(connection, &problem);
}

/* ------------------------------------------------------------------- accepting */

static void on_taken(void *ctx, int fd) {
    struct intake *intake = ctx;
    look(connection_new(intake->all, fd), false);
}

/* Whether a descriptor could be had from a connection that only rests. */
static bool close_a_resting_one(void *ctx) {
    struct intake *intake = ctx;
    struct ring *resting = &intake->all->resting;

    if (ring_empty(resting))
        return false;
    connection_close(RING_OF(resting->next, struct connection, deadline.ring));
    return true;
}

static void refuse_for_want_of_descriptors(void *ctx, int fd) {
    struct intake *intake = ctx;
    struct problem problem;

    problem_later(&problem, 503, 2, "no descriptor is left for another request");
    /* every web server counts requests from 1 */
    client_refuse(client_new(intake->all, fd, CLIENT_FCGI, 1), &problem);
    intake->stats->answers_503++;
}

static const struct acceptor_calls calls = {
    .taken = on_taken, .make_room = close_a_resting_one, .refuse = refuse_for_want_of_descriptors};

struct intake *intake_new(struct connections *all, int listen_fd, const struct config *config,
                          size_t body_max, intake_fn *take, void *ctx) {
    struct intake *intake = mem_new(sizeof *intake);
    intake->all = all;
    intake->stats = all->stats;
    intake->take = take;
    intake->ctx = ctx;
    intake->body_max = body_max;
    intake->timeout = config->request_timeout;
    intake->peek = mem_new(PEEK_MAX);
    intake->readers = readers_new(all, body_max, intake->timeout, hand_over, intake);
    intake->acceptor = acceptor_new(all->loop, all->stats, listen_fd, &calls, intake);
    all->intake = intake;
    return intake;
}

void intake_close(struct intake *intake) {
    if (intake->acceptor == NULL)
        return;
    acceptor_take_waiting(intake->acceptor);
    acceptor_free(intake->acceptor);
    intake->acceptor = NULL;
    intake->all->closing = true;
    while (close_a_resting_one(intake))
        ;
}

bool intake_idle(const struct intake *intake) {
    const struct stats *stats = intake->stats;
    return stats->connections == stats->connections_kept && readers_idle(intake->readers);
}

void intake_free(struct intake *intake) {
    if (intake == NULL)
        return;
    acceptor_free(intake->acceptor);
    intake->all->intake = NULL;
    readers_free(intake->readers);
    free(intake->peek);
    free(intake);
}

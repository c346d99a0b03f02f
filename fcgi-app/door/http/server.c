/*
 * A connection's life at this door:
 *
 *     accept ──► RESTING ── something comes ──► the parser ── whole ──► take(): ANSWERING
 *                 ▲  │ keepalive_timeout         │    ▲                      │
 *                 │  ▼                      part ▼    │ more has come        │ answered
 *                 │ closed                   ARRIVING ┘                      │
 *                 │                           │ request_timeout: 408         │
 *                 └──────────── kept ─────────┼─────────────────────────────┤
 *                                             ▼                              │ or not kept
 *                                           closed ◄── lingers a while ◄─────┘
 *
 * Everything is read into one place for all connections, and a request that lies there whole is
 * read where it lies. So one that rests, or waits for its answer, has no buffer; one that has
 * sent a part of a request has what it has sent, up to the limits, and not for long. What came
 * behind a request is looked at when that is answered (pipelining).
 *
 * That the other side has stopped sending does not say that it reads no more: it is answered. At
 * a unix socket its leaving is noticed at once, over TCP when something is sent to it.
 */
#include "fcgi-app/door/http/server.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "fcgi-app/door/accept.h"
#include "fcgi-app/door/http/client_http.h"
#include "fcgi-app/door/http/fields.h"
#include "fcgi-app/door/http/forwarded.h"
#include "fcgi-app/door/http/incoming.h"
#include "fcgi-app/door/http/login.h"
#include "fcgi-app/door/http/peers.h"
#include "fcgi-app/door/problem.h"

enum {
    READ_SIZE = 64 * 1024,    /* bytes that are read at a time */
    TURN_BYTES = 1024 * 1024, /* so much is read of one connection before others have their turn */
    LARGE = 32 * 1024,        /* bytes that a connection may hold though all hold too much */
    REFUSED_MAX = 256         /* connections over the limit that are told so at a time */
};
#define LINGER 2.0 /* seconds */

struct http_server {
    struct carrier carrier; /* first: what its connections point to */
    struct ev_loop *loop;
    struct connections *all; /* gone already when the server goes */
    struct stats *stats;
    const struct request_taker *taker;
    struct acceptor *acceptor; /* NULL once closed */
    struct networks trusted;   /* proxies */
    bool forwarded_login;      /* they say who has logged in there in Forwarded */
    struct peers *peers;
    struct parser parser; /* between requests: for those that come whole */
    struct parser_limits limits;
    double keepalive;     /* seconds */
    int timeout;          /* seconds for a request */
    size_t count, most;   /* connections, and how many of them there may be */
    bool local;           /* at a unix socket */
    struct ring turns;    /* of those with something behind a request that is answered by now ... */
    struct ev_timer turn; /* ... which is looked at when this runs out, at once */
};

static struct http_server *server_of(const struct connection *connection) {
    return (struct http_server *)(uintptr_t)connection_carrier(connection);
}

/* ---------------------------------------------------------------- refusing */

/* Answers without having understood the request, or without one: the connection ends with it. */
static void refuse(struct connection *connection, const struct problem *problem) {
    stats_problem(connection->all->stats, problem->status, problem->detail);
    if (incoming_of(connection) != NULL)
        incoming_forget(connection, false);
    connection->own |= HTTP_CLOSE | HTTP_LINGER;
    connection->keep = true;
    connection->head_only = false;
    client_refuse(connection_answer(connection), problem);
}

static void refuse_fault(struct connection *connection, struct fault fault) {
    struct problem problem;

    connection->all->stats->requests_wrong++;
    refuse(connection, problem_set(&problem, fault.status, "%s", fault.words));
}

/* ---------------------------------------------------------------- one request */

/* Who is connected, as text. */
static void write_peer(const struct http_server *server, int fd, char out[ADDRESS_TEXT]) {
    if (server->local)
        memcpy(out, FORWARDED_UNIX, sizeof FORWARDED_UNIX);
    else
        peers_write(server->peers, fd, out);
}

static struct request *request_of(const struct http_server *server, int fd, struct parser *parser) {
    char peer[ADDRESS_TEXT], sender[ADDRESS_TEXT], user[LOGIN_TEXT];
    struct buf lists;
    struct said said;

    fields_say(parser, &said, &lists);
    write_peer(server, fd, peer);
    bool trusted = forwarded_trusts(&server->trusted, peer);
    const char *fault = login_find(&said, trusted, server->forwarded_login, user);
    bool proxied = forwarded_sender(&server->trusted, peer, &said, sender);
    said.of[SAID_REMOTE_ADDR] = sender;
    struct request *request = request_new(&said, server->taker);
    request->proxied = proxied;
    request->login_fault = fault;
    request->credential |= fault != NULL; /* it is nobody else's answer */
    request->bytes = parser->bytes - parser->body.len;
    size_t total = parser->body.len + parser->over;
    request_set_body(request, parser->body, total, 0);
    parser->body = buf_make(0);
    buf_free(&lists);
    return request;
}

/* A request is whole; `rest` came behind it. The connection is its client's now. */
static void hand_over(struct connection *connection, struct parser *parser, const char *rest,
                      size_t len) {
    struct http_server *server = server_of(connection);
    struct request *request = request_of(server, connection->fd, parser);
    bool keep = parser->keep, linger = parser->over || (len > 0 && !keep);

    connection->own = (uint16_t)((parser->minor == 0 ? HTTP_OLD : 0) | (keep ? 0 : HTTP_CLOSE) |
                                 (linger ? HTTP_LINGER : 0));
    connection->keep = keep || linger;
    connection->head_only = strcmp(request->method, "HEAD") == 0;
    parser_free(parser);
    parser_init(parser, &server->limits);
    if (incoming_of(connection) != NULL)
        incoming_count(connection);
    if (len > 0 && keep)
        incoming_wait(connection, &server->parser, rest, len);
    else
        connection_tidy(connection);
    server->stats->requests++;
    server->stats->requests_reused += connection->reused;
    server->stats->bytes_in += request->bytes;
    server->taker->take(server->taker->ctx, request, connection_answer(connection));
}

/* Nothing is queued yet. Where there is no room for it the body comes a little later by itself
 * (RFC 9110 §10.1.1); a part of it would be the end. */
static void say_continue(const struct connection *connection) {
    static const char line[] = "HTTP/1.1 100 Continue\r\n\r\n";
    ssize_t n = send(connection->fd, line, sizeof line - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n > 0 && n < (ssize_t)sizeof line - 1)
        (void)shutdown(connection->fd, SHUT_RDWR);
}

/* The request is not whole yet. False: it is refused. */
static bool keep_part(struct connection *connection, struct parser *parser) {
    struct connections *all = connection->all;
    struct http_server *server = server_of(connection);
    struct problem problem;

    if (parser_idle(parser)) { /* nothing but an empty line */
        if (parser == &server->parser)
            parser_init(parser, &server->limits);
        return true;
    }
    struct incoming *incoming = incoming_keep(connection, parser);
    incoming_count(connection);
    if (connection->state == CONNECTION_RESTING)
        connection_set_state(connection, CONNECTION_ARRIVING);
    if (!wheel_pending(&connection->deadline))
        connection_set_deadline(connection, server->timeout);
    if (all->gathered <= all->gathered_max || incoming->counted <= LARGE)
        return true;
    all->stats->bodies_refused++;
    refuse(connection, problem_later(&problem, 503, 1, "too many large requests at a time"));
    return false;
}

/* Takes what came. False: the connection is being answered, or is no more. */
static bool process(struct connection *connection, char *data, size_t len) {
    struct incoming *incoming = incoming_of(connection);
    struct parser *parser = incoming != NULL ? &incoming->parser : &server_of(connection)->parser;
    enum parser_event event = PARSER_MORE;
    size_t used;

    for (; len > 0 && event <= PARSER_CONTINUE; data += used, len -= used) {
        event = parser_take(parser, data, len, &used);
        if (event == PARSER_CONTINUE && used == len)
            say_continue(connection);
    }
    if (event == PARSER_WHOLE) {
        hand_over(connection, parser, data, len);
        return false;
    }
    if (event != PARSER_BAD)
        return keep_part(connection, parser);
    struct fault fault = parser->fault;
    parser_free(parser);
    parser_init(parser, &server_of(connection)->limits);
    refuse_fault(connection, fault);
    return false;
}

/* ---------------------------------------------------------------- reading */

/* The other side sends nothing more, or is gone. */
static void end_of(struct connection *connection, bool orderly) {
    struct problem problem;

    if (connection->state == CONNECTION_ARRIVING && orderly) {
        connection->all->stats->requests_broken++;
        refuse(connection, problem_set(&problem, 400, "the request ends before its end"));
        return;
    }
    connection->all->stats->requests_broken += connection->state == CONNECTION_ARRIVING;
    connection_close(connection);
}

static void wait_for_more(struct connection *connection) {
    if (!connection_watch(connection))
        connection_close(connection);
}

/* Reads what is there; `closed`: up to the end. */
static void read_on(struct connection *connection, bool closed) {
    char *scratch = connection->all->scratch;
    size_t total = 0;
    ssize_t n;

    do {
        n = recv(connection->fd, scratch, READ_SIZE, MSG_DONTWAIT);
        connection->missed |= n < 0 && errno == EINTR;
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            end_of(connection, n == 0);
            return;
        }
        if (n > 0 && !process(connection, scratch, (size_t)n))
            return;
        total += n > 0 ? (size_t)n : 0;
        connection->missed |= total > TURN_BYTES;
    } while (n == READ_SIZE ? !connection->missed : closed && n > 0);
    wait_for_more(connection);
}

/* Reads past what nobody will look at, until its end or the deadline. */
static void read_past(struct connection *connection) {
    char *scratch = connection->all->scratch;
    size_t total = 0;
    ssize_t n;

    do {
        n = recv(connection->fd, scratch, READ_SIZE, MSG_DONTWAIT);
        total += n > 0 ? (size_t)n : 0;
    } while (n > 0 && total < TURN_BYTES);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        connection_close(connection);
    else if (n > 0)
        connection_look_again(connection);
}

static void ready(struct connection *connection, unsigned what) {
    if (connection->own & HTTP_LINGER) {
        read_past(connection);
        return;
    }
    /* an end is told once: it is looked for again behind the request in front of it */
    connection->missed |= (what & POLLSET_CLOSED) != 0;
    struct buf waiting = incoming_take_waiting(connection);
    bool more = waiting.len == 0 || process(connection, waiting.data, waiting.len);
    buf_free(&waiting);
    if (more)
        read_on(connection, (what & POLLSET_CLOSED) != 0);
}

/* What comes while a request is answered is looked at later; an end of it is no end of theirs. */
static bool left(struct connection *connection, unsigned what) {
    connection->missed = true;
    return (what & POLLSET_BROKEN) != 0;
}

static void late(struct connection *connection) {
    struct problem problem;

    bool silent = incoming_of(connection) == NULL; /* nothing of a request has come */
    if (silent || connection->state == CONNECTION_RESTING || (connection->own & HTTP_LINGER)) {
        connection_close(connection);
        return;
    }
    connection->all->stats->requests_late++;
    refuse(connection, problem_set(&problem, 408, "the request did not arrive within %d seconds",
                                   server_of(connection)->timeout));
}

static void linger(struct connection *connection) {
    connection_set_state(connection, CONNECTION_ARRIVING);
    connection_set_deadline(connection, LINGER);
    (void)shutdown(connection->fd, SHUT_WR);
    connection_look_again(connection);
    if (!connection->watched)
        connection_close(connection);
}

static void rest(struct connection *connection) {
    if (connection->own & HTTP_LINGER) {
        linger(connection);
        return;
    }
    connection->own = 0;
    struct incoming *incoming = incoming_of(connection);
    if (incoming == NULL) {
        wait_for_more(connection);
        return;
    }
    struct http_server *server = server_of(connection);
    ring_add(&server->turns, &incoming->turn);
    if (!ev_is_active(&server->turn))
        ev_timer_start(server->loop, &server->turn);
}

/* Each of them has one turn: one request. */
static void on_turn(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct http_server *server = timer->data;
    struct ring turns;
    (void)loop, (void)events;

    ring_init(&turns);
    ring_move(&server->turns, &turns);
    while (!ring_empty(&turns)) {
        struct incoming *incoming = RING_OF(turns.next, struct incoming, turn);
        ring_remove(&incoming->turn);
        ready(incoming->connection, 0);
    }
}

/* ---------------------------------------------------------------- accepting */

static struct connection *greet(struct http_server *server, int fd) {
    struct connection *connection = connection_new(server->all, &server->carrier, fd);
    connection_set_state(connection, CONNECTION_RESTING);
    if (!server->local)
        peers_note(server->peers, fd);
    return connection;
}

static void on_taken(void *ctx, int fd) {
    struct http_server *server = ctx;
    struct problem problem;
    size_t count = server->count + server->stats->sockets;

    if (count >= server->most + REFUSED_MAX) {
        server->stats->connections_over++;
        close(fd);
    } else if (count >= server->most) {
        server->stats->connections_over++;
        refuse(greet(server, fd),
               problem_later(&problem, 503, 2,
                             "there are %zu connections already (max_connections)", server->most));
    } else {
        read_on(greet(server, fd), false);
    }
}

static bool make_room(void *ctx) {
    const struct http_server *server = ctx;
    return connections_spare(server->all);
}

static void refuse_for_want_of_descriptors(void *ctx, int fd) {
    struct connection *connection = greet(ctx, fd);
    struct problem problem;

    connection->own = HTTP_CLOSE;
    connection->keep = false;
    problem_later(&problem, 503, 2, "no descriptor is left for another connection");
    stats_problem(connection->all->stats, problem.status, problem.detail);
    client_refuse(connection_answer(connection), &problem);
}

/* ---------------------------------------------------------------- upgrading */

static int http_upgrade(struct client *client, struct buf *early) {
    struct connection *connection = connection_of(client);
    *early = incoming_take_waiting(connection);
    return connection_detach(connection);
}

static const struct acceptor_calls calls = {
    .taken = on_taken, .make_room = make_room, .refuse = refuse_for_want_of_descriptors};

struct http_server *http_server_new(struct connections *all, int listen_fd,
                                    const struct config *config,
                                    const struct request_taker *taker) {
    struct http_server *server = mem_new(sizeof *server);

    server->carrier = (struct carrier){.client = client_http_kind,
                                       .ready = ready,
                                       .left = left,
                                       .late = late,
                                       .rest = rest,
                                       .keepalive = &server->keepalive,
                                       .forget = incoming_forget,
                                       .count = &server->count,
                                       .half_closes = true};
    server->carrier.client.upgrade = http_upgrade;
    server->loop = all->loop;
    server->all = all;
    server->stats = all->stats;
    server->taker = taker;
    server->limits = (struct parser_limits){REQUEST_HEADER_MAX, all->body_max};
    server->keepalive = config->keepalive_timeout;
    server->timeout = config->request_timeout;
    server->most = (size_t)config->max_connections;
    server->peers = peers_new();
    parser_init(&server->parser, &server->limits);
    server->forwarded_login =
        said_by_field(config->user_header, strlen(config->user_header)) == SAID_FORWARDED;
    if (networks_parse(config->trusted_proxies, &server->trusted) != ERR_OK)
        abort(); /* the configuration was checked */
    ring_init(&server->turns);
    ev_timer_init(&server->turn, on_turn, 0, 0);
    server->turn.data = server;
    server->local = acceptor_prepare(listen_fd);
    server->acceptor = acceptor_new(server->loop, all->stats, listen_fd, &calls, server);
    if (config->processes > 1)
        acceptor_share(server->acceptor, server->most);
    return server;
}

void http_server_close(struct http_server *server) {
    if (server->acceptor == NULL)
        return;
    connections_finish(server->all);
    acceptor_take_waiting(server->acceptor);
    acceptor_free(server->acceptor);
    server->acceptor = NULL;
}

void http_server_free(struct http_server *server) {
    if (server == NULL)
        return;
    acceptor_free(server->acceptor);
    ev_timer_stop(server->loop, &server->turn);
    networks_free(&server->trusted);
    peers_free(server->peers);
    parser_free(&server->parser);
    free(server);
}

/*
 * A connection from the web server, and the set of all of them. It carries one
 * request at a time, and is handed from file to file:
 *
 *   intake.c        a request is on its way in; or the web server keeps it open
 *   client_fcgi.c   the request is being answered (it is its client then)
 *
 * This header is shared by those two and by main(), which makes the set; nobody
 * else includes it. Belongs to the loop's thread.
 *
 * Thousands of these are held: its size has a budget, and a unit test.
 */
#ifndef HALLEY_CONNECTION_H
#define HALLEY_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/base/pool.h"
#include "core/base/wheel.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/door/fcgi/arrival.h"
#include "fcgi-app/door/pollset.h"

enum connection_state {
    CONNECTION_ARRIVING,  /* a request is on its way in, until its deadline */
    CONNECTION_ANSWERING, /* whoever took the request holds this as its client */
    CONNECTION_FLUSHING, /* the answer's end is queued, and nobody's any more, until its deadline */
    CONNECTION_RESTING   /* the web server keeps it for its next request; in the ring `resting` */
};

/* What few connections have at a time. */
struct aside {
    struct buf queue;        /* framed bytes that the descriptor has not taken */
    size_t replies;          /* how many of them answer records about the connection itself */
    struct arrival *arrival; /* what came, where it cannot be looked at in the socket; or NULL */
};

struct connection {
    struct client base; /* first: a connection is a client */
    struct connections *all;
    struct aside *aside; /* NULL: none of it */
    union {
        struct wheel_entry deadline; /* in every state but ANSWERING */
        struct {
            const struct client_events *events; /* or NULL: nobody watches */
            void *ctx;
        } holder; /* ANSWERING */
    };
    int fd;
    uint16_t request_id; /* of the request that it carries; 0: not known yet */
    uint8_t state;       /* enum connection_state */
    bool raw : 1;        /* CLIENT_RAW: no records */
    bool keep : 1;       /* the web server wants to send another request */
    bool reused : 1;     /* it has carried a request before */
    bool watched : 1;    /* stands in the pollset */
    bool writing : 1;    /* waits there to be written to */
    bool missed : 1;     /* the pollset has told something that was not looked at yet */
    bool aborted : 1;    /* the web server gave its request up: it is owed no more than an end */
};

struct connections {
    struct ev_loop *loop;
    struct stats *stats;
    struct pollset *pollset;
    struct wheel *wheel;
    struct pool pool;      /* where connections are taken from */
    struct ring resting;   /* through deadline.ring, the longest resting first */
    struct intake *intake; /* NULL: there is none, as in a CGI process */
    bool closing;          /* nothing is kept any more */
    struct arrival_limits limits;
    size_t gathered; /* bytes of bodies that are on their way in, of all connections */
    char *scratch;   /* CONNECTION_SCRATCH bytes, for whoever reads */
};

enum { CONNECTION_SCRATCH = 256 * 1024 };

struct connections *connections_new(struct ev_loop *loop, struct stats *stats);

/* Closes every connection at once, whoever has it. Safe on NULL. */
void connections_free(struct connections *all);

/* Owns `fd`, which does not block. */
struct connection *connection_new(struct connections *all, int fd);

/* Closes and frees, whatever its state. */
void connection_close(struct connection *connection);

/* The one place where the state changes. */
void connection_set_state(struct connection *connection, enum connection_state state);

/* Sets its deadline to `seconds` from now. */
void connection_set_deadline(struct connection *connection, double seconds);

/*
 * Has it watched for what comes and for its end; what was missed is told again. False: the
 * kernel refuses.
 */
bool connection_watch(struct connection *connection);

/* How many bytes wait to be written. */
static inline size_t connection_queued(const struct connection *connection) {
    return connection->aside != NULL ? connection->aside->queue.len : 0;
}

/* What it has aside, made if it is not there; and away with it when it holds nothing. */
struct aside *connection_aside(struct connection *connection);
void connection_tidy(struct connection *connection);

/* Its arrival, or NULL; and one that is made if it is not there. */
static inline struct arrival *connection_arrival(const struct connection *connection) {
    return connection->aside != NULL ? connection->aside->arrival : NULL;
}
struct arrival *connection_gather(struct connection *connection);

/*
 * Reads records into its arrival until one of them calls for something, or there are no
 * more now; replies are sent. With ARRIVAL_MORE and ARRIVAL_END all has been read.
 */
enum arrival_event connection_read(struct connection *connection);

/* client_fcgi.c: what to do when the descriptor of a client, or its deadline, says so. */
void client_fcgi_ready(struct connection *connection, unsigned what);

/* client_fcgi.c: the connection is the client of a request from here on. */
struct client *client_fcgi_begin(struct connection *connection);

/* client_fcgi.c: sends records, behind what is queued. False: nobody takes them. */
bool client_fcgi_say(struct connection *connection, const struct buf *records);

/* intake.c: something came on a connection that is arriving or resting. */
void intake_ready(struct connection *connection, unsigned what);

/* intake.c: the time for a request to arrive is over. */
void intake_late(struct connection *connection);

/* intake.c: it has answered, and the web server keeps it. */
void intake_rest(struct connection *connection);

#endif

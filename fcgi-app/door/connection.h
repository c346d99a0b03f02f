/*
 * A connection from a web server or a browser, and the set of all of them, at whatever door.
 * It carries one request at a time:
 *
 *   its carrier     (fcgi/, http/) reads requests from it and writes answers to it; this file
 *                   tells the carrier when there is something to do
 *   whoever answers holds it as its client (client.h), from connection_answer() until the end
 *
 * Included by the doors and by main(), which makes the set; by nobody else. Belongs to the
 * loop's thread.
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
#include "fcgi-app/door/pollset.h"

struct connection;

/*
 * What carries a connection: a door fills one of these for all of its own. Each function may
 * close the connection. `what` became true of its descriptor (pollset.h).
 */
struct carrier {
    struct client_kind client; /* first: how its connections write answers */
    /* something came while no request is whole: it arrives, or rests */
    void (*ready)(struct connection *connection, unsigned what);
    /* something came while it is answered: whether nobody wants the answer any more. This alone
     * does not close it */
    bool (*left)(struct connection *connection, unsigned what);
    /* its deadline is over: that of a request that arrives; or it has rested for long enough */
    void (*late)(struct connection *connection);
    /* the answer is out, and the connection is kept (`keep`). Called from whoever finished the
     * answer: what has come already is best looked at later (connection_look_again()).
     * NULL: it is never kept */
    void (*rest)(struct connection *connection);
    /* how many seconds one may rest; NULL: as long as the other side wants */
    const double *keepalive;
    /* frees its `arrival`; or, with `idle`, if there is nothing in it. NULL: it has none */
    void (*forget)(struct connection *connection, bool idle);
    size_t *count;    /* how many connections it carries; NULL: nobody asks */
    bool half_closes; /* who has stopped sending is answered all the same, and kept until then */
    bool shared;      /* others have the descriptor too: to close it here ends none of its events */
};

enum connection_state {
    CONNECTION_ARRIVING,  /* a request is on its way in, until its deadline */
    CONNECTION_ANSWERING, /* whoever took the request holds this as its client */
    CONNECTION_FLUSHING, /* the answer's end is queued, and nobody's any more, until its deadline */
    CONNECTION_RESTING   /* it is kept for its next request; in the ring `resting` or `idle` */
};

/* What few connections have at a time. */
struct aside {
    struct buf queue; /* framed bytes that the descriptor has not taken */
    size_t replies;   /* how many of them are no part of an answer */
    char *fields;     /* that its answer's head has besides its own; or NULL */
    void *arrival;    /* the carrier's: what has come, and is no whole request yet; or NULL */
};

struct connection {
    struct client base; /* first: a connection is a client, of its carrier's kind */
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
    uint16_t own;       /* the carrier's: FastCGI's request id, or how HTTP frames the answer */
    uint8_t state;      /* enum connection_state */
    bool raw : 1;       /* the output of a CGI program, which may be no socket: never read */
    bool keep : 1;      /* another request may come on it */
    bool reused : 1;    /* it has carried a request before */
    bool watched : 1;   /* stands in the pollset */
    bool writing : 1;   /* waits there to be written to */
    bool missed : 1;    /* the pollset has told something that was not looked at yet */
    bool aborted : 1;   /* its request was given up, but not the connection: it is owed an end */
    bool head_only : 1; /* the request was HEAD: its answer has no body */
};

struct connections {
    struct ev_loop *loop;
    struct stats *stats;
    struct pollset *pollset;
    struct wheel *wheel;
    struct pool pool;      /* where connections are taken from */
    struct ring resting;   /* by deadline.ring, the longest resting first: those without a limit, */
    struct ring idle;      /* and those of carriers that have a `keepalive`, the same for all */
    struct ev_timer tired; /* the first of those has rested for long enough */
    bool closing;          /* nothing is kept any more */
    size_t body_max;       /* bytes kept of a body; the rest is counted and forgotten */
    size_t gathered;       /* bytes of bodies that are on their way in, of all connections ... */
    size_t gathered_max;   /* ... above which large ones are refused */
    char *scratch;         /* CONNECTION_SCRATCH bytes, for whoever reads */
};

enum { CONNECTION_SCRATCH = 256 * 1024 };

/* The set; `stats` is borrowed. `body_max`: bytes that are kept of a request's body. */
struct connections *connections_new(struct ev_loop *loop, struct stats *stats, size_t body_max);

/* Closes every connection at once, whoever has it. Safe on NULL. */
void connections_free(struct connections *all);

/* Closes a connection that rests, and has for longer than its like; false: none rests. */
bool connections_spare(struct connections *all);

/* From now on each connection ends with its answer. Those that rest may still ask. */
void connections_finish(struct connections *all);

/* Likewise, and none rests any more: what has come is read, then they are closed. One that has
 * not asked for anything yet has half a second for it. */
void connections_drain(struct connections *all);

/* Whether nothing is on its way in, and nothing is being answered, any more. */
bool connections_idle(const struct connections *all);

/* Owns `fd`, which does not block. `carrier` is borrowed and outlives it. It arrives. */
struct connection *connection_new(struct connections *all, const struct carrier *carrier, int fd);

/* Closes and frees, whatever its state. */
void connection_close(struct connection *connection);

/* Frees it and leaves its descriptor open: the caller's, which stands in no pollset any more. */
int connection_detach(struct connection *connection);

static inline const struct carrier *connection_carrier(const struct connection *connection) {
    return (const struct carrier *)(const void *)connection->base.kind;
}

/* The connection that is this client: for carriers, of their own clients. */
static inline struct connection *connection_of(const struct client *client) {
    return (struct connection *)(uintptr_t)client;
}

/* The one place where the state changes. */
void connection_set_state(struct connection *connection, enum connection_state state);

/* Sets its deadline to `seconds` from now; never while it is being answered. */
void connection_set_deadline(struct connection *connection, double seconds);

/*
 * Has it watched for what comes and for its end; what was missed is told again. False: the
 * kernel refuses.
 */
bool connection_watch(struct connection *connection);

/* Has what is true of its descriptor told in the next turn, as if it had just become so. */
void connection_look_again(struct connection *connection);

/* How many bytes wait to be written. */
static inline size_t connection_queued(const struct connection *connection) {
    return connection->aside != NULL ? connection->aside->queue.len : 0;
}

/* What it has aside, made if it is not there; and away with it when it holds nothing. */
struct aside *connection_aside(struct connection *connection);
void connection_tidy(struct connection *connection);

/* --------------------------------------------------------------------- answering */

/* A whole request is here: the connection is its client from now on. */
struct client *connection_answer(struct connection *connection);

/* Writes what the descriptor takes now of these parts, CONNECTION_PARTS at most, and queues
 * the rest. ERR_GONE: nobody takes them. */
enum { CONNECTION_PARTS = CLIENT_PARTS + 8 };
enum err connection_put(struct connection *connection, const struct part *parts,
                        size_t count) MUST_CHECK;

/* The last of an answer was put, and how that ended: the connection is nobody's client any
 * more. It rests, is closed, or flushes what is queued before. */
void connection_end(struct connection *connection, enum err err);

/* What those fields are that its answer's head has besides; a part without bytes: none. */
static inline struct part connection_fields(const struct connection *connection) {
    const char *fields = connection->aside != NULL ? connection->aside->fields : NULL;
    return (struct part){fields, fields != NULL ? __builtin_strlen(fields) : 0};
}

/* What every kind of client that is a connection does alike: for a carrier's client_kind. */
void connection_client_watch(struct client *client, const struct client_events *events, void *ctx);
void connection_client_hold(struct client *client);
size_t connection_client_backlog(const struct client *client);
void connection_client_add_fields(struct client *client, const char *fields);

#endif

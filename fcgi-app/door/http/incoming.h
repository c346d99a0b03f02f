/*
 * What an HTTP connection has of its own while something of a request is here, and not all:
 * most never have it.
 */
#ifndef HALLEY_HTTP_INCOMING_H
#define HALLEY_HTTP_INCOMING_H

#include "core/base/ring.h"
#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/http/parser.h"

struct incoming {
    struct ring turn; /* of those whose `waiting` is to be looked at */
    struct connection *connection;
    struct parser parser;
    struct buf waiting; /* what came behind the request that is being answered */
    size_t counted;     /* bytes of both, in all connections' sum */
};

/* NULL: it has none. */
static inline struct incoming *incoming_of(const struct connection *connection) {
    return connection->aside != NULL ? connection->aside->arrival : NULL;
}

/* Makes it, if it is not there: `parser` moves into it, and is as new. */
struct incoming *incoming_keep(struct connection *connection, struct parser *parser);

/* Keeps what came behind a request. */
void incoming_wait(struct connection *connection, struct parser *parser, const char *data,
                   size_t len);

/* Takes out what came behind; to be freed by the caller. */
struct buf incoming_take_waiting(struct connection *connection);

/* Has the sum of all connections know how much it holds. */
void incoming_count(struct connection *connection);

/* For a carrier: frees it, or, with `idle`, if nothing is in it. */
void incoming_forget(struct connection *connection, bool idle);

#endif

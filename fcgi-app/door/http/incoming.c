/*
 * Born when a read ends within a request, or behind one that is not answered yet; freed with
 * the last byte in it (connection_tidy()).
 */
#include "fcgi-app/door/http/incoming.h"

#include <stdlib.h>

#include "core/base/mem.h"

struct incoming *incoming_keep(struct connection *connection, struct parser *parser) {
    struct aside *aside = connection_aside(connection);
    const struct parser_limits *limits = parser->limits;
    struct incoming *incoming = aside->arrival;

    if (incoming != NULL)
        return incoming;
    incoming = aside->arrival = mem_new(sizeof *incoming);
    incoming->connection = connection;
    incoming->parser = *parser;
    incoming->waiting = buf_make(CONNECTION_SCRATCH);
    parser_init(parser, limits);
    return incoming;
}

void incoming_count(struct connection *connection) {
    struct incoming *incoming = incoming_of(connection);
    size_t holds = incoming->parser.stored.len + incoming->parser.body.len + incoming->waiting.len;

    connection->all->gathered += holds - incoming->counted;
    incoming->counted = holds;
}

void incoming_wait(struct connection *connection, struct parser *parser, const char *data,
                   size_t len) {
    struct incoming *incoming = incoming_keep(connection, parser);

    buf_add(&incoming->waiting, data, len);
    incoming_count(connection);
}

struct buf incoming_take_waiting(struct connection *connection) {
    struct incoming *incoming = incoming_of(connection);
    struct buf waiting = buf_make(0);

    if (incoming != NULL) {
        ring_remove(&incoming->turn);
        waiting = incoming->waiting;
        incoming->waiting = buf_make(CONNECTION_SCRATCH);
        incoming_count(connection);
        connection_tidy(connection);
    }
    return waiting;
}

void incoming_forget(struct connection *connection, bool idle) {
    struct incoming *incoming = incoming_of(connection);

    if (idle && (!parser_idle(&incoming->parser) || incoming->waiting.len > 0))
        return;
    connection->all->gathered -= incoming->counted;
    ring_remove(&incoming->turn);
    parser_free(&incoming->parser);
    buf_free(&incoming->waiting);
    free(incoming);
    connection->aside->arrival = NULL;
}

/*
 * The transports of Engine.IO's carrier: one for WebSockets, one for what is answered with one
 * payload. A batch is the payload of its messages for both; a WebSocket says its packets one by
 * one.
 */
#ifndef HALLEY_TRANSPORT_ENGINEIO_H
#define HALLEY_TRANSPORT_ENGINEIO_H

#include "fcgi-app/protocols/protocol.h"

struct transport;

/* The variant of their options. */
static inline unsigned engineio_variant(const struct protocol *protocol) {
    return protocol_index(protocol);
}

extern const struct transport transport_engineio, transport_engineio_poll;

#endif

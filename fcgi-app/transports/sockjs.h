/*
 * The transports of SockJS's carrier: one for what streams, WebSockets too, one for what is
 * answered with one frame.
 */
#ifndef HALLEY_TRANSPORT_SOCKJS_H
#define HALLEY_TRANSPORT_SOCKJS_H

#include "fcgi-app/carriers/sockjs/frames.h"
#include "fcgi-app/protocols/protocol.h"

struct transport;

enum { SOCKJS_KINDS = 8 };

/* The variant of their options: a byte. */
static inline unsigned sockjs_variant(enum sockjs_kind kind, const struct protocol *protocol) {
    return protocol_index(protocol) * SOCKJS_KINDS + (unsigned)kind;
}

extern const struct transport transport_sockjs, transport_sockjs_poll;

#endif

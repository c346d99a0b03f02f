/*
 * The transports of Bayeux (carriers/bayeux/): a connect, which is held and answered by its
 * carrier; an event stream; and an open WebSocket, over which nothing comes but what its carrier
 * says.
 */
#ifndef HALLEY_TRANSPORT_BAYEUX_H
#define HALLEY_TRANSPORT_BAYEUX_H

struct transport;

extern const struct transport transport_bayeux, transport_bayeux_stream, transport_bayeux_socket;

#endif

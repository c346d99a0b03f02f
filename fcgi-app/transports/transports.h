/*
 * Every transport, for the registry alone.
 */
#ifndef HALLEY_TRANSPORTS_H
#define HALLEY_TRANSPORTS_H

#include "fcgi-app/transports/transport.h"

extern const struct transport transport_ws;
extern const struct transport transport_events;
extern const struct transport transport_stream;
extern const struct transport transport_multipart;
extern const struct transport transport_iframe;
extern const struct transport transport_jsonp;
extern const struct transport transport_wait;
extern const struct transport transport_poll;
extern const struct transport transport_line;

#endif

/*
 * Every transport, for the registry alone.
 */
#ifndef HALLEY_TRANSPORTS_H
#define HALLEY_TRANSPORTS_H

#include "fcgi-app/transport.h"

extern const struct transport transport_wait;
extern const struct transport transport_poll;

#endif

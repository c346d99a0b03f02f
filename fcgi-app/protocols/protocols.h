/*
 * The protocols there are, for their table alone.
 */
#ifndef HALLEY_PROTOCOLS_H
#define HALLEY_PROTOCOLS_H

#include "fcgi-app/protocols/protocol.h"

extern const struct protocol protocol_halley, protocol_channel, protocol_socketio;

/* Spoken on the line feed alone: no row of the table. */
extern const struct protocol protocol_line;

/* The table: all of them, and NULL. */
extern const struct protocol *const protocols[];

#endif

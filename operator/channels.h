/* What `halley channels` asks that others ask as well. */
#ifndef HALLEY_OPERATOR_CHANNELS_H
#define HALLEY_OPERATOR_CHANNELS_H

#include <stdint.h>

#include "operator/desk.h"

/* How many requests, streams and sockets are held on this channel in all processes. */
enum err channels_waiting(struct desk *desk, const char *channel, uint64_t *waiters) MUST_CHECK;

#endif

/*
 * The opening handshake of a WebSocket: a request that asks to be upgraded (RFC 6455 §4.2).
 * Pure functions, whatever read the request.
 */
#ifndef HALLEY_WS_HANDSHAKE_H
#define HALLEY_WS_HANDSHAKE_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"

/* The dear fields that a handshake is told by. */
#define HANDSHAKE_WANTS                                                                            \
    (SAID_BIT(SAID_CONNECTION) | SAID_BIT(SAID_UPGRADE) | SAID_BIT(SAID_SOCKET_KEY) |              \
     SAID_BIT(SAID_SOCKET_VERSION) | SAID_BIT(SAID_SOCKET_PROTOCOL))

/* Whether a request is a handshake, of a page that may; else `problem` is what to answer.
 * `origins` is the option of that name. */
bool handshake_check(const struct request *request, const char *origins, struct problem *problem);

/* The same, also in the versions 7 and 8 of browsers of 2011, whose frames are those of 13. Where
 * their pages come from they say in another field, which is not looked at. */
bool handshake_check_old(const struct request *request, const char *origins,
                         struct problem *problem);

/* Appends the answer to a handshake: 101 Switching Protocols. */
void handshake_put_answer(const struct request *request, struct buf *out);

#endif

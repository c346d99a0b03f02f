/*
 * What a browser says on its WebSocket, and what is done about it. Belongs to
 * the loop's thread.
 */
#ifndef HALLEY_WS_SESSION_H
#define HALLEY_WS_SESSION_H

#include "fcgi-app/door/client.h"
#include "fcgi-app/door/request.h"
#include "fcgi-app/endpoints/app.h"

/*
 * Begins a session on an upgraded connection: `fd` is taken over, `hello` sent
 * first, `early` is what came behind the handshake. The request's parameters were
 * parsed, and are checked here: false, with `problem`, leaves the descriptor the
 * caller's.
 */
bool session_begin(struct app *app, const struct request *request, int fd, const struct part *hello,
                   const struct part *early, struct problem *problem);

#endif

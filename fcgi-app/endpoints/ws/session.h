/*
 * What a browser says on its WebSocket, and what is done about it. Belongs to
 * the loop's thread.
 */
#ifndef HALLEY_WS_SESSION_H
#define HALLEY_WS_SESSION_H

#include "fcgi-app/door/client.h"
#include "fcgi-app/door/request.h"
#include "fcgi-app/endpoints/app.h"

/* Checks the parameters of a request, which were parsed. True: session_begin() must follow, and
 * the request live until then; else `problem` says what is wrong. */
bool session_check(const struct app *app, const struct request *request, struct hub_read *read,
                   struct problem *problem);

/*
 * Begins a session on an upgraded connection: `fd` is taken over, `hello` sent
 * first, `early` is what came behind the handshake.
 */
void session_begin(struct app *app, const struct request *request, const struct hub_read *read,
                   int fd, const struct part *hello, const struct part *early);

#endif

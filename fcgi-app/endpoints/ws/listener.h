/*
 * Accepts WebSockets that the web server passes on as plain HTTP/1.1, because
 * FastCGI cannot carry an upgraded connection. Belongs to the loop's thread.
 */
#ifndef HALLEY_WS_LISTENER_H
#define HALLEY_WS_LISTENER_H

#include <stdbool.h>

#include "fcgi-app/endpoints/app.h"

struct ws_listener;

/*
 * Accepts on `fd`, which it owns, and tells the other processes through Redis
 * that there is a WebSocket service, for as long as it lives.
 */
struct ws_listener *ws_listener_new(struct app *app, int fd);

/* Stops accepting; what is open goes on. */
void ws_listener_close(struct ws_listener *listener);
void ws_listener_free(struct ws_listener *listener);

/*
 * Calls `done` once, now or later, with whether any process serves WebSockets.
 */
void ws_ask(struct app *app, void (*done)(void *ctx, bool served), void *ctx);

#endif

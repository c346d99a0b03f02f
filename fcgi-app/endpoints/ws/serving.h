/*
 * Serving WebSockets: whoever has a connection that asks to be upgraded hands it over here.
 * Belongs to the loop's thread.
 */
#ifndef HALLEY_WS_SERVING_H
#define HALLEY_WS_SERVING_H

#include <stdbool.h>

#include "fcgi-app/endpoints/app.h"

struct ws_serving;

/* Tells the other processes through Redis that there is a WebSocket service, as long as it
 * lives; for a process that has a door for them. */
struct ws_serving *ws_serving_new(struct app *app);

/* Tells them no more; what is open goes on. */
void ws_serving_end(struct ws_serving *serving);

/* Safe on NULL. */
void ws_serving_free(struct ws_serving *serving);

/* The endpoint, for clients that can be upgraded. */
endpoint_fn endpoint_ws;

/*
 * Calls `done` once, now or later, with whether any process serves WebSockets.
 */
void ws_ask(struct app *app, void (*done)(void *ctx, bool served), void *ctx);

#endif

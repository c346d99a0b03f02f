/*
 * Accepts WebSockets that the web server passes on as plain HTTP/1.1, because
 * FastCGI cannot carry an upgraded connection. Belongs to the loop's thread.
 */
#ifndef HALLEY_WS_LISTENER_H
#define HALLEY_WS_LISTENER_H

#include "fcgi-app/endpoints/app.h"

struct ws_listener;

/* Accepts on `fd`, which it owns. */
struct ws_listener *ws_listener_new(struct app *app, int fd);

/* Stops accepting; what is open goes on. */
void ws_listener_close(struct ws_listener *listener);
void ws_listener_free(struct ws_listener *listener);

#endif

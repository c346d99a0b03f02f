/*
 * Engine.IO, revision 4 (https://github.com/socketio/engine.io-protocol): long polling, WebSockets,
 * and the way from the one to the other, whichever process is asked. Belongs to the loop's thread.
 */
#ifndef HALLEY_ENGINEIO_H
#define HALLEY_ENGINEIO_H

#include <stdbool.h>

#include "fcgi-app/carriers/services.h"

struct engineio;

/* The requests that this process holds for sessions. `app` is borrowed, its hub is there. */
struct engineio *engineio_new(struct app *app);

/* After the hub: nobody is held any more. Safe on NULL. */
void engineio_free(struct engineio *engineio);

/* The dialect (carriers/services.h). */
bool engineio_serve(struct app *app, const struct service_request *found, struct request *request,
                    struct client *client, struct problem *problem);

#endif

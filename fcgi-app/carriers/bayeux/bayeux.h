/*
 * Bayeux 1.0, as Faye's and CometD's clients speak it: sessions in Redis over long polling,
 * callback polling, an event stream and WebSockets, whichever process is asked. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_BAYEUX_H
#define HALLEY_BAYEUX_H

#include <stdbool.h>

#include "fcgi-app/carriers/services.h"

struct bayeux;

/* The requests that this process holds for sessions. `app` is borrowed, its hub is there. */
struct bayeux *bayeux_new(struct app *app);

/* After the hub: nobody is held any more. Safe on NULL. */
void bayeux_free_all(struct bayeux *bayeux);

/* Whether nothing is being written back to Redis that only this process knows. */
bool bayeux_idle(const struct bayeux *bayeux);

/* The dialect (carriers/services.h). */
bool bayeux_serve(struct app *app, const struct service_request *found, struct request *request,
                  struct client *client, struct problem *problem);

#endif

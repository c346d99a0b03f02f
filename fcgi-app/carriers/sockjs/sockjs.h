/*
 * SockJS 0.3 and 1.x: its paths, its sessions over HTTP, whichever process is asked, and its
 * WebSockets. Belongs to the loop's thread.
 */
#ifndef HALLEY_SOCKJS_H
#define HALLEY_SOCKJS_H

#include <stdbool.h>

#include "fcgi-app/carriers/services.h"

struct sockjs;

/* The requests that this process holds for sessions. `app` is borrowed, its hub is there. */
struct sockjs *sockjs_new(struct app *app);

/* After the hub: nobody is held any more. Safe on NULL. */
void sockjs_free(struct sockjs *sockjs);

/* The dialect (carriers/services.h). */
bool sockjs_serve(struct app *app, const struct service_request *found, struct request *request,
                  struct client *client, struct problem *problem);

#endif

/*
 * Services: what is served for other systems' clients, where the configuration says so. Here a
 * request finds its service, and a dialect its row.
 */
#ifndef HALLEY_SERVICES_H
#define HALLEY_SERVICES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"
#include "fcgi-app/endpoints/app.h"

enum { SERVICE_SEGMENTS = 4 };

/* A request for a service: what stands behind the service's path, decoded segment by segment. */
struct service_request {
    const struct service *service;
    size_t count;
    struct service_segment {
        char *at; /* any bytes but NUL and /, with a NUL behind them */
        size_t len;
    } segments[SERVICE_SEGMENTS];
    bool slash; /* the path ends in one */
};

/*
 * Finds the service that a request is for, below the mount or at the root of the site. False:
 * none; else service_free() must follow. A path that leads nowhere in it is its service's, with
 * count SERVICE_NOWHERE.
 */
enum { SERVICE_NOWHERE = 99 };
bool service_find(const struct config *config, const struct request *request,
                  struct service_request *found);
void service_free(struct service_request *found);

/* The dear fields that a service needs of a request. */
said_set service_wants(void);

/*
 * Answers a request for a service, whose parameters are not parsed yet, OPTIONS too: takes over
 * `client`, or fills `problem` and returns false. The request is borrowed for the call.
 */
bool service_serve(struct app *app, const struct service_request *found, struct request *request,
                   struct client *client, struct problem *problem);

/* Notes what the site is to be asked before a session of the service may be opened: asked_lacks()
 * of who it is says whether there is anything. */
void service_note_questions(const struct config *config, const struct service_request *found,
                            const struct identity *who);

/* Whether the program can serve all services of the configuration; else why not. */
bool services_check(const struct config *config, char problem[CONFIG_PROBLEM]);

#endif

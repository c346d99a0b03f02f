/*
 * What the endpoints of a process share. Filled by main(), borrowed by everybody
 * else.
 */
#ifndef HALLEY_APP_H
#define HALLEY_APP_H

#include "core/config/config.h"
#include "core/redis/report.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"
#include "fcgi-app/hub/hub.h"

struct app {
    const struct config *config;
    struct ev_loop *loop;
    struct hub *hub;
    struct stats *stats;
    struct credentials *credentials; /* NULL: nobody is ever known */
    struct report *report;           /* NULL in a CGI process */
    struct sockjs *sockjs;           /* NULL where no session of SockJS is served */
    struct engineio *engineio;       /* likewise */
    struct bayeux *bayeux;           /* likewise */
    struct ws_serving *serving;      /* NULL where WebSockets are not served by this process */
    double started;                  /* Unix seconds */
    struct request *last;            /* the last reading request that may be said again, or NULL */
    struct hub_read *last_read;      /* and what it said; read.c's own */
    bool told_elsewhere;             /* the log has said that somebody expects another mount */
};

/*
 * An endpoint: takes over `client` and answers it, now or later, and returns
 * true; or fills `problem` and returns false. The request is borrowed for the
 * length of the call, unless the endpoint makes it the app's `last`.
 */
typedef bool endpoint_fn(struct app *app, struct request *request, struct client *client,
                         struct problem *problem);

endpoint_fn endpoint_read;    /* read.c: every transport */
endpoint_fn endpoint_publish; /* publish.c */
endpoint_fn endpoint_history; /* history.c */
endpoint_fn endpoint_info;    /* info.c */
endpoint_fn endpoint_health;  /* info.c */
endpoint_fn endpoint_status;  /* status.c */
endpoint_fn endpoint_metrics; /* metrics.c */

/* Appends the JSON members by which this process reports itself (status.c). */
void status_report(void *ctx, struct buf *out);

/* Finishes a client with a 200 and a body. */
void app_answer(struct client *client, const char *content_type, const struct buf *body);

/* Counts a problem that somebody is told. */
void app_count(struct app *app, const struct problem *problem);

/* Finishes a client with a problem, and counts it. */
void app_refuse(struct app *app, struct client *client, const struct problem *problem);

/*
 * Fills `problem` for a request that is for no endpoint (route.c). One that would be for an
 * endpoint below another mount is counted, and the log says so, once.
 */
void app_no_endpoint(struct app *app, const struct request *request, struct problem *problem);

/*
 * Whether a request says what the app's `last` said (read.c), whoever it is from. `wants`: what its
 * route asks for to decide that.
 */
bool app_repeats(const struct app *app, const struct request *request, said_set wants);

/* Of one that repeats: whether nothing says who it is from, nor said so then; and whether he who it
 * is from may have what that was given. */
bool app_repeats_openly(const struct app *app, const struct request *request);
bool app_may_repeat(const struct app *app, const struct request *request);

/* Frees what was kept of the last request. */
void app_forget(struct app *app);

/* Routes one request (route.c); a request_fn whose context is the app. Frees the request. */
void app_take(void *ctx, struct request *request, struct client *client);

/* The dear fields that its endpoint needs of a request: a request_taker's `wants`. */
said_set app_wants(void *ctx, struct request *request);

#endif

/*
 * Routes a request to its endpoint, or to a service of the configuration. One table: the endpoints
 * that are not transports; every other name is looked up among the transports. What is wrong with a
 * request is found in this order: no such endpoint (404), method (405), who may (403), a cut-off
 * body (400), size (413), encoding (400), and then what the endpoint itself checks.
 */
#include "fcgi-app/endpoints/app.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "fcgi-app/carriers/services.h"
#include "fcgi-app/door/mount.h"
#include "fcgi-app/door/ws/handshake.h"
#include "fcgi-app/endpoints/cors.h"
#include "fcgi-app/endpoints/read.h"
#include "fcgi-app/endpoints/ws/serving.h"
#include "fcgi-app/hub/directory.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/rights/asked.h"
#include "fcgi-app/rights/credential.h"
#include "fcgi-app/rights/limits.h"
#include "fcgi-app/transports/transport.h"

/* What an endpoint asks of those whom it answers. */
enum guard {
    OPEN,
    FRAMES,    /* pages of this site and of `origins`, around a frame */
    OWN_PAGES, /* a page that may change things: one of this site, or of `origins` */
    OPERATORS  /* those whom the option `status` names */
};

struct route {
    const char *name;
    endpoint_fn *run;
    const char *allow; /* methods, as the Allow header lists them; OPTIONS is answered here */
    enum guard guard;
    enum endpoint endpoint; /* as it is counted */
    said_set wants;         /* dear fields: what decides here who may have what */
};

static const struct route routes[] = {
    {"publish", endpoint_publish, "POST, OPTIONS", OWN_PAGES, ENDPOINT_publish, 0},
    {"history", endpoint_history, "GET, HEAD, OPTIONS", OPEN, ENDPOINT_history, 0},
    {"info", endpoint_info, "GET, HEAD, OPTIONS", OPEN, ENDPOINT_info, 0},
    {"health", endpoint_health, "GET, HEAD, OPTIONS", OPEN, ENDPOINT_health, 0},
    {"status", endpoint_status, "GET, HEAD, OPTIONS", OPERATORS, ENDPOINT_status, 0},
    {"metrics", endpoint_metrics, "GET, HEAD, OPTIONS", OPERATORS, ENDPOINT_metrics, 0},
};

/* Only where the connection can be upgraded. */
static const struct route ws_route = {"ws", endpoint_ws,        "GET, OPTIONS",
                                      OPEN, ENDPOINT_TRANSPORT, HANDSHAKE_WANTS};

static const struct route read_route = {"",   endpoint_read,      "GET, HEAD, POST, OPTIONS",
                                        OPEN, ENDPOINT_TRANSPORT, 0};

/* Of these a browser does not say by Origin which page they are for. */
static const struct route frame_route = {"iframe", endpoint_read,      "GET, HEAD, POST, OPTIONS",
                                         FRAMES,   ENDPOINT_TRANSPORT, SAID_BIT(SAID_REFERER)};
static const struct route script_route = {"jsonp", endpoint_read,      "GET, HEAD, POST, OPTIONS",
                                          OPEN,    ENDPOINT_TRANSPORT, SAID_BIT(SAID_REFERER)};

static bool reads_only(const struct route *route) {
    return route->run == endpoint_read;
}

static const struct route *route_of_transport(const struct transport *transport) {
    if (strcmp(transport->name, frame_route.name) == 0)
        return &frame_route;
    return strcmp(transport->name, script_route.name) == 0 ? &script_route : &read_route;
}

static const struct route *route_named(const struct config *config, const char *name) {
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (routes[i].name[0] == name[0] && strcmp(routes[i].name, name) == 0)
            return &routes[i];
    }
    const struct transport *transport = transport_find(name);
    if (transport != NULL && transport->socket)
        return &ws_route;
    if (transport == NULL || transport->own_door ||
        (transport->enabled != NULL && !transport->enabled(config)))
        return NULL;
    return route_of_transport(transport);
}

/* An endpoint is one segment below the mount. */
static const struct route *route_find(const struct config *config, const struct request *request) {
    return request->segment_count == 1 ? route_named(config, request->endpoint) : NULL;
}

/* Whether `method` stands in a list of methods, separated by ", ". */
static bool allowed(const char *list, const char *method) {
    size_t len = strlen(method);

    for (const char *at = list; *at != '\0'; at += strspn(at, ", ")) {
        size_t word = strcspn(at, ",");
        if (word == len && memcmp(at, method, len) == 0)
            return true;
        at += word;
    }
    return false;
}

static bool is_form(const struct request *request) {
    static const char form[] = "application/x-www-form-urlencoded";
    size_t len = sizeof form - 1;
    return strncasecmp(request->content_type, form, len) == 0 &&
           (request->content_type[len] == '\0' || request->content_type[len] == ';' ||
            request->content_type[len] == ' ');
}

/* A query and a posted form, as if they were one. */
static enum err parse_form(struct request *request, size_t query_len) {
    struct buf text = buf_make(REQUEST_QUERY_MAX + REQUEST_FORM_MAX + 1);

    buf_add(&text, request->query, query_len);
    buf_char(&text, '&');
    buf_add(&text, request->body, request->body_len);
    enum err err = params_parse(&request->params, text.data, text.len);
    buf_free(&text);
    return err;
}

/* Fills request->params from the query, and for readers that posted a form from it too. */
static bool parse_params(struct request *request, bool reads, struct problem *problem) {
    size_t query_len = strlen(request->query);
    bool form = reads && strcmp(request->method, "POST") == 0;

    if (query_len > REQUEST_QUERY_MAX)
        problem_set(problem, 413, "query: the most is %d bytes; a form may be posted instead",
                    REQUEST_QUERY_MAX);
    else if (form && request->body_len > 0 && !is_form(request))
        problem_set(problem, 400,
                    "Content-Type: a posted body must be application/x-www-form-urlencoded");
    else if (form && (request->body_over || request->body_len > REQUEST_FORM_MAX))
        problem_set(problem, 413, "body: the most is %d bytes of parameters", REQUEST_FORM_MAX);
    if (problem->status != 0)
        return false;
    enum err err = form && request->body_len > 0
                       ? parse_form(request, query_len)
                       : params_parse(&request->params, request->query, query_len);
    if (err == ERR_SYNTAX)
        problem_set(problem, 400, "query: %% must be followed by two hexadecimal digits");
    else if (err != ERR_OK)
        problem_set(problem, 400, "query: the most is %d parameters", PARAMS_MAX);
    return err == ERR_OK;
}

void app_no_endpoint(struct app *app, const struct request *request, struct problem *problem) {
    const char *mount = app->config->mount, *name = mount_elsewhere(mount, request->path);

    problem_set(problem, 404, "there is no such endpoint");
    if (strchr(request->served, '?') != NULL) /* as lighttpd's url-normalize-required does it */
        problem_set(problem, 404,
                    "the web server has cut this address at its last \"?\": "
                    "write the others as %%3F");
    if (name == NULL || route_named(app->config, name) == NULL)
        return;
    app->stats->mount_elsewhere++;
    if (!app->told_elsewhere)
        log_warning("mount.elsewhere",
                    "path=\"%.200s\" mount=\"%s\": endpoints below another path need the option "
                    "mount; this is said once",
                    request->path, mount);
    app->told_elsewhere = true;
}

/* Whether the request may have what its route guards; else fills `problem`. */
static bool passes(const struct app *app, enum guard guard, const struct request *request,
                   struct problem *problem) {
    const struct config *config = app->config;

    if (guard == OWN_PAGES && !site_allows(&request->claims, config->origins))
        problem_set(problem, 403, "Origin: pages of that origin are not allowed (origins)");
    else if (guard == FRAMES && !site_shows(&request->claims, request->referer, config->origins))
        problem_set(problem, 403, "Referer: frames of that page are not served (origins)");
    else if (guard == OPERATORS && config->status == STATUS_NONE)
        problem_set(problem, 403, "this is shown to nobody (status)");
    else if (guard == OPERATORS && config->status == STATUS_LOCAL &&
             !site_local(request->remote_addr, request->proxied))
        problem_set(problem, 403, "this is shown on the server itself only (status)");
    return problem->status == 0;
}

static bool is_options(const struct request *request) {
    return strcmp(request->method, "OPTIONS") == 0;
}

/* What a service wants to know, if the request is for one. */
static said_set wants_of_service(const struct app *app, const struct request *request) {
    struct service_request found;

    if (!service_find(app->config, request, &found))
        return 0;
    service_free(&found);
    return service_wants();
}

said_set app_wants(void *ctx, struct request *request) {
    const struct app *app = ctx;

    request_mount(request, app->config->mount);
    const struct route *route = route_find(app->config, request);
    if (route == NULL)
        return wants_of_service(app, request) | credentials_want(app->credentials);
    return is_options(request) ? CORS_WANTS : route->wants | credentials_want(app->credentials);
}

/* What may be done with the endpoint, and what a browser asks for a page of another site. */
static void answer_options(const struct app *app, const struct route *route,
                           const struct request *request, struct client *client) {
    struct buf fields = buf_make(4096);

    buf_printf(&fields, "Allow: %s\r\n", route->allow);
    cors_put_preflight(request, app->config->origins, route->allow, &fields);
    const struct head head = {.status = 204, .length = HEAD_NO_LENGTH, .fields = fields.data};
    client_finish(client, &head, NULL, 0);
    buf_free(&fields);
}

/* A page of another site that may read the answer may read it whatever it says. */
static void let_others_read(const struct app *app, const struct route *route,
                            const struct request *request, struct client *client) {
    struct buf fields = buf_make(8192);

    if (route == &frame_route)
        cors_put_ancestors(app->config->origins, &fields);
    if (app->config->origins[0] != '\0')
        cors_put(request, app->config->origins, &fields);
    if (fields.len > 0)
        client_add_fields(client, fields.data);
    buf_free(&fields);
}

/* Finds what is wrong with a request before its parameters are looked at. */
static void check(struct app *app, const struct route *route, const struct request *request,
                  struct problem *problem) {
    if (route == NULL) {
        app_no_endpoint(app, request, problem);
    } else if (!allowed(route->allow, request->method)) {
        problem_set(problem, 405, "method: must be %s", route->allow);
        problem->allow = route->allow;
    } else if (!is_options(request) && passes(app, route->guard, request, problem) &&
               request->body_short) {
        problem_short(problem);
    }
}

/* ------------------------------------------------------- what is not known at once */

/* A request that waits until it is known what its patterns stand for, or what the site says of who
 * it is from. Both are its own. */
struct waiting {
    struct app *app;
    const struct route *route;
    struct request *request;
    struct client *client;
};

static struct waiting *waiting_new(struct app *app, const struct route *route,
                                   struct request *request, struct client *client) {
    struct waiting *waiting = mem_new(sizeof *waiting);

    *waiting = (struct waiting){app, route, request, client};
    return waiting;
}

static void waiting_free(struct waiting *waiting) {
    request_free(waiting->request);
    free(waiting);
}

/* -------------------------------------------------------------------------- the site */

static struct asked *asked_of(const struct request *request) {
    return identity_asked(request->who);
}

/* His token may be over by now. */
static bool is_over(const struct waiting *waiting, struct problem *problem) {
    const struct identity *who = waiting->request->who;

    if (!identity_over(who, ev_now(waiting->app->loop)))
        return false;
    problem_set(problem, 401, "token: it %s", who->revoked ? "was revoked" : "has expired");
    return true;
}

/* Notes all that a reader wants to know, which is asked together. */
static void note_questions(struct app *app, const struct route *route,
                           const struct request *request) {
    if (asked_of(request) != NULL && (reads_only(route) || route == &ws_route))
        read_note_questions(app, request);
}

static void on_said(void *ctx) {
    struct waiting *waiting = ctx;
    struct app *app = waiting->app;
    struct asked *asked = asked_of(waiting->request);
    struct problem problem = {0};

    if (!is_over(waiting, &problem) &&
        waiting->route->run(app, waiting->request, waiting->client, &problem)) {
        waiting_free(waiting);
    } else if (asked_lacks(asked)) {
        note_questions(app, waiting->route, waiting->request);
        asked_ask(asked, true, on_said, waiting);
    } else {
        app_refuse(app, waiting->client, &problem);
        waiting_free(waiting);
    }
}

/* Whether the request has to wait for what the site says; it is another's then. */
static bool waits_for_site(struct app *app, const struct route *route, struct request *request,
                           struct client *client) {
    if (!asked_lacks(asked_of(request)))
        return false;
    asked_ask(asked_of(request), false, on_said, waiting_new(app, route, request, client));
    return true;
}

/* ------------------------------------------------------------------------- patterns */

static void run_waiting(struct waiting *waiting) {
    struct problem problem = {0};
    struct app *app = waiting->app;

    note_questions(app, waiting->route, waiting->request);
    if (waits_for_site(app, waiting->route, waiting->request, waiting->client)) {
        free(waiting);
        return;
    }
    if (!waiting->route->run(app, waiting->request, waiting->client, &problem))
        app_refuse(app, waiting->client, &problem);
    waiting_free(waiting);
}

static void on_known(void *ctx, bool known) {
    struct waiting *waiting = ctx;
    struct app *app = waiting->app;
    const struct param *next = known ? read_unknown_pattern(app, waiting->request) : NULL;
    struct problem problem;

    if (next != NULL) {
        directory_ask(hub_directory(app->hub), next->value, next->value_len, on_known, waiting);
        return;
    }
    if (known) {
        run_waiting(waiting);
        return;
    }
    read_refuse(app, waiting->request, waiting->client,
                hub_explain(app->hub, &problem, "Redis does not tell what the pattern stands for"));
    waiting_free(waiting);
}

/* Whether the request has to wait for that, or may not; it is another's then. */
static bool waits_for_patterns(struct app *app, const struct route *route, struct request *request,
                               struct client *client) {
    bool reads = reads_only(route) || route == &ws_route;
    const struct param *first = reads ? read_unknown_pattern(app, request) : NULL;
    struct problem problem;

    if (first == NULL)
        return false;
    if (!limits_channels(hub_limits(app->hub), request->remote_addr, 1, ev_now(app->loop),
                         &problem)) { /* a pattern that nobody has asked for yet */
        read_refuse(app, request, client, &problem);
        request_free(request);
        return true;
    }
    directory_ask(hub_directory(app->hub), first->value, first->value_len, on_known,
                  waiting_new(app, route, request, client));
    return true;
}

/*
 * From whom it is. A script can be run by any page, so that what a browser adds to a request by
 * itself is nobody's word for it; and pages of other sites are given what anybody may read.
 */
static bool find_who(struct app *app, const struct route *route, struct request *request,
                     struct problem *problem) {
    bool scripted = route == &script_route;

    if (!credentials_find(app->credentials, request, scripted, ev_now(app->loop), problem))
        return false;
    if (scripted && request->who != NULL &&
        !site_trusts(&request->claims, request->referer, app->config->origins)) {
        identity_free(request->who);
        request->who = NULL;
    }
    return true;
}

/* Requests that read are counted before anybody else is asked about them, and each once. */
static bool may_read(const struct app *app, const struct route *route,
                     const struct request *request, struct problem *problem) {
    bool counts = reads_only(route) || route == &ws_route || route->run == endpoint_history;
    return !counts ||
           limits_read(hub_limits(app->hub), request->remote_addr, ev_now(app->loop), problem);
}

static void refuse(struct app *app, const struct route *route, const struct request *request,
                   struct client *client, const struct problem *problem) {
    if (reads_only(route))
        read_refuse(app, request, client, problem);
    else
        app_refuse(app, client, problem);
}

/*
 * Takes a request apart as far as it does not say what the last one said, and finds out from whom
 * it is.
 */
static bool find_what(struct app *app, const struct route *route, struct request *request,
                      struct problem *problem) {
    bool reads = reads_only(route), again = reads && app_repeats(app, request, route->wants);

    if (again && app_repeats_openly(app, request)) {
        request->repeats = true;
        return true;
    }
    if (!again)
        return parse_params(request, reads, problem) && find_who(app, route, request, problem);
    if (!find_who(app, route, request, problem))
        return false;
    request->repeats = app_may_repeat(app, request);
    return request->repeats || parse_params(request, reads, problem);
}

/* Whether the request is kept. */
static bool run(struct app *app, const struct route *route, struct request *request,
                struct client *client) {
    struct problem problem = {0};

    if (!may_read(app, route, request, &problem)) {
        refuse(app, route, request, client, &problem);
        return false;
    }
    bool good = find_what(app, route, request, &problem);
    if (good && !request->repeats && waits_for_patterns(app, route, request, client))
        return true;
    if (good && !request->repeats)
        note_questions(app, route, request);
    if (good && waits_for_site(app, route, request, client))
        return true;
    if (good && route->run(app, request, client, &problem))
        return request == app->last;
    if (good && waits_for_site(app, route, request, client)) /* what it is about is known now */
        return true;
    app_refuse(app, client, &problem);
    return request == app->last;
}

static void count_for(struct app *app, enum endpoint endpoint) {
    if (endpoint != ENDPOINT_TRANSPORT)
        app->stats->endpoints[endpoint]++;
}

/* Every request of a dialect counts as one that reads, but for what browsers ask beforehand. */
static bool may_ask(const struct app *app, const struct request *request, struct problem *problem) {
    return is_options(request) ||
           limits_read(hub_limits(app->hub), request->remote_addr, ev_now(app->loop), problem);
}

/* The site has said whether a session may be opened. */
static void on_service_said(void *ctx) {
    struct waiting *waiting = ctx;
    struct problem problem = {0};
    struct service_request found;

    if (!service_find(waiting->app->config, waiting->request, &found))
        abort(); /* it was found before */
    if (is_over(waiting, &problem) ||
        !service_serve(waiting->app, &found, waiting->request, waiting->client, &problem))
        app_refuse(waiting->app, waiting->client, &problem);
    service_free(&found);
    waiting_free(waiting);
}

static bool service_waits_for_site(struct app *app, const struct service_request *found,
                                   struct request *request, struct client *client) {
    if (asked_of(request) == NULL || is_options(request))
        return false;
    service_note_questions(app->config, found, request->who);
    if (!asked_lacks(asked_of(request)))
        return false;
    asked_ask(asked_of(request), false, on_service_said, waiting_new(app, NULL, request, client));
    return true;
}

/* Whether the request was for a service: then it is answered, or will be. */
static bool serve(struct app *app, struct request *request, struct client *client) {
    struct problem problem = {0};
    struct service_request found;

    if (!service_find(app->config, request, &found))
        return false;
    count_for(app, ENDPOINT_service);
    bool good = may_ask(app, request, &problem) &&
                credentials_find(app->credentials, request, false, ev_now(app->loop), &problem);
    bool waits = good && service_waits_for_site(app, &found, request, client);
    if (!waits && (!good || !service_serve(app, &found, request, client, &problem)))
        app_refuse(app, client, &problem);
    service_free(&found);
    if (!waits)
        request_free(request);
    return true;
}

void app_take(void *ctx, struct request *request, struct client *client) {
    struct app *app = ctx;
    struct problem problem = {0};
    bool kept = false;

    request_mount(request, app->config->mount);
    const struct route *route = route_find(app->config, request);
    let_others_read(app, route, request, client);
    if (route == NULL && serve(app, request, client))
        return;
    if (route == &ws_route && !client_can_upgrade(client))
        route = NULL;
    count_for(app, route != NULL ? route->endpoint : ENDPOINT_none);
    check(app, route, request, &problem);
    if (problem.status != 0)
        app_refuse(app, client, &problem);
    else if (is_options(request))
        answer_options(app, route, request, client);
    else
        kept = run(app, route, request, client);
    if (!kept)
        request_free(request);
}

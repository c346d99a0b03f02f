/*
 * What a client may ask before it begins: what this server offers (info), and
 * whether it works (health).
 */
#include "fcgi-app/endpoints/app.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/redis/health.h"
#include "fcgi-app/endpoints/ws/serving.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/rights/rights.h"
#include "fcgi-app/transports/transport.h"

static void put_transports(const struct config *config, bool sockets, struct buf *out) {
    const struct transport *transport;
    const char *separator = "";

    for (size_t i = 0; (transport = transport_at(i)) != NULL; i++) {
        if (transport->own_door || transport->carried ||
            (transport->enabled != NULL && !transport->enabled(config)) ||
            (transport->socket && !sockets))
            continue;
        buf_printf(out, "%s\"%s\"", separator, transport->name);
        separator = ",";
    }
}

/* A client that is to be answered when something is known. */
struct asked {
    struct app *app;
    struct client *client;
};

static struct asked *ask_for(struct app *app, struct client *client) {
    struct asked *asked = mem_new(sizeof *asked);
    *asked = (struct asked){app, client};
    return asked;
}

static void answer_info(void *ctx, bool sockets) {
    struct asked *asked = ctx;
    const struct config *config = asked->app->config;
    struct buf body = buf_make(8192);

    buf_text(&body, "{\"name\":\"halley\",\"version\":\"" HALLEY_VERSION "\",\"transports\":[");
    put_transports(config, sockets, &body);
    buf_printf(&body,
               "],\"limits\":{\"max_channels\":%d,\"timeout\":%d,\"max_wait\":%d,\"max_limit\":%d,"
               "\"max_query\":%d,\"max_form\":%d,\"max_message\":%d,\"keepalive\":%d,"
               "\"max_stream\":%d,\"max_backlog\":%d},\"retry\":%d,\"redis\":\"%s\","
               "\"login\":%s}\n",
               config->max_channels, config->timeout, config->max_wait, LIMIT_MAX,
               REQUEST_QUERY_MAX, REQUEST_FORM_MAX, config_channel(config, "", 0)->max_message,
               config->keepalive, config->max_stream, config->max_backlog, config->retry,
               hub_redis_up(asked->app->hub) ? "up" : "away",
               rights_login(config) ? "true" : "false");
    app_answer(asked->client, "application/json", &body);
    buf_free(&body);
    free(asked);
}

static void ask_sockets(void *ctx, bool up) {
    struct asked *asked = ctx;
    (void)up; /* without Redis, only what this process itself serves is known */
    ws_ask(asked->app, answer_info, asked);
}

bool endpoint_info(struct app *app, struct request *request, struct client *client,
                   struct problem *problem) {
    (void)request, (void)problem;
    hub_when_up(app->hub, app->config->redis_timeout, ask_sockets, ask_for(app, client));
    return true;
}

/* Another installation that came after this one: it is the one that must not be there. */
static void put_conflict(const char *conflict, struct buf *out) {
    if (conflict == NULL)
        return;
    buf_text(out, ",\"conflict\":");
    json_quote(out, conflict, strlen(conflict));
}

static void refuse_health(struct asked *asked, unsigned later, const char *trouble) {
    struct problem problem;

    problem_later(&problem, 503, later, "%s", trouble);
    app_refuse(asked->app, asked->client, &problem);
    free(asked);
}

static void answer_health(void *ctx, const char *trouble) {
    struct asked *asked = ctx;
    struct buf body = buf_make(1024);

    if (trouble != NULL) {
        refuse_health(asked, 2, trouble);
        return;
    }
    buf_text(&body, "{\"status\":\"ok\",\"redis\":\"up\"");
    put_conflict(library_conflict(hub_library(asked->app->hub)), &body);
    buf_text(&body, "}\n");
    app_answer(asked->client, "application/json", &body);
    buf_free(&body);
    free(asked);
}

static void examine_health(void *ctx, bool up) {
    struct asked *asked = ctx;
    struct hub *hub = asked->app->hub;
    const struct library *library = hub_library(hub);
    struct problem problem;

    if (library_conflict(library) != NULL && library_stands_back(library))
        refuse_health(asked, 5, library_conflict(library));
    else if (!up)
        refuse_health(asked, 2, hub_explain(hub, &problem, "Redis is away")->detail);
    else
        health_ask(hub_health(hub), answer_health, asked);
}

bool endpoint_health(struct app *app, struct request *request, struct client *client,
                     struct problem *problem) {
    (void)request;

    if (hub_draining(app->hub)) {
        problem_later(problem, 503, 1, "this process is shutting down");
        return false;
    }
    hub_when_up(app->hub, app->config->redis_timeout, examine_health, ask_for(app, client));
    return true;
}

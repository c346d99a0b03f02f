/*
 * What a client may ask before it begins: what this server offers (info), and
 * whether it works (health).
 */
#include "fcgi-app/app.h"

#include <stdlib.h>

#include "core/mem.h"

#include "fcgi-app/transport.h"
#include "fcgi-app/waiter.h"

static void put_transports(const struct config *config, struct buf *out) {
    const struct transport *transport;
    const char *separator = "";

    for (size_t i = 0; (transport = transport_at(i)) != NULL; i++) {
        if (transport->enabled != NULL && !transport->enabled(config))
            continue;
        buf_printf(out, "%s\"%s\"", separator, transport->name);
        separator = ",";
    }
}

bool endpoint_info(struct app *app, const struct request *request, struct client *client,
                   struct problem *problem) {
    const struct config *config = app->config;
    struct buf body = buf_make(8192);
    (void)request, (void)problem;

    buf_text(&body, "{\"name\":\"halley\",\"version\":\"" HALLEY_VERSION "\",\"transports\":[");
    put_transports(config, &body);
    buf_printf(&body,
               "],\"limits\":{\"max_channels\":%d,\"timeout\":%d,\"max_wait\":%d,\"max_limit\":%d,"
               "\"max_query\":%d,\"max_form\":%d,\"max_message\":%d,\"keepalive\":%d,"
               "\"max_stream\":%d,\"max_backlog\":%d},\"retry\":%d}\n",
               config->max_channels, config->timeout, config->max_wait, LIMIT_MAX,
               REQUEST_QUERY_MAX, REQUEST_FORM_MAX, config_channel(config, "", 0)->max_message,
               config->keepalive, config->max_stream, config->max_backlog, config->retry);
    app_answer(client, "application/json", &body);
    buf_free(&body);
    return true;
}

struct health {
    struct app *app;
    struct client *client;
};

static void answer_health(void *ctx, bool up) {
    struct client *client = ((struct health *)ctx)->client;
    struct app *app = ((struct health *)ctx)->app;
    struct buf body = buf_make(256);
    struct problem problem;

    free(ctx);
    if (up) {
        buf_text(&body, "{\"status\":\"ok\",\"redis\":\"up\"}\n");
        app_answer(client, "application/json", &body);
    } else {
        problem_later(&problem, 503, 2, "Redis is away");
        app_refuse(app, client, &problem);
    }
    buf_free(&body);
}

bool endpoint_health(struct app *app, const struct request *request, struct client *client,
                     struct problem *problem) {
    struct health *health = mem_new(sizeof *health);
    (void)request;

    if (hub_draining(app->hub)) {
        free(health);
        problem_later(problem, 503, 1, "this process is shutting down");
        return false;
    }
    *health = (struct health){app, client};
    hub_when_up(app->hub, app->config->redis_timeout, answer_health, health);
    return true;
}

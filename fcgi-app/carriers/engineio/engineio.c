/*
 * Which request is which. There is one path; what a request is for is told by its method, by its
 * parameters, and by whether it asks to be a WebSocket: one that does may come to another door than
 * the others do, to a process of its own.
 */
#include "fcgi-app/carriers/engineio/engineio.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/engineio/_engineio.h"
#include "fcgi-app/carriers/engineio/rules.h"
#include "fcgi-app/door/site.h"
#include "fcgi-app/endpoints/cors.h"

#define METHODS "GET, POST, OPTIONS"

/* ------------------------------------------------------------------------ a POST */

static void put_reason(unsigned code, const char *words, struct buf *out) {
    (void)code, (void)words; /* a close has neither */
    buf_text(out, ENGINEIO_ENDED);
}

static void say_unknown(struct client *client) {
    struct buf body = buf_make(256);

    engineio_refuse(&body, ENGINEIO_SESSION);
    const struct head head = {.status = 400, .type = "application/json", .length = body.len};
    client_finish(client, &head, &(struct part){body.data, body.len}, 1);
    buf_free(&body);
}

static const struct doing_carrier posts = {.frame = wire_message,
                                           .reason = put_reason,
                                           .once = true,
                                           .done = wire_ok,
                                           .unknown = say_unknown};

/* What a payload says, apart from its messages. */
struct brought {
    bool pong, close;
    bool wrong; /* a client does not send that */
};

/* Whether a client that polls sends such packets. */
static bool is_posted(enum engineio_type type) {
    return type == ENGINEIO_MESSAGE || type == ENGINEIO_PONG || type == ENGINEIO_CLOSE;
}

/* What stands behind a close is not looked at. */
static struct brought sort(const struct engineio_payload *payload, struct texts *messages) {
    struct brought brought = {0};

    for (size_t i = 0; i < payload->count && !brought.close; i++) {
        const struct engineio_packet *packet = &payload->packets[i];
        if (packet->type == ENGINEIO_MESSAGE)
            (packet->binary ? texts_add_bytes : texts_add)(messages, packet->data, packet->len);
        brought.pong = brought.pong || packet->type == ENGINEIO_PONG;
        brought.close = packet->type == ENGINEIO_CLOSE;
        brought.wrong = brought.wrong || !is_posted(packet->type);
    }
    return brought;
}

/* A payload that is none: it is refused, and the session is over. */
struct breaking {
    struct app *app;
    struct client *client; /* NULL: it has left */
};

static void on_breaking_gone(void *ctx) {
    struct breaking *breaking = ctx;

    client_drop(breaking->client);
    breaking->client = NULL;
}

static void on_breaking_drained(void *ctx) {
    (void)ctx;
}

static const struct client_events breaking_events = {.gone = on_breaking_gone,
                                                     .drained = on_breaking_drained};

static void on_broken(void *ctx, const struct session_view *view) {
    struct breaking *breaking = ctx;
    bool known = view->err != ERR_OK || view->status == SESSION_OK;

    if (breaking->client != NULL)
        wire_refuse(breaking->app, breaking->client, known ? ENGINEIO_REQUEST : ENGINEIO_SESSION);
    free(breaking);
}

static void break_off(const struct engineio_call *call) {
    static const struct session_bytes reason = {ENGINEIO_HELD, sizeof ENGINEIO_HELD - 1};
    static const struct session_view away = {.err = ERR_REDIS};
    struct breaking *breaking = mem_new(sizeof *breaking);

    *breaking = (struct breaking){call->app, call->client};
    client_watch(call->client, &breaking_events, breaking);
    if (session_close(hub_sessions(call->app->hub), call->id, reason, false, 0, on_broken,
                      breaking) != ERR_OK)
        on_broken(breaking, &away);
}

static void take_messages(const struct engineio_call *call, const struct brought *brought,
                          struct texts *messages) {
    const struct service *service = call->service;
    struct doing_request doing = {.app = call->app,
                                  .carrier = &posts,
                                  .speech = service_speech(call->app->config, service),
                                  .id = call->id,
                                  .who = call->request->remote_addr,
                                  .client = call->client,
                                  .pulse = brought->pong ? (unsigned)service->ping_interval : 0,
                                  .ttl = wire_life(service),
                                  .bye = brought->close ? ENGINEIO_LEFT : NULL};
    doing.speech.who = call->request->who;
    doing_begin(&doing, messages);
}

static bool post(const struct engineio_call *call, struct problem *problem) {
    const struct request *request = call->request;

    if (request->body_short)
        problem_short(problem);
    else if (request->body_over || request->body_len > (size_t)call->service->max_payload)
        problem_set(problem, 413, "body: the most is %d bytes (max_payload)",
                    call->service->max_payload);
    if (problem->status != 0)
        return false;
    struct engineio_payload *payload = mem_new(sizeof *payload);
    struct texts messages = {0};
    struct brought brought = {0};
    enum err err = engineio_payload_parse(payload, request->body, request->body_len);
    if (err == ERR_OK)
        brought = sort(payload, &messages);
    if (err == ERR_RANGE)
        problem_set(problem, 413, "body: the most is %d packets", ENGINEIO_PACKETS);
    else if (err != ERR_OK || brought.wrong)
        break_off(call);
    else
        take_messages(call, &brought, &messages);
    texts_free(&messages);
    engineio_payload_free(payload);
    free(payload);
    return problem->status == 0;
}

/* --------------------------------------------------------------------- dispatch */

static void answer_options(const struct engineio_call *call) {
    struct buf fields = buf_make(4096);

    buf_text(&fields, "Allow: " METHODS "\r\n");
    cors_put_preflight(call->request, call->app->config->origins, METHODS, &fields);
    const struct head head = {.status = 204, .length = HEAD_NO_LENGTH, .fields = fields.data};
    client_finish(call->client, &head, NULL, 0);
    buf_free(&fields);
}

static bool get(const struct engineio_call *call, struct problem *problem) {
    if (call->id[0] == '\0')
        return open_begin(call, problem);
    if (hub_draining(call->app->hub))
        wire_payload(call->client, "6", 1); /* the next poll meets another process */
    else
        poll_begin(call);
    return true;
}

/* A parameter's value, with a NUL behind it: the caller's to free(); NULL: it is not there. */
static char *value_of(const struct params *params, const char *name) {
    const struct param *param = params_find(params, name);
    return param != NULL ? mem_copy(param->value, param->value_len) : NULL;
}

static bool upgrades(const struct request *request) {
    return strcasestr(request->upgrade, "websocket") != NULL;
}

/* A page of another site may use a session where `origins` names that site. */
static enum engineio_refusal judge(const struct engineio_call *call, const struct params *params) {
    const struct request *request = call->request;
    char *version = value_of(params, "EIO"), *transport = value_of(params, "transport");
    const struct engineio_request judged = {.method = request->method,
                                            .version = version,
                                            .transport = transport,
                                            .session = params_find(params, "sid") != NULL,
                                            .upgrades = upgrades(request)};
    enum engineio_refusal refusal = engineio_judge(&judged);

    free(version);
    free(transport);
    if (refusal == ENGINEIO_FINE && upgrades(request))
        return !call->service->websocket           ? ENGINEIO_TRANSPORT
               : !client_can_upgrade(call->client) ? ENGINEIO_REQUEST
                                                   : ENGINEIO_FINE;
    if (refusal == ENGINEIO_FINE && !site_allows(&request->claims, call->app->config->origins))
        return ENGINEIO_FORBIDDEN;
    return refusal;
}

static void name_session(struct engineio_call *call, const struct params *params) {
    const struct param *sid = params_find(params, "sid");
    const char *path = call->service->path;

    if (sid != NULL)
        session_id(call->id, path, strlen(path), sid->value, sid->value_len);
}

/* Takes its parameters. False: they are none. */
static bool parse(const struct request *request, struct params *params, struct problem *problem) {
    size_t len = strlen(request->query);

    if (len > REQUEST_QUERY_MAX)
        problem_set(problem, 413, "query: the most is %d bytes", REQUEST_QUERY_MAX);
    else if (params_parse(params, request->query, len) != ERR_OK)
        problem_set(problem, 400, "query: it is no list of parameters");
    return problem->status == 0;
}

static bool run(struct engineio_call *call, struct problem *problem) {
    struct params params;

    if (!parse(call->request, &params, problem))
        return false;
    enum engineio_refusal refusal = judge(call, &params);
    name_session(call, &params);
    params_free(&params);
    if (refusal != ENGINEIO_FINE)
        wire_refuse(call->app, call->client, refusal);
    else if (upgrades(call->request))
        return upgrade_begin(call, problem);
    else if (strcmp(call->request->method, "POST") == 0)
        return post(call, problem);
    else
        return get(call, problem);
    return true;
}

bool engineio_serve(struct app *app, const struct service_request *found, struct request *request,
                    struct client *client, struct problem *problem) {
    struct engineio_call call = {
        .app = app, .service = found->service, .request = request, .client = client};

    if (found->count != 0) {
        problem_set(problem, 404, "there is no such endpoint");
        return false;
    }
    if (strcmp(request->method, "OPTIONS") == 0) {
        answer_options(&call);
        return true;
    }
    return run(&call, problem);
}

/* ------------------------------------------------------------------------- life */

static const struct hub_ears ears = {.word = poll_word, .again = poll_again};

struct engineio *engineio_new(struct app *app) {
    struct engineio *engineio = mem_new(sizeof *engineio);

    engineio->app = app;
    hub_hear(app->hub, &ears, engineio);
    return engineio;
}

void engineio_free(struct engineio *engineio) {
    free(engineio);
}

/*
 * Which request is which. To the service's path, and to it with the name of a meta channel behind
 * it, messages are posted, or asked in a script's address; a WebSocket is told apart by its Upgrade
 * field; behind the path stands also a client's id, whose event stream that is.
 *
 * A script can be asked for by any page, so who asks for one is nobody known, whatever his browser
 * adds.
 */
#include "fcgi-app/carriers/bayeux/bayeux.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/buf.h"
#include "core/base/mem.h"
#include "core/base/scan.h"
#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "fcgi-app/carriers/visitor.h"
#include "fcgi-app/endpoints/cors.h"
#include "fcgi-app/transports/script.h"

static const char methods[] = "GET, POST, OPTIONS";

/* What a request is for. */
enum purpose { NOTHING, MESSAGES, STREAM };

static enum purpose purpose_of(const struct service_request *found) {
    static const char *const names[] = {"handshake", "connect", "disconnect"};
    static const char digits[] = "0123456789abcdef";

    if (found->count == 0)
        return MESSAGES;
    if (found->count != 1 || found->slash)
        return NOTHING;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(found->segments[0].at, names[i]) == 0)
            return MESSAGES;
    }
    return strspn(found->segments[0].at, digits) == 32 && found->segments[0].len == 32 ? STREAM
                                                                                       : NOTHING;
}

static bool is(const struct request *request, const char *method) {
    return strcmp(request->method, method) == 0;
}

/* ----------------------------------------------------------------------- messages */

static bool begin(struct app *app, const struct service *service, const struct request *request,
                  struct client *client, const char *callback, const char *text, size_t len,
                  struct problem *problem) {
    struct outlet *outlet = outlet_http(app, client, callback);
    const struct exchange_request exchange = {
        .app = app,
        .service = service,
        .outlet = outlet,
        .who = request->remote_addr,
        .identity = callback != NULL || is(request, "GET") ? NULL : request->who};

    switch (exchange_begin(&exchange, text, len)) {
    case BAYEUX_GOOD:
        return true;
    case BAYEUX_MANY:
        problem_set(problem, 413, "message: the most is %d of them", BAYEUX_MESSAGES);
        break;
    case BAYEUX_BROKEN:
        problem_set(problem, 400,
                    "message: must be a Bayeux message, or an array of them, as JSON");
        break;
    }
    outlet_refuse(outlet, problem);
    return true;
}

/* Whether a body is a form, whatever its type says: no JSON begins so. */
static bool is_form(const struct request *request) {
    static const char name[] = "message=";
    return strcasestr(request->content_type, "json") == NULL &&
           (request->body_len >= sizeof name - 1 &&
            memcmp(request->body, name, sizeof name - 1) == 0);
}

static bool is_typed_form(const struct request *request) {
    static const char form[] = "application/x-www-form-urlencoded";
    return strncasecmp(request->content_type, form, sizeof form - 1) == 0;
}

/* Adds the messages that a form's parameter says, one or an array of them; else what is no JSON. */
static void add_messages(const struct param *said, struct buf *all) {
    struct scan_value value, each = {NULL, 0};

    if (!scan_grammar(said->value, said->value_len, &value)) {
        buf_char(all, '?');
        return;
    }
    if (!scan_is_array(value)) {
        buf_text(all, all->len > 1 ? "," : "");
        buf_add(all, value.at, value.len);
        return;
    }
    while (scan_next(value, &each)) {
        buf_text(all, all->len > 1 ? "," : "");
        buf_add(all, each.at, each.len);
    }
}

/* A form may say `message` more than once: all of them are one request's, in their order. */
static struct buf join_messages(const struct params *params) {
    struct buf all = buf_make(SIZE_MAX / 2);

    buf_char(&all, '[');
    for (size_t i = 0; i < params->count; i++) {
        if (strcmp(params->items[i].name, "message") == 0)
            add_messages(&params->items[i], &all);
    }
    buf_char(&all, ']');
    return all;
}

/* Messages in a form, or in an address as callback polling has them. */
static bool take_form(struct app *app, const struct service *service, const struct request *request,
                      struct client *client, const char *text, size_t len,
                      struct problem *problem) {
    struct params params;

    if (params_parse(&params, text, len) != ERR_OK) {
        problem_set(problem, 400, "message: the form cannot be read");
        return false;
    }
    const struct param *message = params_find(&params, "message");
    const struct param *name = params_find(&params, "jsonp");
    if (message == NULL)
        problem_set(problem, 400, "message: is required");
    else if (name != NULL && !script_name(name->value, name->value_len))
        problem_set(problem, 400, "jsonp: must be a name of letters, digits, _ $ and dots");
    bool several = params_count(&params, "message") > 1;
    struct buf all = several ? join_messages(&params) : buf_make(0);
    bool good =
        problem->status == 0 &&
        begin(app, service, request, client, name != NULL ? name->value : NULL,
              several ? all.data : message->value, several ? all.len : message->value_len, problem);
    buf_free(&all);
    params_free(&params);
    return good;
}

/* Posted messages, as they are or in a form. */
static bool post(struct app *app, const struct service *service, const struct request *request,
                 struct client *client, struct problem *problem) {
    bool plain = !is_form(request) && (!is_typed_form(request) || request->body_len == 0 ||
                                       strchr("[{ \t\r\n", request->body[0]) != NULL);

    return plain ? begin(app, service, request, client, NULL, request->body, request->body_len,
                         problem)
                 : take_form(app, service, request, client, request->body, request->body_len,
                             problem);
}

/* ------------------------------------------------------------------------ dispatch */

static void answer_options(const struct app *app, const struct request *request,
                           struct client *client) {
    struct buf fields = buf_make(4096);

    buf_printf(&fields, "Allow: %s\r\n", methods);
    cors_put_preflight(request, app->config->origins, methods, &fields);
    const struct head head = {.status = 204, .length = HEAD_NO_LENGTH, .fields = fields.data};
    client_finish(client, &head, NULL, 0);
    buf_free(&fields);
}

static void check(const struct app *app, enum purpose purpose, const struct request *request,
                  struct problem *problem) {
    bool options = is(request, "OPTIONS");
    bool can = options || is(request, "GET") || (is(request, "POST") && purpose == MESSAGES);

    if (purpose == NOTHING) {
        problem_set(problem, 404, "there is no such endpoint");
    } else if (!can) {
        problem_set(problem, 405, "method: must be %s", purpose == STREAM ? "GET" : methods);
        problem->allow = purpose == STREAM ? "GET, OPTIONS" : methods;
    } else if (!options && !visitor_may(request, app->config->origins)) {
        problem_set(problem, 403, "Origin: pages of that origin are not allowed (origins)");
    } else if (request->body_short) {
        problem_short(problem);
    } else if (request->body_over) {
        problem_set(problem, 413, "body: it is longer than messages may be (max_message)");
    }
}

static bool open_socket(struct app *app, const struct service *service,
                        const struct request *request, struct client *client,
                        struct problem *problem) {
    if (!service->websocket || !client_can_upgrade(client)) {
        problem_set(problem, 400, "Upgrade: no WebSocket is served here");
        return false;
    }
    return bayeux_socket(app, service, request, client, problem);
}

bool bayeux_serve(struct app *app, const struct service_request *found, struct request *request,
                  struct client *client, struct problem *problem) {
    enum purpose purpose = found->count == SERVICE_NOWHERE ? NOTHING : purpose_of(found);
    const struct service *service = found->service;

    check(app, purpose, request, problem);
    if (problem->status != 0)
        return false;
    if (is(request, "OPTIONS")) {
        answer_options(app, request, client);
        return true;
    }
    if (purpose == STREAM) {
        stream_begin(app, service, request, outlet_http(app, client, NULL), found->segments[0].at,
                     found->segments[0].len);
        return true;
    }
    if (strcasecmp(request->upgrade, "websocket") == 0 && is(request, "GET"))
        return open_socket(app, service, request, client, problem);
    return is(request, "POST") ? post(app, service, request, client, problem)
                               : take_form(app, service, request, client, request->query,
                                           strlen(request->query), problem);
}

/* ------------------------------------------------------------------------- life */

static const struct hub_ears ears = {.word = bayeux_word, .again = bayeux_again};

struct bayeux *bayeux_new(struct app *app) {
    struct bayeux *bayeux = mem_new(sizeof *bayeux);

    bayeux->app = app;
    hub_hear(app->hub, &ears, bayeux);
    return bayeux;
}

bool bayeux_idle(const struct bayeux *bayeux) {
    return bayeux == NULL || bayeux->givings == NULL;
}

void bayeux_free_all(struct bayeux *bayeux) {
    if (bayeux != NULL)
        givings_free(bayeux);
    free(bayeux);
}

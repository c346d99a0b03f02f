/*
 * Which request is which. Behind the path of a service stand its greeting, `info`, the page for
 * old browsers, a plain WebSocket, and <server>/<session>/<kind>; everything else is 404.
 */
#include "fcgi-app/carriers/sockjs/sockjs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/doing.h"
#include "fcgi-app/carriers/sockjs/_sockjs.h"
#include "fcgi-app/carriers/visitor.h"
#include "fcgi-app/endpoints/cors.h"

/* What a request is for. */
enum purpose {
    GREETING,
    INFO,
    IFRAME,
    RECEIVE, /* a kind that carries messages to the client, over HTTP */
    SEND,
    JSONP_SEND,
    SOCKET
};

struct way {
    const char *name;
    const char *methods;
    enum purpose purpose;
    enum sockjs_kind kind;
};

static const struct way session_ways[] = {
    {"xhr", "OPTIONS, POST", RECEIVE, SOCKJS_XHR},
    {"xhr_streaming", "OPTIONS, POST", RECEIVE, SOCKJS_XHR_STREAMING},
    {"eventsource", "OPTIONS, GET", RECEIVE, SOCKJS_EVENTSOURCE},
    {"htmlfile", "OPTIONS, GET", RECEIVE, SOCKJS_HTMLFILE},
    {"jsonp", "OPTIONS, GET", RECEIVE, SOCKJS_JSONP},
    {"xhr_send", "OPTIONS, POST", SEND, SOCKJS_XHR},
    {"jsonp_send", "OPTIONS, POST", JSONP_SEND, SOCKJS_JSONP},
    {"websocket", "GET", SOCKET, SOCKJS_WEBSOCKET},
};

static const struct way greeting = {"", "GET", GREETING, SOCKJS_XHR},
                        info = {"info", "OPTIONS, GET", INFO, SOCKJS_XHR},
                        iframe = {"iframe", "GET", IFRAME, SOCKJS_XHR},
                        raw = {"websocket", "GET", SOCKET, SOCKJS_RAW};

/* iframe[A-Za-z0-9-._]*.html, the page's address with whatever keeps caches apart. */
static bool is_iframe(const char *name) {
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._";
    size_t len = strlen(name);

    return len >= sizeof "iframe.html" - 1 && strncmp(name, "iframe", 6) == 0 &&
           strcmp(name + len - 5, ".html") == 0 && strspn(name, letters) == len;
}

static const struct way *way_named(const char *name) {
    for (size_t i = 0; i < sizeof session_ways / sizeof session_ways[0]; i++) {
        if (strcmp(session_ways[i].name, name) == 0)
            return &session_ways[i];
    }
    return NULL;
}

static const struct way *way_of(const struct service_request *found) {
    const struct service_segment *segments = found->segments;

    if (found->count == 0)
        return &greeting;
    if (found->slash)
        return NULL;
    if (found->count == 1 && strcmp(segments[0].at, "info") == 0)
        return &info;
    if (found->count == 1 && strcmp(segments[0].at, "websocket") == 0)
        return &raw;
    if (found->count == 1)
        return is_iframe(segments[0].at) ? &iframe : NULL;
    if (found->count != 3 || strchr(segments[0].at, '.') != NULL ||
        strchr(segments[1].at, '.') != NULL)
        return NULL;
    return way_named(segments[2].at);
}

/* ------------------------------------------------------------------ further fields */

/* The cookie by which load balancers keep a session at one server; Halley needs none. */
static void put_cookie(const struct request *request, struct buf *fields) {
    static const char name[] = "JSESSIONID=";
    const char *at = request->cookie;

    while (*at != '\0' && strncmp(at, name, sizeof name - 1) != 0) {
        at += strcspn(at, ";");
        at += strspn(at, "; ");
    }
    size_t len = strcspn(at, "; \t\r\n,");
    if (len > sizeof name - 1)
        buf_printf(fields, "Set-Cookie: %.*s; path=/\r\n", (int)len, at);
    else
        buf_text(fields, "Set-Cookie: JSESSIONID=dummy; path=/\r\n");
}

static bool is_of_session(const struct way *way) {
    return way->purpose >= RECEIVE && way->purpose <= JSONP_SEND;
}

static void add_fields(const struct way *way, const struct service *service,
                       const struct request *request, struct client *client) {
    struct buf fields = buf_make(16384);

    if (request->claims.origin[0] == '\0' && (is_of_session(way) || way->purpose == INFO))
        buf_text(&fields, "Access-Control-Allow-Origin: *\r\n");
    if (service->cookie_needed && is_of_session(way))
        put_cookie(request, &fields);
    if (is_of_session(way) && cors_is_list(request->asked_headers))
        buf_printf(&fields, "Access-Control-Allow-Headers: %s\r\n", request->asked_headers);
    if (fields.len > 0)
        client_add_fields(client, fields.data);
    buf_free(&fields);
}

static void put_expires(struct buf *out) {
    time_t then = time(NULL) + 31536000;
    struct tm parts;
    char text[64];

    gmtime_r(&then, &parts);
    strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
    buf_printf(out, "Expires: %s\r\n", text);
}

static void answer_options(const struct way *way, const struct request *request,
                           struct client *client) {
    struct buf fields = buf_make(8192);

    buf_printf(&fields,
               "Allow: %s\r\nAccess-Control-Allow-Methods: %s\r\n"
               "Access-Control-Max-Age: 31536000\r\n",
               way->methods, way->methods);
    if (!is_of_session(way) && cors_is_list(request->asked_headers))
        buf_printf(&fields, "Access-Control-Allow-Headers: %s\r\n", request->asked_headers);
    put_expires(&fields);
    const struct head head = {
        .status = 204, .length = HEAD_NO_LENGTH, .cache = SOCKJS_FOR_LONG, .fields = fields.data};
    client_finish(client, &head, NULL, 0);
    buf_free(&fields);
}

/* ------------------------------------------------------------------- what is sent */

static void answer_wrong(struct client *client, const char *text) {
    page_answer(client, 500, "text/plain; charset=UTF-8", text);
}

/* What a form says under that name, with a NUL behind it: the caller's to free(); or NULL, also
 * where it says two things, of which one would be lost. */
static char *form_value(const char *text, size_t len, const char *name, size_t *value_len) {
    struct params params;
    char *value = NULL;

    if (params_parse(&params, text, len) != ERR_OK)
        return NULL;
    const struct param *param = params_find(&params, name);
    if (param != NULL && params_count(&params, name) == 1) {
        value = mem_copy(param->value, param->value_len);
        *value_len = param->value_len;
    }
    params_free(&params);
    return value;
}

static bool is_form(const struct request *request) {
    static const char form[] = "application/x-www-form-urlencoded";
    return strncasecmp(request->content_type, form, sizeof form - 1) == 0;
}

static enum sockjs_input take_input(const struct request *request, bool jsonp,
                                    struct texts *messages) {
    if (!jsonp || !is_form(request))
        return sockjs_take(request->body, request->body_len, false, messages);
    size_t len = 0;
    char *value = form_value(request->body, request->body_len, "d", &len);
    enum sockjs_input input = sockjs_take(value, value != NULL ? len : 0, false, messages);
    free(value);
    return input;
}

static void say_sent(struct client *client) {
    page_answer(client, 204, "text/plain; charset=UTF-8", "");
}

static void say_ok(struct client *client) {
    page_answer(client, 200, "text/plain; charset=UTF-8", "ok");
}

static void say_unknown(struct client *client) {
    page_answer(client, 404, "text/plain; charset=UTF-8", "");
}

static const struct doing_carrier sends = {.reason = sockjs_put_close,
                                           .ttl = SOCKJS_TTL,
                                           .done = say_sent,
                                           .unknown = say_unknown},
                                  jsonp_sends = {.reason = sockjs_put_close,
                                                 .ttl = SOCKJS_TTL,
                                                 .done = say_ok,
                                                 .unknown = say_unknown};

static void take(const struct sockjs_request *session, bool jsonp, struct texts *messages) {
    struct doing_request doing = {.app = session->app,
                                  .carrier = jsonp ? &jsonp_sends : &sends,
                                  .speech = service_speech(session->app->config, session->service),
                                  .id = session->id,
                                  .who = session->request->remote_addr,
                                  .client = session->client};
    doing.speech.who = session->request->who;
    doing_begin(&doing, messages);
}

static bool send(const struct sockjs_request *session, bool jsonp, struct problem *problem) {
    const struct request *request = session->request;
    struct texts messages = {0};

    if (request->body_short)
        problem_short(problem);
    else if (request->body_over)
        problem_set(problem, 413, "body: it is longer than messages may be (max_message)");
    if (problem->status != 0)
        return false;
    switch (take_input(request, jsonp, &messages)) {
    case SOCKJS_INPUT_GOOD:
        take(session, jsonp, &messages);
        break;
    case SOCKJS_INPUT_EMPTY:
        answer_wrong(session->client, "Payload expected.");
        break;
    case SOCKJS_INPUT_BROKEN:
        answer_wrong(session->client, "Broken JSON encoding.");
        break;
    case SOCKJS_INPUT_MANY:
        problem_set(problem, 413, "body: the most is %d messages", SOCKJS_MESSAGES_MAX);
        break;
    }
    texts_free(&messages);
    return problem->status == 0;
}

/* ---------------------------------------------------------------- what is received */

static bool receive(struct sockjs_request *session, struct problem *problem) {
    const char *query = session->request->query;
    bool named = session->kind == SOCKJS_HTMLFILE || session->kind == SOCKJS_JSONP;
    size_t len = 0;
    char *callback = named ? form_value(query, strlen(query), "c", &len) : NULL;
    bool taken = true;

    if (named && (callback == NULL || len == 0)) {
        answer_wrong(session->client, "\"callback\" parameter required");
    } else if (named && !sockjs_callback_valid(callback, len)) {
        answer_wrong(session->client, "invalid \"callback\" parameter");
    } else {
        session->callback = named ? callback : "";
        taken = hold_begin(session, problem);
    }
    free(callback);
    return taken;
}

static bool open_socket(const struct sockjs_request *session, struct problem *problem) {
    const struct request *request = session->request;
    static const char type[] = "text/plain; charset=UTF-8";

    if (!session->service->websocket)
        problem_set(problem, 404, "there is no such endpoint");
    else if (strcasecmp(request->upgrade, "websocket") != 0 || !client_can_upgrade(session->client))
        page_answer(session->client, 400, type, "Can \"Upgrade\" only to \"WebSocket\".");
    else if (strcasestr(request->connection, "upgrade") == NULL || request->socket_key[0] == '\0')
        /* a web server may have put Connection in; what it cannot know is the key */
        page_answer(session->client, 400, type, "\"Connection\" must be \"Upgrade\".");
    else
        return socket_begin(session, problem);
    return problem->status == 0;
}

/* --------------------------------------------------------------------- dispatch */

static bool run(const struct way *way, struct sockjs_request *session, struct problem *problem) {
    switch (way->purpose) {
    case GREETING:
        page_greet(session->client);
        return true;
    case INFO:
        page_info(session->app, session->service, session->client);
        return true;
    case IFRAME:
        page_iframe(session->service, session->app->config->origins, session->request,
                    session->client);
        return true;
    case RECEIVE:
        return receive(session, problem);
    case SEND:
    case JSONP_SEND:
        return send(session, way->purpose == JSONP_SEND, problem);
    case SOCKET:
        return open_socket(session, problem);
    }
    return false;
}

static bool has_method(const struct way *way, const char *method) {
    const char *at = strstr(way->methods, method);
    size_t len = strlen(method);
    return len > 0 && at != NULL && (at[len] == '\0' || at[len] == ',') &&
           (at == way->methods || at[-1] == ' ');
}

static void check(const struct app *app, const struct way *way, const struct request *request,
                  struct problem *problem) {
    if (way == NULL) {
        problem_set(problem, 404, "there is no such endpoint");
    } else if (!has_method(way, request->method)) {
        problem_set(problem, 405, "method: must be %s", way->methods);
        problem->allow = way->methods;
    } else if (is_of_session(way) && strcmp(request->method, "OPTIONS") != 0 &&
               !visitor_may(request, app->config->origins)) {
        problem_set(problem, 403, "Origin: pages of that origin are not allowed (origins)");
    }
}

/* SockJS's servers say no more than which methods there are. */
static void answer_no_method(struct app *app, const struct problem *problem,
                             struct client *client) {
    struct buf fields = buf_make(256);

    app_count(app, problem);
    buf_printf(&fields, "Allow: %s\r\n", problem->allow);
    client_finish(client, &(struct head){.status = problem->status, .fields = fields.data}, NULL,
                  0);
    buf_free(&fields);
}

bool sockjs_serve(struct app *app, const struct service_request *found, struct request *request,
                  struct client *client, struct problem *problem) {
    const struct way *way = found->count == SERVICE_NOWHERE ? NULL : way_of(found);
    struct sockjs_request session = {
        .app = app, .service = found->service, .request = request, .client = client};

    check(app, way, request, problem);
    if (way != NULL)
        add_fields(way, found->service, request, client);
    if (problem->status == 405) {
        answer_no_method(app, problem, client);
        problem->status = 0;
        return true;
    }
    if (problem->status != 0)
        return false;
    if (strcmp(request->method, "OPTIONS") == 0) {
        answer_options(way, request, client);
        return true;
    }
    session.kind = way->kind;
    if (found->count == 3)
        session_id(session.id, found->service->path, strlen(found->service->path),
                   found->segments[1].at, found->segments[1].len);
    return run(way, &session, problem);
}

/* ------------------------------------------------------------------------- life */

static const struct hub_ears ears = {.word = hold_word, .again = hold_again};

struct sockjs *sockjs_new(struct app *app) {
    struct sockjs *sockjs = mem_new(sizeof *sockjs);

    sockjs->app = app;
    hub_hear(app->hub, &ears, sockjs);
    return sockjs;
}

void sockjs_free(struct sockjs *sockjs) {
    free(sockjs);
}

/*
 * One request, or one text of a WebSocket: its messages are done one behind the other, in their
 * order, because what the next one does may rest on it, and answered together. A handshake is done
 * alone. A connect comes last, with a client that would wait for it: beside others it is answered
 * at once.
 *
 * Over HTTP a client repeats a request that failed, so one of which nothing is done is refused
 * while Redis is away; else it is each message that is told so.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "core/base/crypto.h"
#include "core/base/mem.h"
#include "fcgi-app/carriers/admission.h"
#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "fcgi-app/endpoints/publish.h"
#include "fcgi-app/endpoints/ws/serving.h"
#include "fcgi-app/rights/credential.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/transports/bayeux.h"

enum { CLIENT_ID = 32 /* hexadecimal digits of 128 bits */ };

struct exchange {
    struct app *app;
    const struct service *service;
    struct outlet *outlet;
    char *who;
    const struct identity *identity;
    struct berth *berth;
    void (*done)(void *ctx);
    void *ctx;
    char *text;
    struct bayeux_message messages[BAYEUX_MESSAGES];
    size_t count, next;
    struct bayeux_message *connect; /* to be held behind the others; or NULL */
    struct buf replies;
    bool proved;                /* the token of the message that is next is the session's by now */
    unsigned types;             /* a handshake: the connection types that there are */
    char client[CLIENT_ID + 1]; /* and whom it is for */
};

static void step(struct exchange *exchange);

static struct bayeux_message *current(struct exchange *exchange) {
    return &exchange->messages[exchange->next];
}

/* ------------------------------------------------------------------------ its end */

static void exchange_free(struct exchange *exchange) {
    void (*done)(void *ctx) = exchange->done;
    void *ctx = exchange->ctx;

    bayeux_free(exchange->messages, exchange->count);
    buf_free(&exchange->replies);
    free(exchange->text);
    free(exchange->who);
    identity_free(exchange->identity);
    free(exchange);
    if (done != NULL)
        done(ctx);
}

static void finish(struct exchange *exchange) {
    const struct connect_request connect = {.app = exchange->app,
                                            .service = exchange->service,
                                            .outlet = exchange->outlet,
                                            .message = exchange->connect,
                                            .who = exchange->who,
                                            .identity = exchange->identity,
                                            .replies = &exchange->replies,
                                            .berth = exchange->berth,
                                            .now = exchange->count > 1};

    outlet_watch(exchange->outlet, NULL, NULL, NULL);
    if (exchange->connect != NULL)
        connect_begin(&connect);
    else
        outlet_answer(exchange->outlet, &exchange->replies);
    exchange_free(exchange);
}

/* The next message. */
static void go_on(struct exchange *exchange) {
    exchange->proved = false;
    exchange->next++;
    step(exchange);
}

/* ------------------------------------------------------------------ what is not done */

static void refuse(struct exchange *exchange, int code, const char *about, size_t len,
                   const char *words) {
    bayeux_reply_refuse(&exchange->replies, current(exchange), code, about, len, words);
    go_on(exchange);
}

static void refuse_missing(struct exchange *exchange, const char *parameter) {
    refuse(exchange, 402, parameter, strlen(parameter), "Missing required parameter");
}

static void unknown(struct exchange *exchange) {
    bayeux_reply_unknown(&exchange->replies, current(exchange));
    go_on(exchange);
}

/* A problem of this program's, in the dialect's words. */
static void refuse_problem(struct exchange *exchange, const struct problem *problem) {
    const struct bayeux_message *message = current(exchange);

    app_count(exchange->app, problem);
    refuse(exchange, problem->status, message->channel, message->channel_len, problem->detail);
}

/* Redis is away. */
static void refuse_away(struct exchange *exchange, const struct session_view *view) {
    struct problem problem;

    if (view != NULL && view->err == ERR_REFUSED)
        problem_later(&problem, 503, 5, "Redis refused: %s", view->why != NULL ? view->why : "");
    else
        problem_later(&problem, 503, 2, "Redis is away");
    if (exchange->replies.len > 0 || !outlet_is_http(exchange->outlet)) {
        refuse_problem(exchange, &problem);
        return;
    }
    outlet_refuse(exchange->outlet, &problem);
    exchange_free(exchange);
}

/* ---------------------------------------------------------------------- handshake */

/* It is not to be had now: in a while perhaps. */
static void refuse_handshake(struct exchange *exchange, const struct problem *problem) {
    const struct bayeux_message *message = current(exchange);
    struct buf *out = &exchange->replies;

    app_count(exchange->app, problem);
    bayeux_reply_begin(out, message, false);
    bayeux_reply_error(out, problem->status, "", 0, problem->detail);
    bayeux_reply_advice(out, "handshake", problem->retry_after * 1000, -1);
    bayeux_reply_end(out);
    go_on(exchange);
}

static void put_ext(struct exchange *exchange, struct buf *out) {
    const struct bayeux_message *message = current(exchange);

    if (!message->acks && !exchange->proved)
        return;
    buf_text(out, ",\"ext\":{");
    if (message->acks)
        buf_text(out, "\"ack\":true");
    if (exchange->proved)
        buf_printf(out, "%s\"halley\":{\"token\":{\"expires\":%.0f}}", message->acks ? "," : "",
                   floor(exchange->identity->expires));
    buf_char(out, '}');
}

static void welcome(struct exchange *exchange) {
    const struct bayeux_message *message = current(exchange);
    struct buf *out = &exchange->replies;

    bayeux_reply_begin(out, message, true);
    buf_text(out, ",\"version\":\"1.0\",\"minimumVersion\":\"1.0\"");
    bayeux_reply_types(out, exchange->types);
    bayeux_reply_client(out, exchange->client, CLIENT_ID);
    bayeux_reply_advice(out, "retry", 0, (long)exchange->app->config->timeout * 1000);
    put_ext(exchange, out);
    bayeux_reply_end(out);
    go_on(exchange);
}

static void on_opened(void *ctx, const struct session_view *view) {
    struct exchange *exchange = ctx;
    struct problem problem = {0};

    if (view->err != ERR_OK) {
        refuse_away(exchange, view);
    } else if (view->status == SESSION_FULL) {
        admission_full(exchange->app, &problem);
        refuse_handshake(exchange, &problem);
    } else {
        welcome(exchange);
    }
}

static void make_client(char out[CLIENT_ID + 1]) {
    unsigned char random[CLIENT_ID / 2];

    if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
        abort();
    crypto_hex(out, random, sizeof random);
}

static void open_session(struct exchange *exchange) {
    const struct service *service = exchange->service;
    struct buf words = buf_make(SESSION_WHO_MAX);
    const struct session_birth birth = {
        .dialect = {service->path, strlen(service->path)},
        .state = {current(exchange)->acks ? "a" : "-", 1},
        .cursor = {"", 0},
        .most = (unsigned)exchange->app->config->max_sessions,
        .who = speaker_words(exchange->identity, bayeux_expired, &words)};
    char id[SESSION_ID_TEXT];

    make_client(exchange->client);
    session_id(id, service->path, strlen(service->path), exchange->client, CLIENT_ID);
    enum err err = session_open(hub_sessions(exchange->app->hub), id, &birth, SESSION_UNPOLLED,
                                on_opened, exchange);
    buf_free(&words);
    if (err != ERR_OK)
        refuse_away(exchange, NULL);
}

static void on_admitted(void *ctx, const struct problem *problem) {
    struct exchange *exchange = ctx;
    if (problem != NULL)
        refuse_handshake(exchange, problem);
    else
        open_session(exchange);
}

/* Which connection types there are. */
static void on_served(void *ctx, bool served) {
    struct exchange *exchange = ctx;
    const struct hub_read read = {.transport = &transport_bayeux,
                                  .timeout = 1,
                                  .who = exchange->identity,
                                  .address = exchange->who};
    struct problem problem = {0};

    exchange->types = (1U << BAYEUX_TYPES) - 1;
    if (!served || !exchange->service->websocket)
        exchange->types &= ~(1U << BAYEUX_WEBSOCKET);
    if (!bayeux_types_common(current(exchange)->types, exchange->types)) {
        struct buf *out = &exchange->replies;
        bayeux_reply_begin(out, current(exchange), false);
        buf_text(out, ",\"version\":\"1.0\"");
        bayeux_reply_types(out, exchange->types);
        bayeux_reply_error(out, 301, "", 0, "Connection types not supported");
        bayeux_reply_advice(out, "none", 0, -1);
        bayeux_reply_end(out);
        go_on(exchange);
    } else if (!hub_admits(exchange->app->hub, &read, &problem)) {
        refuse_handshake(exchange, &problem);
    } else {
        admission_ask(exchange->app, exchange->who, on_admitted, exchange);
    }
}

static void handshake(struct exchange *exchange) {
    const struct bayeux_message *message = current(exchange);

    if (message->version.at == NULL)
        refuse_missing(exchange, "version");
    else if (message->version.len < 3 || memcmp(message->version.at, "\"1", 2) != 0)
        refuse(exchange, 300, "1.0", 3, "Version mismatch");
    else if (message->types.at == NULL)
        refuse_missing(exchange, "supportedConnectionTypes");
    else
        ws_ask(exchange->app, on_served, exchange);
}

/* ------------------------------------------------------------------------ connect */

static void take_connect(struct exchange *exchange) {
    struct bayeux_message *message = current(exchange);

    if (message->client == NULL) {
        unknown(exchange);
    } else if (message->type.at == NULL) {
        refuse_missing(exchange, "connectionType");
    } else if (bayeux_type(message->type) == BAYEUX_TYPES) {
        refuse(exchange, 301, message->client, message->client_len,
               "Connection types not supported");
    } else {
        if (exchange->connect != NULL) { /* one at a time: the newest */
            bayeux_reply_begin(&exchange->replies, exchange->connect, false);
            bayeux_reply_error(&exchange->replies, 409, message->client, message->client_len,
                               "Another connect has come");
            bayeux_reply_advice(&exchange->replies, "retry", BAYEUX_WAIT, -1);
            bayeux_reply_end(&exchange->replies);
        }
        exchange->connect = message;
        go_on(exchange);
    }
}

/* ------------------------------------------------------- subscribing, and the end */

static void on_joined(void *ctx, const struct session_view *away) {
    struct exchange *exchange = ctx;
    if (away != NULL)
        refuse_away(exchange, away);
    else
        go_on(exchange);
}

static void join(struct exchange *exchange) {
    const struct joining_request request = {.app = exchange->app,
                                            .service = exchange->service,
                                            .message = current(exchange),
                                            .who = exchange->who,
                                            .identity = exchange->identity,
                                            .replies = &exchange->replies,
                                            .done = on_joined,
                                            .ctx = exchange};
    if (current(exchange)->client == NULL)
        unknown(exchange);
    else if (current(exchange)->subscription.at == NULL)
        refuse_missing(exchange, "subscription");
    else
        joining_begin(&request);
}

static void on_disconnected(void *ctx, const struct session_view *view) {
    struct exchange *exchange = ctx;
    const struct bayeux_message *message = current(exchange);

    if (view->err != ERR_OK) {
        refuse_away(exchange, view);
    } else if (view->status != SESSION_OK) {
        unknown(exchange);
    } else {
        bayeux_reply_begin(&exchange->replies, message, true);
        bayeux_reply_client(&exchange->replies, message->client, message->client_len);
        bayeux_reply_end(&exchange->replies);
        go_on(exchange);
    }
}

static void name_session(const struct exchange *exchange, const struct bayeux_message *message,
                         char id[SESSION_ID_TEXT]) {
    const struct service *service = exchange->service;
    session_id(id, service->path, strlen(service->path), message->client, message->client_len);
}

/* A connect that is held finds it closed, and so does one that comes at the same time. */
static void disconnect(struct exchange *exchange) {
    const struct bayeux_message *message = current(exchange);
    static const struct session_bytes reason = {BAYEUX_LEFT, sizeof BAYEUX_LEFT - 1};
    char id[SESSION_ID_TEXT];

    if (message->client == NULL) {
        unknown(exchange);
        return;
    }
    name_session(exchange, message, id);
    if (session_close(hub_sessions(exchange->app->hub), id, reason, false, SESSION_UNPOLLED,
                      on_disconnected, exchange) != ERR_OK)
        refuse_away(exchange, NULL);
}

/* --------------------------------------------------------------------- publishing */

static void published(struct exchange *exchange) {
    bayeux_reply_begin(&exchange->replies, current(exchange), true);
    bayeux_reply_end(&exchange->replies);
    go_on(exchange);
}

static void on_published(void *ctx, const struct history_posted *posted,
                         const struct problem *problem) {
    struct exchange *exchange = ctx;
    (void)posted;

    if (problem != NULL && problem->status == 503 && exchange->replies.len == 0 &&
        outlet_is_http(exchange->outlet)) {
        outlet_refuse(exchange->outlet, problem);
        exchange_free(exchange);
    } else if (problem != NULL) {
        refuse_problem(exchange, problem);
    } else {
        published(exchange);
    }
}

/* A client that is not answered says the same once more, with the same id: that is one message. */
static void make_key(const struct bayeux_message *message, char out[2 * CRYPTO_SHA256 + 1]) {
    const struct scan_value parts[] = {{message->client, message->client_len},
                                       message->id,
                                       {message->channel, message->channel_len},
                                       message->data};
    struct buf all = buf_make(SIZE_MAX / 2);
    unsigned char digest[CRYPTO_SHA256];

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        buf_printf(&all, "%zu:", parts[i].len);
        buf_add(&all, parts[i].at, parts[i].len);
    }
    crypto_sha256(all.data, all.len, digest);
    crypto_hex(out, digest, sizeof digest);
    buf_free(&all);
}

static void submit(struct exchange *exchange) {
    const struct bayeux_message *message = current(exchange);
    char key[2 * CRYPTO_SHA256 + 1] = "";
    struct problem problem;

    if (message->client != NULL && message->id.at != NULL)
        make_key(message, key);
    const struct publish publish = {.who = exchange->who,
                                    .identity = exchange->identity,
                                    .channel = message->channel + 1,
                                    .channel_len = message->channel_len - 1,
                                    .payload = message->data.at,
                                    .payload_len = message->data.len,
                                    .idempotency = key};
    if (!publish_submit(exchange->app, &publish, on_published, exchange, &problem))
        refuse_problem(exchange, &problem);
}

static void on_peeked(void *ctx, const struct session_view *view) {
    struct exchange *exchange = ctx;

    if (view->err != ERR_OK)
        refuse_away(exchange, view);
    else if (view->status == SESSION_GONE || view->status == SESSION_CLOSED ||
             !speaker_take(exchange->app, &exchange->identity, view, true))
        unknown(exchange);
    else
        submit(exchange);
}

/* Nobody need have a session to publish; but whoever says that he has one must have it. */
static void publish(struct exchange *exchange) {
    const struct bayeux_message *message = current(exchange);
    const struct session_change nothing = {.version = SESSION_PEEK};
    char id[SESSION_ID_TEXT];

    if (message->data.at == NULL) {
        refuse_missing(exchange, "data");
    } else if (message->kind == BAYEUX_SERVICE) {
        published(exchange);
    } else if (message->client == NULL) {
        submit(exchange);
    } else {
        name_session(exchange, message, id);
        if (session_change(hub_sessions(exchange->app->hub), id, &nothing, on_peeked, exchange) !=
            ERR_OK)
            refuse_away(exchange, NULL);
    }
}

/* -------------------------------------------------------------------- who speaks */

enum { BAD_TOKEN_WAIT = 5000 /* milliseconds after which a client may say another one */ };

/* The message says a token that is not good, and nothing of it is done. */
static void refuse_token(struct exchange *exchange, const struct problem *problem) {
    const struct bayeux_message *message = current(exchange);
    struct buf *out = &exchange->replies;
    bool begins = message->kind == BAYEUX_HANDSHAKE;

    app_count(exchange->app, problem);
    bayeux_reply_begin(out, message, false);
    if (message->client != NULL && !begins)
        bayeux_reply_client(out, message->client, message->client_len);
    bayeux_reply_error(out, problem->status, "", 0, problem->detail);
    if (begins || message->kind == BAYEUX_CONNECT)
        bayeux_reply_advice(out, begins ? "none" : "retry", begins ? 0 : BAD_TOKEN_WAIT, -1);
    bayeux_reply_end(out);
    go_on(exchange);
}

static void on_renewed(void *ctx, const struct session_view *view) {
    struct exchange *exchange = ctx;
    struct problem problem;

    if (view->err != ERR_OK)
        refuse_away(exchange, view);
    else if (view->status == SESSION_FOREIGN)
        refuse_token(exchange, problem_set(&problem, 403, "token: it is for another user"));
    else if (view->status != SESSION_OK)
        unknown(exchange);
    else
        step(exchange);
}

/* Another token is the session's, if it is the same user's; the message is done behind that. */
static void renew(struct exchange *exchange) {
    const struct bayeux_message *message = current(exchange);
    struct buf words = buf_make(SESSION_WHO_MAX);
    char id[SESSION_ID_TEXT];

    name_session(exchange, message, id);
    const struct session_who who = speaker_words(exchange->identity, bayeux_expired, &words);
    enum err err = session_renew(hub_sessions(exchange->app->hub), id, &who, on_renewed, exchange);
    buf_free(&words);
    if (err != ERR_OK)
        refuse_away(exchange, NULL);
}

/* The message says who speaks: from here on he does. */
static void take_token(struct exchange *exchange) {
    const struct bayeux_message *message = current(exchange);
    struct app *app = exchange->app;
    struct problem problem;

    exchange->proved = credentials_renew(app->credentials, &exchange->identity, message->token,
                                         ev_now(app->loop), &problem);
    if (!exchange->proved)
        refuse_token(exchange, &problem);
    else if (message->kind == BAYEUX_HANDSHAKE || message->client == NULL)
        step(exchange);
    else
        renew(exchange);
}

/* -------------------------------------------------------------------------- steps */

static void step(struct exchange *exchange) {
    if (exchange->next == exchange->count) {
        finish(exchange);
        return;
    }
    const struct bayeux_message *message = current(exchange);
    if (message->token.at != NULL && !exchange->proved) {
        take_token(exchange);
        return;
    }
    exchange->app->stats->requests++;
    switch (message->kind) {
    case BAYEUX_HANDSHAKE:
        handshake(exchange);
        break;
    case BAYEUX_CONNECT:
        take_connect(exchange);
        break;
    case BAYEUX_SUBSCRIBE:
    case BAYEUX_UNSUBSCRIBE:
        join(exchange);
        break;
    case BAYEUX_DISCONNECT:
        disconnect(exchange);
        break;
    case BAYEUX_META:
        refuse(exchange, 403, message->channel, message->channel_len, "Forbidden channel");
        break;
    case BAYEUX_SERVICE:
    case BAYEUX_PUBLISH:
        publish(exchange);
        break;
    case BAYEUX_MISNAMED:
        refuse(exchange, 405, message->channel, message->channel_len, "Invalid channel");
        break;
    case BAYEUX_NAMELESS:
        refuse_missing(exchange, "channel");
        break;
    }
}

/* A handshake is done alone: the messages beside it cannot know their client's id. */
static void leave_only_handshake(struct exchange *exchange) {
    for (size_t i = 0; i < exchange->count; i++) {
        if (exchange->messages[i].kind != BAYEUX_HANDSHAKE)
            continue;
        struct bayeux_message first = exchange->messages[i];
        exchange->messages[i] = exchange->messages[0];
        exchange->messages[0] = first;
        bayeux_free(exchange->messages + 1, exchange->count - 1);
        exchange->count = 1;
        return;
    }
}

static void on_up(void *ctx, bool up) {
    struct exchange *exchange = ctx;
    if (up || exchange->count == 0)
        step(exchange);
    else
        refuse_away(exchange, NULL);
}

enum bayeux_input exchange_begin(const struct exchange_request *request, const char *text,
                                 size_t len) {
    struct exchange *exchange = mem_new(sizeof *exchange);

    exchange->text = mem_copy(text, len);
    enum bayeux_input input =
        bayeux_take(exchange->text, len, exchange->messages, &exchange->count);
    if (input != BAYEUX_GOOD) {
        free(exchange->text);
        free(exchange);
        return input;
    }
    exchange->app = request->app;
    exchange->service = request->service;
    exchange->outlet = request->outlet;
    exchange->who = mem_string(request->who);
    exchange->identity = identity_hold(request->identity);
    exchange->berth = request->berth;
    exchange->done = request->done;
    exchange->ctx = request->ctx;
    exchange->replies = buf_make(SIZE_MAX / 2);
    leave_only_handshake(exchange);
    hub_when_up(exchange->app->hub, exchange->app->config->redis_timeout, on_up, exchange);
    return BAYEUX_GOOD;
}

/*
 * SockJS's WebSockets: one with frames, as its clients use it, and one where each message is a
 * text. Their sessions are talks, in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/admission.h"
#include "fcgi-app/carriers/sockjs/_sockjs.h"
#include "fcgi-app/carriers/talk.h"
#include "fcgi-app/door/ws/handshake.h"
#include "fcgi-app/door/ws/socket.h"

enum { ENVELOPE = 16384, BROKEN = 1002 };

/* ------------------------------------------------------------------- with frames */

static void framed_say(struct client *client, const char *text, size_t len) {
    struct texts texts = {0};
    struct buf frame = buf_make(SIZE_MAX / 2);

    texts_add(&texts, text, len);
    sockjs_put_messages(&texts, &frame);
    socket_say(client, frame.data, frame.len);
    buf_free(&frame);
    texts_free(&texts);
}

/* A client that breaks the framing would not understand a frame. */
static void framed_close(struct client *client, unsigned code, const char *reason) {
    struct buf frame = buf_make(SESSION_REASON_MAX);

    socket_hold(client);
    if (code != BROKEN) {
        sockjs_put_close(code, reason, &frame);
        socket_say(client, frame.data, frame.len);
    }
    socket_close(client, code == BROKEN ? BROKEN : 1000, code == BROKEN ? reason : "");
    socket_let_go(client);
    buf_free(&frame);
}

static const struct talk_carrier framed = {.say = framed_say,
                                           .close = framed_close,
                                           .read_on = socket_read_on,
                                           .hold = socket_hold,
                                           .let_go = socket_let_go};

/* An empty text is no message, and no mistake. */
static void framed_message(void *talk, const char *text, size_t len) {
    struct texts messages = {0};
    enum sockjs_input input = sockjs_take(text, len, true, &messages);

    if (input == SOCKJS_INPUT_BROKEN || input == SOCKJS_INPUT_MANY)
        talk_close(talk, BROKEN, "Broken framing.");
    for (size_t i = 0; input == SOCKJS_INPUT_GOOD && i < messages.count; i++) {
        size_t size;
        const char *message = texts_at(&messages, i, &size);
        talk_message(talk, message, size);
    }
    texts_free(&messages);
}

static const struct socket_events framed_events = {
    .message = framed_message, .settled = talk_settled, .closed = talk_closed};

/* ---------------------------------------------------------------------- without */

static const struct talk_carrier raw = {.say = socket_say,
                                        .close = socket_close,
                                        .read_on = socket_read_on,
                                        .hold = socket_hold,
                                        .let_go = socket_let_go};

static const struct socket_events raw_events = {
    .message = talk_message, .settled = talk_settled, .closed = talk_closed};

/* ---------------------------------------------------------------------- opening */

/* A request that may become a WebSocket, while it is asked whether it may. */
struct opening {
    struct app *app;
    struct client *client; /* NULL: it has left */
    enum sockjs_kind kind;
    struct speech speech;
    char *who;
    struct buf hello; /* the answer to its handshake */
};

static void opening_free(struct opening *opening) {
    buf_free(&opening->hello);
    free(opening->who);
    identity_free(opening->speech.who);
    free(opening);
}

static struct client *open_socket(struct opening *opening, bool frames, struct talk *talk) {
    struct app *app = opening->app;
    const struct config *config = app->config;
    struct socket_limits limits = {.max_message =
                                       2 * (size_t)config_longest_message(config) + ENVELOPE,
                                   .max_queue = (size_t)config->max_backlog,
                                   .silence = 3.0 * config->keepalive};
    struct buf early;
    int fd = client_upgrade(opening->client, &early);
    struct client *client = socket_new(app->loop, app->stats, fd,
                                       &(struct part){opening->hello.data, opening->hello.len},
                                       &(struct part){early.data, early.len}, &limits,
                                       frames ? &framed_events : &raw_events, talk);
    buf_free(&early);
    return client;
}

static struct hub_read read_of(const struct opening *opening) {
    bool frames = opening->kind == SOCKJS_WEBSOCKET;

    return (struct hub_read){.transport = &transport_sockjs,
                             .options.config = opening->app->config,
                             .who = opening->speech.who,
                             .address = opening->who,
                             /* without frames a message is a text */
                             .limit =
                                 frames || opening->speech.protocol->confirms ? SOCKJS_LIMIT : 1};
}

static void begin(struct opening *opening) {
    bool frames = opening->kind == SOCKJS_WEBSOCKET;
    const struct hub_read read = read_of(opening);
    const struct talk_setting setting = {
        .app = opening->app,
        .carrier = frames ? &framed : &raw,
        .transport = &transport_sockjs,
        .variant = sockjs_variant(opening->kind, opening->speech.protocol),
        .speech = opening->speech,
        .who = opening->who,
        .limit = read.limit};
    struct talk *talk = talk_new(&setting);
    struct client *client = open_socket(opening, frames, talk);

    socket_hold(client);
    if (frames)
        socket_say(client, "o", 1);
    talk_begin(talk, client, &read);
    socket_let_go(client);
}

static void on_admitted(void *ctx, const struct problem *problem) {
    struct opening *opening = ctx;
    const struct hub_read read = read_of(opening);
    struct problem full = {0};

    if (opening->client != NULL && problem == NULL && hub_admits(opening->app->hub, &read, &full))
        begin(opening);
    else if (opening->client != NULL)
        app_refuse(opening->app, opening->client, problem != NULL ? problem : &full);
    opening_free(opening);
}

static void on_gone(void *ctx) {
    struct opening *opening = ctx;

    client_drop(opening->client);
    opening->client = NULL;
}

static const struct client_events opening_events = {.gone = on_gone};

bool socket_begin(const struct sockjs_request *request, struct problem *problem) {
    struct app *app = request->app;

    if (!handshake_check_old(request->request, app->config->origins, problem))
        return false;
    struct opening *opening = mem_new(sizeof *opening);
    *opening = (struct opening){.app = app,
                                .client = request->client,
                                .kind = request->kind,
                                .speech = service_speech(app->config, request->service),
                                .who = mem_string(request->request->remote_addr),
                                .hello = buf_make(1024)};
    opening->speech.who = identity_hold(request->request->who);
    handshake_put_answer(request->request, &opening->hello);
    if (!admission_free(app))
        client_watch(opening->client, &opening_events, opening);
    admission_ask(app, opening->who, on_admitted, opening);
    return true;
}

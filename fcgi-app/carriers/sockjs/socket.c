/*
 * SockJS's WebSockets: one with frames, as its clients use it, and one where each message is a
 * text. Their sessions are talks, in memory.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
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

static const struct socket_events framed_events = {.message = framed_message,
                                                   .closed = talk_closed};

/* ---------------------------------------------------------------------- without */

static const struct talk_carrier raw = {.say = socket_say,
                                        .close = socket_close,
                                        .read_on = socket_read_on,
                                        .hold = socket_hold,
                                        .let_go = socket_let_go};

static const struct socket_events raw_events = {.message = talk_message, .closed = talk_closed};

/* ---------------------------------------------------------------------- opening */

static struct client *open_socket(const struct sockjs_request *request, bool frames,
                                  struct talk *talk) {
    struct app *app = request->app;
    const struct config *config = app->config;
    struct socket_limits limits = {.max_message =
                                       2 * (size_t)config_longest_message(config) + ENVELOPE,
                                   .max_queue = (size_t)config->max_backlog,
                                   .silence = 3.0 * config->keepalive};
    struct buf hello = buf_make(1024), early;

    handshake_put_answer(request->request, &hello);
    int fd = client_upgrade(request->client, &early);
    struct client *client =
        socket_new(app->loop, app->stats, fd, &(struct part){hello.data, hello.len},
                   &(struct part){early.data, early.len}, &limits,
                   frames ? &framed_events : &raw_events, talk);
    buf_free(&hello);
    buf_free(&early);
    return client;
}

bool socket_begin(const struct sockjs_request *request, struct problem *problem) {
    const struct config *config = request->app->config;
    struct speech speech = service_speech(config, request->service);
    bool frames = request->kind == SOCKJS_WEBSOCKET;
    const struct talk_setting setting = {
        .app = request->app,
        .carrier = frames ? &framed : &raw,
        .transport = &transport_sockjs,
        .variant = sockjs_variant(request->kind, speech.protocol),
        .speech = speech,
        .who = request->request->remote_addr,
        .limit = frames || speech.protocol->confirms ? SOCKJS_LIMIT : 1}; /* a text a message */
    const struct hub_read read = {
        .transport = &transport_sockjs, .options.config = config, .limit = setting.limit};

    if (!handshake_check(request->request, config->origins, problem) ||
        !hub_admits(request->app->hub, &read, problem))
        return false;
    struct talk *talk = talk_new(&setting);
    struct client *client = open_socket(request, frames, talk);
    socket_hold(client);
    if (frames)
        socket_say(client, "o", 1);
    talk_begin(talk, client, &read);
    socket_let_go(client);
    return true;
}

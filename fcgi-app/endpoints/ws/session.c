/*
 * The WebSocket endpoint as a carrier: the protocol `halley` on a socket, a batch a text
 * message. What is said, and what is done about it, is the talk's (carriers/talk.h).
 */
#include "fcgi-app/endpoints/ws/session.h"

#include <stdlib.h>

#include "fcgi-app/carriers/talk.h"
#include "fcgi-app/door/ws/socket.h"
#include "fcgi-app/endpoints/read.h"
#include "fcgi-app/transports/transport.h"

enum { ENVELOPE = 16384 };

static const struct socket_events session_events = {
    .message = talk_message, .settled = talk_settled, .closed = talk_closed};

static const struct talk_carrier session_carrier = {.say = socket_say,
                                                    .close = socket_close,
                                                    .read_on = socket_read_on,
                                                    .hold = socket_hold,
                                                    .let_go = socket_let_go};

bool session_check(const struct app *app, const struct request *request, struct hub_read *read,
                   struct problem *problem) {
    *read = (struct hub_read){.transport = transport_find("ws")};
    if (!read_parse(app, request, read, problem))
        return false;
    bool may = hub_admits_visitor(app->hub, read, problem);
    if (!may)
        free((void *)(uintptr_t)read->channels);
    return may;
}

void session_begin(struct app *app, const struct request *request, const struct hub_read *read,
                   int fd, const struct part *hello, const struct part *early) {
    const struct config *config = app->config;
    struct socket_limits limits = {.max_message = (size_t)config_longest_message(config) + ENVELOPE,
                                   .max_queue = (size_t)config->max_backlog,
                                   .silence = 3.0 * config->keepalive};
    const struct talk_setting setting = {.app = app,
                                         .carrier = &session_carrier,
                                         .transport = read->transport,
                                         .speech = {.protocol = protocol_find("halley", 6),
                                                    .argument = "",
                                                    .config = config,
                                                    .who = request->who},
                                         .who = request->remote_addr,
                                         .limit = read->limit};
    struct talk *talk = talk_new(&setting);

    talk_begin(talk,
               socket_new(app->loop, app->stats, fd, hello, early, &limits, &session_events, talk),
               read);
    free((void *)(uintptr_t)read->channels);
}

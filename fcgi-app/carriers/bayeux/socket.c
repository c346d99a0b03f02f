/*
 * Bayeux over a WebSocket: each text is a request like any, and is answered by a text. They are
 * done one behind the other, but for a connect, which is held while others are done: what the
 * client says in its order happens in that order. What waits is bounded: above that the client is
 * read no further.
 *
 * The hub holds the socket as a stream without channels, which pings it, ends it in time, and
 * closes it when the process is shutting down.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "fcgi-app/door/ws/handshake.h"
#include "fcgi-app/door/ws/socket.h"
#include "fcgi-app/hub/holder.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/transports/bayeux.h"

enum {
    ENVELOPE = 16384,
    LATER_MAX = 256 * 1024, /* bytes that wait, and one text more */
    HELD_MAX = 64,          /* answers that are owed at a time */
    WRONG = 1002
};

/* A text that waits for the one before it. */
struct later {
    struct later *prev, *next;
    size_t len;
    char *text;
};

struct pipe {
    struct hub_holder holder; /* first */
    struct app *app;
    const struct service *service;
    struct client *client; /* NULL once it is closed */
    char *who;
    const struct identity *identity;
    bool busy; /* a text is being done */
    struct berth berth;
    struct later *later;
    size_t waiting; /* bytes of those */
    struct outlet *outlets[HELD_MAX];
    size_t outlet_count;
    struct ev_timer next; /* outside of whatever has ended: takes what waits */
};

static void free_if_done(struct pipe *pipe) {
    if (pipe->client != NULL || pipe->busy)
        return;
    ev_timer_stop(pipe->app->loop, &pipe->next);
    free(pipe->who);
    identity_free(pipe->identity);
    free(pipe);
}

static void later_free(struct later *later) {
    free(later->text);
    free(later);
}

static void on_closed(void *ctx) {
    struct pipe *pipe = ctx;
    struct later *later, *next;

    pipe->client = NULL;
    DL_FOREACH_SAFE (pipe->later, later, next)
        later_free(later);
    pipe->later = NULL;
    while (pipe->outlet_count > 0)
        outlet_gone(pipe->outlets[--pipe->outlet_count]);
    berth_close(&pipe->berth);
    free_if_done(pipe);
}

static void close_pipe(struct pipe *pipe, unsigned code, const char *reason) {
    if (pipe->holder.waiter != NULL) {
        struct hub_places places = hub_release(pipe->holder.waiter);
        hub_places_free(&places);
    }
    socket_close(pipe->client, code, reason);
}

/* ------------------------------------------------------------------------ answers */

static void say(void *ctx, const char *text, size_t len) {
    struct pipe *pipe = ctx;
    if (pipe->client != NULL)
        socket_say(pipe->client, text, len);
}

static void unlink_outlet(void *ctx, struct outlet *outlet) {
    struct pipe *pipe = ctx;

    for (size_t i = 0; i < pipe->outlet_count; i++) {
        if (pipe->outlets[i] == outlet) {
            pipe->outlets[i] = pipe->outlets[--pipe->outlet_count];
            return;
        }
    }
}

/* -------------------------------------------------------------------------- texts */

static void on_done(void *ctx) {
    struct pipe *pipe = ctx;

    pipe->busy = false;
    if (pipe->client != NULL)
        ev_timer_start(pipe->app->loop, &pipe->next);
    else
        free_if_done(pipe);
}

static void take(struct pipe *pipe, const char *text, size_t len) {
    const struct outlet_socket socket = {say, unlink_outlet, pipe};
    struct outlet *outlet = outlet_socket(&socket);
    const struct exchange_request request = {.app = pipe->app,
                                             .service = pipe->service,
                                             .outlet = outlet,
                                             .who = pipe->who,
                                             .identity = pipe->identity,
                                             .berth = &pipe->berth,
                                             .done = on_done,
                                             .ctx = pipe};

    pipe->outlets[pipe->outlet_count++] = outlet;
    pipe->busy = true;
    if (exchange_begin(&request, text, len) == BAYEUX_GOOD)
        return;
    pipe->busy = false;
    outlet_drop(outlet);
    close_pipe(pipe, WRONG, "Bayeux messages must be JSON, at most 64 at once");
}

static bool can_take(const struct pipe *pipe) {
    return !pipe->busy && pipe->outlet_count < HELD_MAX;
}

static void read_on(struct pipe *pipe) {
    if (pipe->client != NULL)
        socket_read_on(pipe->client, pipe->waiting <= LATER_MAX);
}

static void on_next(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct pipe *pipe = timer->data;
    struct later *later = pipe->later;
    (void)loop, (void)events;

    if (later == NULL || !can_take(pipe) || pipe->client == NULL)
        return;
    socket_hold(pipe->client);
    struct client *client = pipe->client;
    DL_DELETE(pipe->later, later);
    pipe->waiting -= later->len;
    read_on(pipe);
    take(pipe, later->text, later->len);
    later_free(later);
    socket_let_go(client);
}

static void on_message(void *ctx, const char *text, size_t len) {
    struct pipe *pipe = ctx;

    if (can_take(pipe) && pipe->later == NULL) {
        take(pipe, text, len);
        return;
    }
    struct later *later = mem_new(sizeof *later);
    *later = (struct later){.len = len, .text = mem_copy(text, len)};
    DL_APPEND(pipe->later, later);
    pipe->waiting += len;
    read_on(pipe);
}

/* What is in the midst of being done is done to its end. */
static bool is_settled(void *ctx) {
    const struct pipe *pipe = ctx;
    return pipe->later == NULL;
}

static const struct socket_events events = {
    .message = on_message, .settled = is_settled, .closed = on_closed};

/* ------------------------------------------------------------------------ opening */

static void on_begun(struct hub_holder *holder) {
    (void)holder;
}

/* Its time is over; or this process's, or that of the token which opened it. */
static void on_taken(struct hub_holder *holder, struct batch *batch, struct hub_places *places) {
    struct pipe *pipe = (struct pipe *)holder;
    (void)batch;

    hub_places_free(places);
    if (identity_over(pipe->identity, ev_now(pipe->app->loop)))
        socket_close(pipe->client, SPEAKER_EXPIRED_CODE, SPEAKER_EXPIRED);
    else
        client_finish(pipe->client, NULL, NULL, 0);
}

static struct client *open_socket(struct pipe *pipe, const struct request *request,
                                  struct client *asker) {
    struct app *app = pipe->app;
    const struct config *config = app->config;
    const struct socket_limits limits = {.max_message =
                                             2 * (size_t)config_longest_message(config) + ENVELOPE,
                                         .max_queue = (size_t)config->max_backlog,
                                         .silence = 3.0 * config->keepalive};
    struct buf hello = buf_make(1024), early;

    handshake_put_answer(request, &hello);
    int fd = client_upgrade(asker, &early);
    struct client *client =
        socket_new(app->loop, app->stats, fd, &(struct part){hello.data, hello.len},
                   &(struct part){early.data, early.len}, &limits, &events, pipe);
    buf_free(&hello);
    buf_free(&early);
    return client;
}

bool bayeux_socket(struct app *app, const struct service *service, const struct request *request,
                   struct client *client, struct problem *problem) {
    const struct hub_read read = {.transport = &transport_bayeux_socket,
                                  .options.config = app->config,
                                  .limit = BAYEUX_LIMIT,
                                  .who = request->who,
                                  .address = request->remote_addr};

    if (!handshake_check(request, app->config->origins, problem) ||
        !hub_admits(app->hub, &read, problem))
        return false;
    struct pipe *pipe = mem_new(sizeof *pipe);
    *pipe = (struct pipe){.holder = {.begun = on_begun, .taken = on_taken},
                          .app = app,
                          .service = service,
                          .who = mem_string(request->remote_addr),
                          .identity = identity_hold(request->who)};
    ev_timer_init(&pipe->next, on_next, 0, 0);
    pipe->next.data = pipe;
    pipe->client = open_socket(pipe, request, client);
    struct client *opened = pipe->client;
    socket_hold(opened);
    if (!hub_hold(app->hub, opened, &read, &pipe->holder, problem))
        client_refuse(opened, problem);
    socket_let_go(opened);
    problem->status = 0;
    return true;
}

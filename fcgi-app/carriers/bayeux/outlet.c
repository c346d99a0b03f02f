/*
 * Where an answer goes. Whoever waits for it may leave at any time: then whoever is about to answer
 * is told, and answers nobody.
 */
#include <stdlib.h>

#include "core/base/mem.h"
#include "fcgi-app/carriers/bayeux/_bayeux.h"

struct outlet {
    struct app *app;
    struct client *client; /* NULL: of a WebSocket, or it has left */
    char *callback;        /* NULL: it is no callback polling */
    bool socketed;         /* `socket` is there */
    struct outlet_socket socket;
    void (*left)(void *ctx);
    void (*drained)(void *ctx);
    void *ctx;
};

static void tell_left(struct outlet *outlet) {
    void (*left)(void *ctx) = outlet->left;

    outlet->left = NULL;
    if (left != NULL)
        left(outlet->ctx);
}

static void on_gone(void *ctx) {
    struct outlet *outlet = ctx;

    client_drop(outlet->client);
    outlet->client = NULL;
    tell_left(outlet);
}

static void on_drained(void *ctx) {
    struct outlet *outlet = ctx;
    if (outlet->drained != NULL)
        outlet->drained(outlet->ctx);
}

static const struct client_events events = {.gone = on_gone, .drained = on_drained};

struct outlet *outlet_http(struct app *app, struct client *client, const char *callback) {
    struct outlet *outlet = mem_new(sizeof *outlet);

    *outlet = (struct outlet){
        .app = app, .client = client, .callback = callback != NULL ? mem_string(callback) : NULL};
    client_watch(client, &events, outlet);
    return outlet;
}

struct outlet *outlet_socket(const struct outlet_socket *socket) {
    struct outlet *outlet = mem_new(sizeof *outlet);

    *outlet = (struct outlet){.socketed = true, .socket = *socket};
    return outlet;
}

void outlet_watch(struct outlet *outlet, void (*left)(void *ctx), void (*drained)(void *ctx),
                  void *ctx) {
    outlet->left = left;
    outlet->drained = drained;
    outlet->ctx = ctx;
}

void outlet_hold(struct outlet *outlet) {
    if (outlet->client != NULL)
        client_hold(outlet->client);
}

bool outlet_is_there(const struct outlet *outlet) {
    return outlet->client != NULL || outlet->socketed;
}

bool outlet_is_http(const struct outlet *outlet) {
    return outlet->client != NULL;
}

void outlet_gone(struct outlet *outlet) {
    outlet->socketed = false;
    tell_left(outlet);
}

struct client *outlet_client(const struct outlet *outlet) {
    return outlet->client;
}

static void unlink_socket(struct outlet *outlet) {
    if (outlet->socketed)
        outlet->socket.unlink(outlet->socket.ctx, outlet);
    outlet->socketed = false;
}

static void outlet_free(struct outlet *outlet) {
    unlink_socket(outlet);
    free(outlet->callback);
    free(outlet);
}

void outlet_answer(struct outlet *outlet, const struct buf *objects) {
    struct buf text = buf_make(SIZE_MAX / 2);
    bool socketed = outlet->socketed;

    unlink_socket(outlet); /* which may be found closed when it is told: nobody waits any more */
    bayeux_reply_script(&text, outlet->callback, objects);
    const struct head head = {.status = 200,
                              .type = outlet->callback != NULL ? "text/javascript; charset=utf-8"
                                                               : "application/json; charset=utf-8",
                              .length = text.len};
    if (outlet->client != NULL)
        client_finish(outlet->client, &head, &(struct part){text.data, text.len}, 1);
    else if (socketed)
        outlet->socket.say(outlet->socket.ctx, text.data, text.len);
    buf_free(&text);
    outlet_free(outlet);
}

void outlet_refuse(struct outlet *outlet, const struct problem *problem) {
    if (outlet->client != NULL)
        app_refuse(outlet->app, outlet->client, problem);
    outlet_free(outlet);
}

void outlet_drop(struct outlet *outlet) {
    client_drop(outlet->client);
    outlet_free(outlet);
}

void outlet_finish(struct outlet *outlet) {
    if (outlet->client != NULL)
        client_finish(outlet->client, NULL, NULL, 0);
    outlet_free(outlet);
}

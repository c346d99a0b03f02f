/*
 * The answering side of one request: a descriptor, how answers are framed on it,
 * and what it has not taken yet. Writes never block. Belongs to the loop's
 * thread.
 *
 * There are two kinds: a request that came by FastCGI or CGI (client_fcgi.c) and
 * a WebSocket (ws/socket.c). A further one fills struct client_kind.
 */
#ifndef HALLEY_CLIENT_H
#define HALLEY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

struct connections;
struct problem;

/* Everybody but the kinds themselves looks at a client only through the functions below. */
struct client {
    const struct client_kind *kind;
};

enum client_framing {
    CLIENT_FCGI, /* STDOUT records of one request id */
    CLIENT_RAW   /* as it is: the standard output of a CGI program */
};

/* A piece of an answer; borrowed for the length of the call. */
struct part {
    const void *data;
    size_t len;
};

/* Who watches a client. Each may free the client. */
struct client_events {
    void (*gone)(void *ctx);    /* the web server says that the browser has left */
    void (*drained)(void *ctx); /* everything that was queued has been taken */
};

/* How a kind of client does what the functions of the same names below promise. */
struct client_kind {
    void (*watch)(struct client *client, const struct client_events *events, void *ctx);
    void (*hold)(struct client *client); /* NULL: there is nothing to do */
    enum err (*send)(struct client *client, const struct part *parts, size_t count);
    void (*finish)(struct client *client, const struct part *parts, size_t count);
    void (*refuse)(struct client *client, const struct problem *problem);
    void (*drop)(struct client *client);
    size_t (*backlog)(const struct client *client);
};

/*
 * A client that is not a request's that the intake took in: it owns `fd` (set to
 * non-blocking here). `request_id` is FastCGI's.
 */
struct client *client_new(struct connections *all, int fd, enum client_framing framing,
                          uint16_t request_id);

/* From now on `events` are told; call once. Both are borrowed and outlive the client. */
void client_watch(struct client *client, const struct client_events *events, void *ctx);

/*
 * The client will be held for a while: only from now on is its leaving noticed for
 * sure. One that is answered soon is spared what that costs.
 */
void client_hold(struct client *client);

/*
 * Sends the parts as one piece; what the descriptor does not take is queued.
 * ERR_GONE if nobody is there any more (the caller then drops the client).
 */
enum err client_send(struct client *client, const struct part *parts, size_t count) MUST_CHECK;

/*
 * Sends the parts and the end of the answer: the client is not the caller's any
 * more, and its connection is closed once all is out, or carries another request. A reader that
 * takes nothing for CLIENT_FLUSH seconds is closed all the same.
 */
#define CLIENT_FLUSH 30.0
void client_finish(struct client *client, const struct part *parts, size_t count);

/* Answers with a problem, where nothing was sent before; otherwise as client_finish(). */
void client_refuse(struct client *client, const struct problem *problem);

/* Closes at once and frees. Safe on NULL. */
void client_drop(struct client *client);

/* Bytes that are queued and not taken yet. */
size_t client_backlog(const struct client *client);

#endif

/*
 * The answering side of one request: where its answer goes, and what has not been taken of
 * it yet. Writes never block. Belongs to the loop's thread.
 *
 * There are several kinds: a request that came by FastCGI or CGI (fcgi/client_fcgi.c), and a
 * WebSocket (ws/socket.c). A further one fills struct client_kind. Whoever answers describes
 * the head of the answer (answer.h); each kind writes it in its own way.
 */
#ifndef HALLEY_CLIENT_H
#define HALLEY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"
#include "fcgi-app/door/answer.h"

struct problem;

/* Everybody but the kinds themselves looks at a client only through the functions below. */
struct client {
    const struct client_kind *kind;
};

/* Who watches a client. Each may free the client. */
struct client_events {
    void (*gone)(void *ctx);    /* the web server says that the browser has left */
    void (*drained)(void *ctx); /* everything that was queued has been taken; or NULL, as below */
    /* it sends no more, and may have left: sending something tells. NULL: nobody wants to know */
    void (*doubted)(void *ctx);
};

/* Tells who watches that all was taken. */
static inline void client_events_drained(const struct client_events *events, void *ctx) {
    if (events->drained != NULL)
        events->drained(ctx);
}

/* How a kind of client does what the functions of the same names below promise. */
struct client_kind {
    void (*watch)(struct client *client, const struct client_events *events, void *ctx);
    void (*hold)(struct client *client); /* NULL: there is nothing to do */
    enum err (*send)(struct client *client, const struct head *head, const struct part *parts,
                     size_t count);
    void (*finish)(struct client *client, const struct head *head, const struct part *parts,
                   size_t count);
    void (*finish_later)(struct client *client, const struct head *head, const struct part *parts,
                         size_t count);                                   /* NULL: as finish */
    void (*refuse)(struct client *client, const struct problem *problem); /* NULL: by an answer */
    void (*drop)(struct client *client);
    size_t (*backlog)(const struct client *client);
    size_t (*head_size)(const struct client *client, const struct head *head); /* NULL: 0 */
    void (*add_fields)(struct client *client, const char *fields); /* NULL: it has no head */
    void (*leave)(struct client *client);                     /* NULL: there is nothing to do */
    int (*upgrade)(struct client *client, struct buf *early); /* NULL: it cannot be done */
};

/* How many parts may be handed over in one call. */
enum { CLIENT_PARTS = 6 };

/* From now on `events` are told; call once. Both are borrowed and outlive the client. */
void client_watch(struct client *client, const struct client_events *events, void *ctx);

/*
 * The client will be held for a while: only from now on is its leaving noticed for
 * sure. One that is answered soon is spared what that costs.
 */
void client_hold(struct client *client);

/*
 * Sends the parts as one piece; what the descriptor does not take is queued. `head` is
 * given with the first piece of an answer, and goes with it; NULL with those behind it.
 * ERR_GONE if nobody is there any more (the caller then drops the client).
 */
enum err client_send(struct client *client, const struct head *head, const struct part *parts,
                     size_t count) MUST_CHECK;

/*
 * Sends the parts and the end of the answer (`head` as above): the client is not the caller's
 * any more, and its connection is closed once all is out, or carries another request. A reader
 * that takes nothing for CLIENT_FLUSH seconds is closed all the same.
 */
#define CLIENT_FLUSH 30.0
void client_finish(struct client *client, const struct head *head, const struct part *parts,
                   size_t count);

/* The same, of one that is to come back later because there is no room: a WebSocket says so. */
void client_finish_later(struct client *client, const struct head *head, const struct part *parts,
                         size_t count);

/* Answers with a problem, where nothing was sent before; otherwise as client_finish(). */
void client_refuse(struct client *client, const struct problem *problem);

/*
 * Fields that the head of this client's answer has besides its own, whoever answers and
 * with what: lines, each with its end. Before anything is sent; copied.
 */
void client_add_fields(struct client *client, const char *fields);

/*
 * Its answer is the last for a while: the web server should not keep the browser's connection open
 * behind it, of which it has as many as it can hold (RFC 9110 §7.6.1). Before anything is sent.
 */
void client_leave(struct client *client);

/*
 * Whether the connection can be given to another protocol (RFC 9110 §7.8); and that: instead of
 * an answer, the descriptor becomes the caller's, who sends the 101, and the client is no
 * more. `early`: what came behind the request, for the caller to free.
 */
bool client_can_upgrade(const struct client *client);
int client_upgrade(struct client *client, struct buf *early);

/* Closes at once and frees. Safe on NULL. */
void client_drop(struct client *client);

/* Bytes that are queued and not taken yet. */
size_t client_backlog(const struct client *client);

/* Bytes that a head has with this client. */
size_t client_head_size(const struct client *client, const struct head *head);

#endif

/*
 * Bayeux from inside. What makes it up, in the order in which a request goes through it:
 *
 *   bayeux.c    which request is which
 *   messages.c  a request as messages
 *   socket.c    WebSockets, each text of which is such a request
 *   exchange.c  one request: does its messages one behind the other
 *   joining.c   subscribing and unsubscribing, on the session in Redis
 *   state.c     what a session keeps beside its places
 *   patterns.c  the channels that a session's patterns stand for
 *   kept.c      what is kept in memory of a WebSocket's session
 *   giving.c    and is written back when that ends
 *   hold.c      whoever waits for a session's messages: it holds its session meanwhile
 *   connect.c   a /meta/connect, which is held
 *   stream.c    Faye's event stream, which is held too
 *   replies.c   what is answered
 *   outlet.c    where an answer goes
 *
 * A session is in Redis whatever carries it, WebSockets too: clients change what carries them in
 * the midst of a session, and come back to the other when it fails. But while a WebSocket carries
 * it, its process keeps in memory where it stands, and answers without asking Redis: it writes that
 * down when the socket ends, when another request wants the session, and now and then.
 */
#ifndef HALLEY_BAYEUX_PRIVATE_H
#define HALLEY_BAYEUX_PRIVATE_H

#include "core/base/collections.h"
#include "core/base/loop.h"
#include "core/redis/session.h"
#include "fcgi-app/carriers/bayeux/bayeux.h"
#include "fcgi-app/carriers/bayeux/messages.h"
#include "fcgi-app/carriers/bayeux/replies.h"
#include "fcgi-app/carriers/bayeux/state.h"
#include "fcgi-app/carriers/places.h"
#include "fcgi-app/carriers/speaker.h"
#include "fcgi-app/hub/hub.h"

enum {
    BAYEUX_LIMIT = 100,   /* messages in an answer */
    BAYEUX_SLACK = 30000, /* and those beyond `timeout` that one lives without a connect */
    BAYEUX_WAIT = 1000    /* after which whoever is in another's way is to come back */
};

/* Why sessions are closed, as Redis keeps it. */
#define BAYEUX_LEFT    "bye"     /* by the client */
#define BAYEUX_EXPIRED "expired" /* with its user's token */
static const struct session_bytes bayeux_expired = {BAYEUX_EXPIRED, sizeof BAYEUX_EXPIRED - 1};

struct bayeux {
    struct app *app;
    struct hold *holds;     /* by their numbers */
    struct giving *givings; /* what is being written back */
};

struct connect;

/* Where a WebSocket's connect rests between two requests of its client. */
struct berth {
    struct connect *connect; /* or NULL */
    bool closed;
};

/* The socket is gone. */
void berth_close(struct berth *berth);

/* --- outlet.c --- */

struct outlet;

/* Where the answer to an HTTP request goes, or the one to a text of a WebSocket. */
struct outlet *outlet_http(struct app *app, struct client *client, const char *callback);

/* `say` sends a text there; `unlink` is told that the outlet is no more. */
struct outlet_socket {
    void (*say)(void *ctx, const char *text, size_t len);
    void (*unlink)(void *ctx, struct outlet *outlet);
    void *ctx;
};
struct outlet *outlet_socket(const struct outlet_socket *socket);

/* Whom it is to tell that the client has left: once, and nobody is there any more; and that it has
 * read what waited for it (NULL: nobody wants to know). */
void outlet_watch(struct outlet *outlet, void (*left)(void *ctx), void (*drained)(void *ctx),
                  void *ctx);

/* The answer may take a while. */
void outlet_hold(struct outlet *outlet);

/* Whether somebody is there, and whether it is one of HTTP. */
bool outlet_is_there(const struct outlet *outlet);
bool outlet_is_http(const struct outlet *outlet);

/* The socket is gone: tells whoever watches. */
void outlet_gone(struct outlet *outlet);

/* Each of these is its end: answers with objects, or with a problem (HTTP only); or breaks off. */
void outlet_answer(struct outlet *outlet, const struct buf *objects);
void outlet_refuse(struct outlet *outlet, const struct problem *problem);
void outlet_drop(struct outlet *outlet);

/* The end of a stream, which has begun. */
void outlet_finish(struct outlet *outlet);

/* The HTTP client alone, for a stream; the outlet goes on to watch it. */
struct client *outlet_client(const struct outlet *outlet);

/* --- exchange.c --- */

struct exchange_request {
    struct app *app;
    const struct service *service;
    struct outlet *outlet;           /* taken over */
    const char *who;                 /* the client's address */
    const struct identity *identity; /* whose rights; NULL: nobody known; borrowed */
    struct berth *berth;             /* of a WebSocket, until it is done; or NULL */
    void (*done)(void *ctx); /* but for a connect that is held all is done; NULL: nobody minds */
    void *ctx;
};

/* Does what the messages of a text say, and answers. */
enum bayeux_input exchange_begin(const struct exchange_request *request, const char *text,
                                 size_t len);

/* --- joining.c --- */

/* Who subscribes and unsubscribes, until it is done: then `done` is called, once, now or later,
 * and the reply stands in `replies`. */
struct joining_request {
    struct app *app;
    const struct service *service;
    const struct bayeux_message *message; /* borrowed until it is done */
    const char *who;                      /* the client's address, borrowed likewise */
    const struct identity *identity;      /* and whose rights */
    struct buf *replies;
    void (*done)(void *ctx, const struct session_view *away); /* NULL: Redis could be asked */
    void *ctx;
};
void joining_begin(const struct joining_request *request);

/* --- patterns.c --- */

/* Adds what the patterns among the places stand for by now, and puts these in front. `done` is
 * called once, now or later, with whether that is known. The places must stay where they are. */
void patterns_add(struct app *app, const struct identity *who, struct hub_places *places,
                  void (*done)(void *ctx, bool known), void *ctx);

/* Calls `each` with the channels of a pattern that Bayeux tells of, and that `who` may read; false:
 * they are not known. */
bool patterns_each(struct app *app, const struct identity *who, const char *pattern, size_t len,
                   void (*each)(void *ctx, const char *name, size_t len, uint64_t born), void *ctx);

/* --- connect.c --- */

struct connect_request {
    struct app *app;
    const struct service *service;
    struct outlet *outlet;                /* taken over */
    const struct bayeux_message *message; /* borrowed for the call */
    const char *who;                      /* the client's address; likewise */
    const struct identity *identity;      /* whose rights; NULL: nobody known; likewise */
    struct buf *replies;                  /* to the messages beside it, moved */
    struct berth *berth;                  /* of a WebSocket, until it is closed; or NULL */
    bool now;                             /* it is not to be held */
};
void connect_begin(const struct connect_request *request);

/* --- stream.c --- */

/* Opens the event stream of the client with that id. */
void stream_begin(struct app *app, const struct service *service, const struct request *request,
                  struct outlet *outlet, const char *client, size_t client_len);

/* --- socket.c --- */

bool bayeux_socket(struct app *app, const struct service *service, const struct request *request,
                   struct client *client, struct problem *problem);

/* --- giving.c --- */

struct kept;

/* Writes down what was kept of a session, and lets go of it, whatever that takes: it lives `ttl`
 * milliseconds longer. `kept` is moved. */
void giving_begin(struct bayeux *bayeux, const char *id, uint64_t number, uint64_t version,
                  unsigned ttl, struct kept *kept);
void givings_free(struct bayeux *bayeux);

/* --- hold.c: what other processes say (struct hub_ears) --- */

void bayeux_word(void *bayeux, enum session_word word, uint64_t number);
void bayeux_again(void *bayeux);

#endif

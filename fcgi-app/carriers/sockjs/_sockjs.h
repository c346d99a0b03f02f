/*
 * SockJS's carrier from inside. What makes it up:
 *
 *   frames.c   the wire
 *   page.c     greeting, info, the page for old browsers
 *   face.c     what the hub takes for a client, and what is sent over it
 *   hold.c     a request that waits for messages: it holds its session meanwhile
 *   socket.c   WebSockets, whose sessions are in memory
 *   sockjs.c   which request is which
 */
#ifndef HALLEY_SOCKJS_PRIVATE_H
#define HALLEY_SOCKJS_PRIVATE_H

#include "core/base/collections.h"
#include "core/base/loop.h"
#include "core/redis/session.h"
#include "fcgi-app/carriers/begin.h"
#include "fcgi-app/carriers/places.h"
#include "fcgi-app/carriers/services.h"
#include "fcgi-app/carriers/sockjs/frames.h"
#include "fcgi-app/carriers/sockjs/sockjs.h"
#include "fcgi-app/carriers/speaker.h"
#include "fcgi-app/carriers/speech.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/transports/sockjs.h"

enum {
    SOCKJS_TTL = 5000, /* milliseconds that a session lives without a receiver */
    SOCKJS_LIMIT = 100 /* messages in a frame */
};

struct sockjs {
    struct app *app;
    struct hold *holds; /* by their numbers */
};

/* A request of a session, of which all is borrowed for the length of the call. */
struct sockjs_request {
    struct app *app;
    const struct service *service;
    enum sockjs_kind kind;
    const char *callback; /* a checked name, or "" */
    char id[SESSION_ID_TEXT];
    const struct request *request;
    struct client *client; /* whose further fields are said already */
};

/* The heads of answers: of those that belong to a session, and of those that stay as they are. */
#define SOCKJS_NO_CACHE "no-store, no-cache, no-transform, must-revalidate, max-age=0"
#define SOCKJS_FOR_LONG "public, max-age=31536000"

/* --- page.c: each finishes the client --- */

void page_greet(struct client *client);
void page_info(struct app *app, const struct service *service, struct client *client);
void page_iframe(const struct service *service, const char *origins, const struct request *request,
                 struct client *client);

/* A plain answer of a session. */
void page_answer(struct client *client, int status, const char *type, const char *text);

/* --- hold.c --- */

/* Holds a request that waits for messages, or fills `problem`. */
bool hold_begin(const struct sockjs_request *request, struct problem *problem);

/* What other processes say (struct hub_ears). */
void hold_word(void *sockjs, enum session_word word, uint64_t number);
void hold_again(void *sockjs);

/* --- socket.c --- */

/* Opens a WebSocket, or fills `problem`. */
bool socket_begin(const struct sockjs_request *request, struct problem *problem);

#endif

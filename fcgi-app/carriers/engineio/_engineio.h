/*
 * Engine.IO's carrier from inside. What makes it up:
 *
 *   engineio.c   which request is which, and what is refused
 *   open.c       a session is made, in Redis
 *   rules.c      what a poll does next
 *   poll.c       a poll: it holds its session until there is something to send
 *   upgrade.c    a WebSocket begins a session, or takes over one that polled
 *   live.c       a session on a WebSocket, in memory
 *   wire.c       packets and answers
 *
 * What a POST brings is done by carriers/doing.c.
 */
#ifndef HALLEY_ENGINEIO_PRIVATE_H
#define HALLEY_ENGINEIO_PRIVATE_H

#include "core/base/collections.h"
#include "core/base/loop.h"
#include "core/redis/session.h"
#include "fcgi-app/carriers/doing.h"
#include "fcgi-app/carriers/engineio/engineio.h"
#include "fcgi-app/carriers/engineio_payload.h"
#include "fcgi-app/carriers/speaker.h"
#include "fcgi-app/carriers/speech.h"
#include "fcgi-app/hub/hub.h"

enum {
    ENGINEIO_SID = 20,   /* letters of a client's id: 15 random bytes */
    ENGINEIO_LIMIT = 100 /* messages in a payload */
};

struct engineio {
    struct app *app;
    struct poll *polls; /* by their numbers */
};

/* A request, of which all is borrowed for the length of the call. */
struct engineio_call {
    struct app *app;
    const struct service *service;
    const struct request *request;
    struct client *client;
    char id[SESSION_ID_TEXT]; /* the session's name in Redis; "" where it asks for none */
};

/* --- wire.c --- */

/* Makes a client's id, with its NUL. */
void wire_sid(char out[ENGINEIO_SID + 1]);

/* The packet with which a session begins. */
void wire_open(const struct service *service, const char *sid, bool websocket, struct buf *out);

/* Appends a message as a packet of a payload (struct doing_carrier). */
void wire_message(const char *text, size_t len, bool bytes, struct buf *out);

/* Appends packets that are such already, behind those that are there. */
void wire_add(const char *packets, size_t len, struct buf *payload);

/* Appends where a session stands, as its protocol says it. */
void wire_place(const struct speech *speech, const struct hub_places *places, struct buf *payload);

/* Finishes a client: with a payload, with `ok`, with a refusal, which is counted. */
void wire_payload(struct client *client, const char *payload, size_t len);
void wire_ok(struct client *client);
void wire_refuse(struct app *app, struct client *client, enum engineio_refusal refusal);

/* The milliseconds that a session lives when its client asks for nothing. */
static inline unsigned wire_life(const struct service *service) {
    return (unsigned)service->ping_interval + (unsigned)service->ping_timeout;
}

/* What Redis could not do, as a problem. `view` may be NULL: it was not asked. */
void wire_away(const struct session_view *view, struct problem *problem);

/* --- open.c --- */

/* Opens a session for a client that polls, or fills `problem`. */
bool open_begin(const struct engineio_call *call, struct problem *problem);

/* --- upgrade.c --- */

/* Opens a WebSocket, for a new session or for the one that the request names, or fills `problem`.
 */
bool upgrade_begin(const struct engineio_call *call, struct problem *problem);

/* --- poll.c --- */

/* Holds a poll of the session. */
void poll_begin(const struct engineio_call *call);

/* What other processes say (struct hub_ears). */
void poll_word(void *engineio, enum session_word word, uint64_t number);
void poll_again(void *engineio);

#endif

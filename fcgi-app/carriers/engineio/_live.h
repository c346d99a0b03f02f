/*
 * A session on a WebSocket, in memory: shared by live.c, where it talks, and upgrade.c, where it is
 * made, by itself or from a session that polled.
 */
#ifndef HALLEY_ENGINEIO_LIVE_H
#define HALLEY_ENGINEIO_LIVE_H

#include "fcgi-app/carriers/engineio/_engineio.h"
#include "fcgi-app/carriers/talk.h"
#include "fcgi-app/door/ws/socket.h"

enum live_phase {
    LIVE_PROBING, /* the client is to ask whether the WebSocket works */
    LIVE_PROBED,  /* it has; and is to say that it has nothing more to poll */
    LIVE_TAKING,  /* it has said so; Redis is asked for the session */
    LIVE_TALKING  /* it has one */
};

struct live {
    struct client face;    /* what talk and hub take for the client */
    struct client *socket; /* NULL: it is gone */
    struct app *app;
    const struct service *service;
    struct speech speech; /* without a state: that is the talk's */
    enum live_phase phase;
    /* what its client says goes here */
    void (*take)(struct live *live, const char *text, size_t len, bool bytes);
    char *who;
    struct talk *talk;        /* once it is talking */
    struct ev_timer timer;    /* its next ping, or the end of the time for a pong; or upgrade.c's */
    bool asked;               /* a ping is out */
    char id[SESSION_ID_TEXT]; /* of the session that it is to take, in Redis */
    unsigned asking;          /* calls of Redis on their way, each of which keeps it */
    bool quiet;               /* no frames wait in Redis for a poll */
    unsigned ticks;           /* of upgrade.c's timer */
    struct texts early;       /* packets that came while Redis was asked */
};

/* Why a client's WebSocket is closed (RFC 6455 §7.4.1). */
enum { LIVE_NORMAL = 1000, LIVE_AWAY = 1001, LIVE_WRONG = 1002, LIVE_BROKEN = 1011 };

/* --- live.c --- */

/* What is said on it, and by whom, are held; `who` is its address. `take` of it is to be set. */
struct live *live_new(struct app *app, const struct speech *speech, const char *who);

/* Frees it once its socket is gone and nothing is asked. */
void live_free_if_done(struct live *live);

/*
 * It talks from now on: at these places, in this state, which is taken over; without places as its
 * protocol begins. Its socket is held by the caller.
 */
void live_talk(struct live *live, const struct hub_places *places, void *state);

/* Says packets of a payload, one message each. */
void live_say(struct live *live, const char *payload, size_t len);

/* A message of the client's, when it talks. */
void live_take(struct live *live, const char *text, size_t len, bool bytes);

/* The owner's side of every socket here. */
extern const struct socket_events live_events;

#endif

/*
 * A request that holds its session: shared by hold.c, which decides, and face.c, which has its
 * two sides to clients: the browser's, and the one that the hub sees.
 */
#ifndef HALLEY_SOCKJS_HOLD_H
#define HALLEY_SOCKJS_HOLD_H

#include "fcgi-app/carriers/sockjs/_sockjs.h"

enum hold_state {
    HOLD_ASKING,  /* Redis or the hub has been asked something, and calls back */
    HOLD_PAUSING, /* a stream that lets what it sent arrive alone */
    HOLD_WAITING  /* in the hub */
};

struct hold {
    struct hub_holder holder;            /* first: the hub's callbacks get this */
    struct client face;                  /* what the hub takes for the client */
    const struct client_events *watcher; /* the hub, while it waits there */
    void *watcher_ctx;
    struct sockjs *sockjs;
    const struct service *service;
    struct speech speech;
    enum sockjs_kind kind;
    enum hold_state state;
    uint64_t number; /* of the hold, among this process's */
    char id[SESSION_ID_TEXT];
    char *callback;
    char *who;                /* the client's address */
    struct client *client;    /* the browser's; NULL: it is gone */
    bool owns;                /* it holds the session */
    bool admitted;            /* it may make the session, where there is none */
    bool begun;               /* the head is out */
    bool opened;              /* a stream owes `o` */
    bool woken;               /* look at the session before anything else */
    bool closing;             /* what ends it is being written to Redis */
    bool full;                /* a stream that has reached its limit */
    uint64_t version;         /* of the session, as it was seen */
    struct hub_places places; /* where it stands, while it is not in the hub */
    struct texts frames;      /* of its own, to be sent; "": it stands here now */
    struct buf reason; /* the frame with which the session is closed, once `frames` are sent */
    struct buf out;    /* the frame that waits for Redis to have marked it */
    size_t sent;       /* bytes of a stream's frames */
    struct ev_timer pause, wake;
    /* what happened to the browser's side, or the hub's: it has left; a stream has its limit */
    void (*gone)(struct hold *hold);
    void (*filled)(struct hold *hold);
    UT_hash_handle hh;
};

/* --- face.c --- */

/* Gives the hold its two sides. */
void face_make(struct hold *hold);

/* Sends the head of a stream and what it begins with. False: nobody is there. */
bool face_begin(struct hold *hold);

/* Sends a frame of a stream; nothing for an empty one. False: nobody is there. */
bool face_say(struct hold *hold, const char *frame, size_t len);

/* Answers with a frame (a stream: behind what it had), and that is all. */
void face_finish(struct hold *hold, const char *frame, size_t len);

/* Answers with a problem; a stream that has begun just ends. */
void face_refuse(struct hold *hold, const struct problem *problem);

#endif

/*
 * Whoever waits for a session's messages, and holds it meanwhile: shared by hold.c, which waits,
 * and connect.c and stream.c, which answer.
 */
#ifndef HALLEY_BAYEUX_HOLD_H
#define HALLEY_BAYEUX_HOLD_H

#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "fcgi-app/carriers/bayeux/kept.h"

enum hold_state {
    HOLD_ASKING,  /* Redis or the hub has been asked something, and calls back */
    HOLD_IDLE,    /* its owner decides what is done next */
    HOLD_WAITING, /* in the hub */
    HOLD_RESTING  /* its client was answered and is about to ask again; with `keeps` */
};

enum hold_end {
    HOLD_LEFT,    /* the client has left */
    HOLD_GONE,    /* there is no such session, or none of this user's */
    HOLD_CLOSED,  /* its client has disconnected */
    HOLD_EXPIRED, /* its user's token has ended */
    HOLD_OVER,    /* another request has taken the session */
    HOLD_COPY,    /* and it was the same one, or may have been */
    HOLD_AWAY     /* hold->problem */
};

struct hold;

struct hold_kind {
    /* there is a view (again): hold_wait() or whatever else is to be done */
    void (*seen)(struct hold *hold, const struct session_view *view);
    /* what the hub has for it (borrowed), and hold->places are behind that. NULL: nothing, and
     * it waits no longer: a stream's time is over, or the process is shutting down */
    void (*taken)(struct hold *hold, struct batch *batch);
    /* a piece of a stream; false: nobody is there */
    bool (*piece)(struct hold *hold, const struct part *parts, size_t count);
    /* it is over, and holds nothing any more: answers, frees */
    void (*over)(struct hold *hold, enum hold_end end);
};

struct hold {
    struct hub_holder holder;            /* first: the hub's callbacks get this */
    struct client face;                  /* what the hub takes for the client */
    const struct client_events *watcher; /* the hub, while it waits there */
    void *watcher_ctx;
    const struct hold_kind *kind;
    struct bayeux *bayeux;
    const struct service *service;
    struct outlet *outlet;
    char *address;        /* the client's */
    struct hub_read read; /* how it waits; without channels */
    enum hold_state state;
    uint64_t number; /* of the hold, among this process's */
    char id[SESSION_ID_TEXT];
    bool owns;        /* it holds the session */
    bool woken;       /* look at the session before anything else */
    bool streams;     /* nothing is marked before its end: its places are written then */
    bool keeps;       /* its places are in memory: nothing is marked, Redis is told now and then */
    bool wants;       /* it is to be kept so, */
    bool numbered;    /* its answers' numbers say where its client stands, */
    bool back;        /* another request wants what is in memory */
    bool replaced;    /* another of the same socket is to have the session, */
    bool copied;      /* which is the same one */
    bool spoken;      /* a token says who its client is */
    bool tired;       /* it has rested since the last tick */
    unsigned tries;   /* to attach, while another process keeps it */
    double told;      /* when Redis was told last how long it lives */
    struct kept kept; /* with `keeps` */
    bool partly;      /* it has taken a part of an answer, from where the session stands */
    bool same;        /* who loses the session may have lost it to the same request once more */
    enum session_word word; /* by which it has lost the session */
    uint64_t version;       /* of the session, as it was seen */
    uint64_t batch;         /* number of its last answer */
    struct hub_places places;
    struct problem problem;
    struct session_attach attach;
    struct touching *touching; /* what Redis is told meanwhile, and has not answered; or NULL */
    struct ev_timer wake, retry, tick;
    UT_hash_handle hh;
};

/* Makes a zeroed hold ready; its kind, read, and outlet are set. */
void hold_make(struct hold *hold, struct app *app, const struct service *service,
               const char *client, size_t client_len);

/* Attaches, once Redis can be asked. `attach` is borrowed, what it points to must live on. With
 * `wants` the session is then kept in memory, if it can be (`keeps`). */
void hold_attach(struct hold *hold, const struct session_attach *attach);

/* Waits in the hub where it stands. */
void hold_wait(struct hold *hold);

/* Has Redis mark what is about to be sent, places included: `marked` is called if it is to be
 * sent now, with the answer's number. */
void hold_mark(struct hold *hold, const struct session_answer *answer,
               void (*marked)(struct hold *hold, uint64_t batch));

/* The same for a session that is kept: `marked` is called at once, mostly. `request` must live on.
 * And for an answer without anything, which is no answer to be confirmed. */
void hold_send(struct hold *hold, struct session_bytes request,
               void (*marked)(struct hold *hold, uint64_t batch));
void hold_send_nothing(struct hold *hold, void (*marked)(struct hold *hold, uint64_t batch));

/* The client was answered, and the session is kept for its next request, which hold_go_on() begins;
 * if it does not come soon the hold ends, its outlet being none. False: it cannot be, and the
 * session is given back. */
bool hold_rest(struct hold *hold) MUST_CHECK;
void hold_go_on(struct hold *hold, struct session_bytes request);

/* Whether a request that says this (kept_arrived()) can go on with a hold that rests. */
bool hold_can_go_on(const struct hold *hold, long ack);

/* Lets go of a session for another request that came the same way: now, or when what is under way
 * has ended. `copy`: it is the same one once more. */
void hold_give_back(struct hold *hold, bool copy);

/* Gives the session back, with the time that it lives on; `released` likewise, or NULL: nobody
 * minds how that ends. */
void hold_release(struct hold *hold, unsigned ttl, void (*released)(struct hold *hold));

/* Ends it as if something else had. */
void hold_end_away(struct hold *hold, const struct session_view *view);

/* What a hold has of its own; the owner frees the rest. */
void hold_unmake(struct hold *hold);

/* How long a session lives behind a connect. */
unsigned hold_ttl(const struct app *app);

#endif

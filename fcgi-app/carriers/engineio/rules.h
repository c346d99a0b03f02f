/*
 * What a poll of Engine.IO does next, whatever happens to it and in whichever order: the rules by
 * themselves, without Redis, hub, or clock. poll.c asks here after each thing that happens, and
 * does what it is told.
 *
 * A poll attaches to its session; what is there for the client at once (frames of its own, a ping
 * that fell due) is marked in Redis, and then sent; else the poll waits in the hub, until messages
 * come, a ping falls due, or another process says that something is there. A poll ends with one
 * payload, or with a refusal.
 */
#ifndef HALLEY_ENGINEIO_RULES_H
#define HALLEY_ENGINEIO_RULES_H

#include <stdbool.h>

#include "core/redis/session.h"

/*
 * Why sessions are closed, as Redis keeps it. Who is told with the next request is told by what
 * the reason says, one packet; ENGINEIO_HELD tells only who holds the session at that moment, with
 * a packet `close`, and everybody later that there is no such session.
 */
#define ENGINEIO_HELD  "-" /* two polls at a time, a packet that is none */
#define ENGINEIO_ENDED "1" /* by the server */
#define ENGINEIO_LEFT  "6" /* by the client, whose poll is to end */

enum poll_phase {
    POLL_ATTACHING, /* Redis has been asked, and calls back: as in the next three */
    POLL_LOOKING,
    POLL_MARKING,
    POLL_PEEKING,
    POLL_WAITING, /* in the hub */
    POLL_OVER
};

/* What is to be done; those behind POLL_WAIT end the poll. */
enum poll_act {
    POLL_NOTHING, /* more is to come */
    POLL_ATTACH,
    POLL_LOOK,
    POLL_MARK, /* frames, messages and a ping that is due, as one payload */
    POLL_PEEK, /* at a session that was lost: what has become of it */
    POLL_WAIT,
    POLL_SEND,    /* what was marked */
    POLL_NOOP,    /* a payload that says nothing, 6 */
    POLL_BYE,     /* a payload that closes, 1 */
    POLL_UNKNOWN, /* there is no such session */
    POLL_AWAY,    /* Redis is */
    POLL_VANISH   /* nobody is there to be answered */
};

struct poll_rules {
    enum poll_phase phase;
    bool owns;  /* it holds the session: to be released, or closed, where it ends without a mark */
    bool woken; /* look before anything else */
    bool left;  /* the browser has left */
    bool ping;  /* one is due */
};

/* Redis is there, the session can be asked for. */
enum poll_act poll_rules_begin(struct poll_rules *rules);

/* What Redis answered to what was asked last. */
enum poll_act poll_rules_told(struct poll_rules *rules, const struct session_view *view);

/* Another process said something of this hold, or may have. POLL_LOOK: out of the hub first. */
enum poll_act poll_rules_word(struct poll_rules *rules);

/* The next ping fell due (or the pong of the last one, unseen). Likewise. */
enum poll_act poll_rules_due(struct poll_rules *rules, bool pong);

/* The hub has given it up. */
enum poll_taken {
    POLL_TAKEN_EMPTY, /* for nothing: the process stops holding */
    POLL_TAKEN_MUTE,  /* for what the protocol has no words for */
    POLL_TAKEN_FULL   /* for messages */
};
enum poll_act poll_rules_taken(struct poll_rules *rules, enum poll_taken taken);

/* The browser has left. */
enum poll_act poll_rules_left(struct poll_rules *rules);

#endif

/*
 * The lease by which one of several workers leads: held in Redis, for a bounded
 * time, renewed while its holder lives, and given only to whom nobody has to go
 * before. This is what a worker says when it asks, and what it is answered;
 * move.c decides what follows. Values only; time comes as an argument.
 */
#ifndef HALLEY_LEASE_H
#define HALLEY_LEASE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/redis/redis.h"
#include "worker/call.h"
#include "worker/hearing.h"
#include "worker/queue.h"

enum { LEASE_OWNER_MAX = 320, LEASE_KEY_MAX = 64, LEASE_PEERS = 32, LEASE_SECRET = 33 };

/* What Redis answers, see halley_lease in core/redis/halley.lua. */
enum lease_word {
    LEASE_HELD,    /* by another, or not to be had now */
    LEASE_WAIT,    /* somebody has yet to say what he holds: ask again soon */
    LEASE_GRANTED, /* anew: what is sent begins behind what was asked for */
    LEASE_RENEWED,
    LEASE_DOUBT,     /* granted, once gaps were told to the readers of some channels */
    LEASE_DONE,      /* what the worker holds oldest was done: it has to say more */
    LEASE_FORGOTTEN, /* whether that was done cannot be known any more */
    LEASE_LEFT,      /* the worker is none of them any more */
    LEASE_WORDS
};

struct lease_answer {
    enum lease_word word;
    double left; /* seconds that whoever holds it has it */
    uint64_t total;
    bool aside;      /* some publishes are set aside */
    bool new_secret; /* it is another one than before */
    uint64_t generation;
    uint64_t settled; /* the barrier up to which nothing is open */
    struct name done; /* what is done of what the worker held oldest */
};

struct lease {
    const char *prefix; /* borrowed */
    char owner[LEASE_OWNER_MAX];
    char key[LEASE_KEY_MAX];
    char secret[LEASE_SECRET]; /* of all workers, as Redis said last; before that one of our own */
    double length;             /* seconds */
    bool held;
    uint64_t generation; /* as Redis said last */
    struct name from;    /* where it is held: what was heard without a break since that barrier */
    bool asking;         /* a question is out */
    bool again;          /* another has to follow it at once */
    double due;          /* when to ask next */
    double patience;     /* seconds until the next question after LEASE_WAIT */
    struct name asked;   /* `from` of the last question */
    struct name next_to; /* what was done right before what it would send first */
    unsigned peers;
    char peer[LEASE_PEERS][LEASE_OWNER_MAX];
};

/* A lease of `milliseconds` on the job `name` of an installation, for a worker with a name of its
 * own. */
void lease_init(struct lease *lease, const char *name, const char *prefix, int milliseconds);

/* Adds key and report to a call of halley_lease or halley_join. */
void lease_report(const struct lease *lease, struct call *call, const char *verb,
                  const struct hearing *hearing, const struct queue *queue);

/* The question with that report was put at `now`; it is out, or (not `sent`) could not be. */
void lease_asked(struct lease *lease, double now, bool sent, const struct hearing *hearing,
                 const struct queue *queue);

/* Reads an answer of halley_lease, and says when to ask next. ERR_REDIS: it is none. */
enum err lease_answered(struct lease *lease, const redis_reply *reply, double now,
                        struct lease_answer *answer) MUST_CHECK;

/* Reads what Redis says: a generation, and the secret behind it. Whether that is another one. */
bool lease_take_secret(struct lease *lease, const redis_reply *reply);

/* It is to be asked again at once, or (an answer is still due) right after that. */
void lease_hurry(struct lease *lease);

/* There is no more right to believe that it is held. */
void lease_let_go(struct lease *lease);

#endif

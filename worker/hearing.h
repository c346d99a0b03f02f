/*
 * What a worker hears has names; this is how it counts them. Values only.
 */
#ifndef HALLEY_HEARING_H
#define HALLEY_HEARING_H

#include <stdbool.h>
#include <stdint.h>

#include "worker/queue.h"

struct hearing {
    bool listening;
    bool nameless;        /* it was subscribed without a barrier: what it heard then has no name */
    bool cut;             /* it does not listen, because the subscription was lost */
    bool broken;          /* it was cut, and what that may have cost is not settled yet */
    uint64_t generation;  /* of the Redis process that it listens to, or did last */
    struct name from;     /* the barrier since which it hears, or heard, without a break */
    struct name at;       /* what it heard last */
    struct name before;   /* where it first stopped to hear what is not settled, in this process */
    struct name since;    /* and the barrier since which it had heard all up to there */
    uint64_t joins;       /* how often it tried to listen; one that is under way does not count */
    uint64_t barrier_max; /* the greatest barrier that it ever heard of */
};

/* It listens from that barrier on. */
void hearing_begin(struct hearing *hearing, struct name barrier, uint64_t generation, bool broken);

/* A barrier was heard: what follows is counted from there. False: it is none. */
bool hearing_barrier(struct hearing *hearing, struct name barrier);

/* The barrier of a worker that counts others was heard: it has all up to there, and no more.
 * False: it is none. */
bool hearing_foreign(struct hearing *hearing, struct name barrier);

/* The name of the next publish; it is heard. */
struct name hearing_next(const struct hearing *hearing);
void hearing_take(struct hearing *hearing);

/* It listens no more, by its own will or because the subscription was cut. */
void hearing_end(struct hearing *hearing, bool cut);

/* Redis says that this is its generation now: it has forgotten everything, if that is another one
 * while the worker goes on listening. */
void hearing_known(struct hearing *hearing, uint64_t generation);

/* Everything up to that barrier is done, or was told as a gap. */
void hearing_settled(struct hearing *hearing, uint64_t barrier);

#endif

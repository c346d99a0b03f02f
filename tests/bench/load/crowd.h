#ifndef HALLEY_BENCH_CROWD_H
#define HALLEY_BENCH_CROWD_H

#include "tests/bench/load/conn.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/proto.h"

/* One subscriber and its connection. */
struct member {
    struct subscriber subscriber;
    struct conn conn;
    struct crowd *crowd;
    bool counted; /* among the parked */
    bool idle;    /* was answered, and is not to ask again before crowd_ask_again() */
    bool broken;  /* failed, and is to begin again */
};

/* Subscribers of one channel. */
struct crowd {
    const struct options *options;
    struct member *members;
    size_t count;
    size_t parked;
    size_t broken;
    int64_t mend_us; /* when those that failed are looked at next */
    uint64_t answers;
    bool after_last; /* who got a message becomes idle */
    bool one_by_one; /* who got any answer does, and counts as parked */
    struct tally tally;
};

void crowd_begin(struct crowd *crowd, const struct options *options, const struct proto *proto,
                 const char *channel, size_t count);

/* Lets things happen until then. */
void crowd_turn(struct crowd *crowd, int64_t until_us);

/* The same without the turn: those that failed begin again, if it is time. */
void crowd_mend(struct crowd *crowd);

/* Opens all of them, a few hundred at a time. False: the time is over. */
bool crowd_open(struct crowd *crowd);

/* Those that were served ask for more. */
void crowd_ask_again(struct crowd *crowd);

/* Turns until all are parked, nothing was heard and the watched processes were idle for
 * --settle. False: the time is over. */
bool crowd_settle(struct crowd *crowd);

/* How often that took too long to wait for. */
uint64_t crowd_unsettled(void);

/* Nobody gets anything more: counts who lacks what. */
void crowd_end(struct crowd *crowd);

#endif

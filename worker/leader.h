/*
 * Leading: passes what is queued to Redis, in order, a bounded number at a time, and has
 * Redis try again what it set aside because it could not keep it in its channel.
 * Belongs to the sequencer.
 */
#ifndef HALLEY_LEADER_H
#define HALLEY_LEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/config/config.h"
#include "worker/lease.h"
#include "worker/porter.h"
#include "worker/queue.h"

enum { LEADER_WINDOW = 512, LEADER_NOTES = 1024 };

/* A channel that Redis was told to remember, and when. */
struct leader_note {
    uint64_t digest;
    double at;
};

struct leader {
    const struct config *config;
    const struct porter *porter;
    struct lease *lease;
    struct queue *queue;
    void (*moved)(void *ctx); /* something was done, or the lease was lost over it */
    void *ctx;
    unsigned chain;   /* counts the times that it began: what was sent before is of another */
    struct name last; /* what it sent last: Redis takes only what says that it follows this */
    unsigned in_flight;
    struct {
        bool some;   /* publishes are set aside in Redis, and tried again from time to time */
        bool trying; /* halley_aside is under way */
        double due, patience;
    } aside;
    uint64_t skipped, set_aside;
    struct log_limit complaint;
    struct leader_note notes[LEADER_NOTES];
};

/* The lease was granted: begins with the head of the queue, behind `next_to`. */
void leader_begin(struct leader *leader, struct name next_to);

/* Something is set aside: it is to be tried again. */
void leader_aside(struct leader *leader);

/* Sends what may be sent, and tries again what is set aside, if that is due; and when that will
 * be, or INFINITY. */
void leader_send(struct leader *leader);
double leader_due(const struct leader *leader);

/* The connection is lost, and whatever was under way with it. */
void leader_down(struct leader *leader);

#endif

/*
 * Leading: passes what is queued to Redis, in order, a bounded number at a time.
 * Belongs to the sequencer.
 */
#ifndef HALLEY_LEADER_H
#define HALLEY_LEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/log.h"
#include "core/config/config.h"
#include "worker/lease.h"
#include "worker/link.h"
#include "worker/queue.h"

enum { LEADER_WINDOW = 512, LEADER_NOTES = 1024 };

/* A channel that Redis was told to remember, and when. */
struct leader_note {
    uint64_t digest;
    double at;
};

struct leader {
    const struct config *config;
    const struct link *link;
    struct lease *lease;
    struct queue *queue;
    void (*moved)(void *ctx); /* something was done, or the lease was lost over it */
    void *ctx;
    unsigned chain;   /* counts the times that it began: what was sent before is of another */
    struct name last; /* what it sent last: Redis takes only what says that it follows this */
    unsigned in_flight;
    uint64_t skipped;
    struct log_limit complaint;
    struct leader_note notes[LEADER_NOTES];
};

/* The lease was granted: begins with the head of the queue, behind `next_to`. */
void leader_begin(struct leader *leader, struct name next_to);

/* Sends what may be sent. */
void leader_send(struct leader *leader);

#endif

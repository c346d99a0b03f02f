/*
 * Whether what this process has heard is all that Redis has acknowledged, so that a poll
 * needs no fence (core/redis/redis.h): told by Redis itself, without asking it for each
 * poll. Belongs to the loop's thread.
 */
#ifndef HALLEY_TRACKING_H
#define HALLEY_TRACKING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/follow/counts.h"

struct tracking;

/* Connects to nothing yet. `config` and `counts` are borrowed and outlive it. */
struct tracking *tracking_new(struct ev_loop *loop, const struct config *config,
                              struct follow_counts *counts);

/* Safe on NULL. */
void tracking_free(struct tracking *tracking);

/*
 * Reads what Redis has already said, without waiting. Before tracking_spares_fence() of the
 * requests that have come meanwhile; never from inside a callback of core/redis/redis.
 */
void tracking_look(struct tracking *tracking);

/*
 * Whether nothing was acknowledged before the last tracking_look() that is not heard yet.
 * False as well where that is not known: then a fence is to be asked for. Being asked
 * often is what makes it worth knowing.
 */
bool tracking_spares_fence(struct tracking *tracking);

/* A fence was asked of the subscribed connection; and has passed (redis_pulse()). */
void tracking_fence_asked(struct tracking *tracking, uint64_t number);
void tracking_fence_passed(struct tracking *tracking, uint64_t number);

/* A second has passed: whether it is still worth a connection. Called by its own timer. */
void tracking_judge(struct tracking *tracking);

#endif

/*
 * How much a visitor may: what every endpoint, door and dialect asks about the limits that are one
 * visitor's, an address (of IPv6 its /64) or a user. All processes of one configuration count
 * together, in memory that they share (counts/capacity.h), or a process for itself where that
 * cannot be had: who does not fit in is let in (`limits_crowded`). What Redis counts for all
 * processes (publish_rate, session_rate) is only told here where it refuses. Processes that admit
 * one visitor in the same microseconds may admit one more each. Time is the loop's, in Unix
 * seconds. Belongs to the loop's thread.
 */
#ifndef HALLEY_LIMITS_H
#define HALLEY_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "fcgi-app/counts/capacity.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/rights/identity.h"

struct limits;

/* All are borrowed. */
struct limits *limits_new(const struct config *config, struct stats *stats,
                          struct capacity *capacity);

/* When nothing is held any more. Safe on NULL. */
void limits_free(struct limits *limits);

/* In these `address` is borrowed, untrusted text; NULL: nobody's, who has no limit. False, with
 * `problem`, a 429: it is counted and logged. */

/* Counts a request that reads, against `read_rate`. */
bool limits_read(struct limits *limits, const char *address, double now,
                 struct problem *problem) MUST_CHECK;

/* Counts channels that the process does not know yet, against `channel_rate`. More of them together
 * than the burst may come when nothing of it is used, and are waited off afterwards. */
bool limits_channels(struct limits *limits, const char *address, size_t count, double now,
                     struct problem *problem) MUST_CHECK;

/* Whether channels are counted. */
bool limits_counts_channels(const struct limits *limits);

/* Whether one more request may be held, against `max_waiters_address` and `max_waiters_user`. */
bool limits_admit(struct limits *limits, const char *address, const struct identity *who,
                  double now, struct problem *problem) MUST_CHECK;

/* What one held request takes of them. */
struct stake {
    struct holding *address, *user; /* NULL: not counted */
};

/* Counts a request that is held, whether or not there is room; and no more. */
struct stake limits_hold(struct limits *limits, const char *address, const struct identity *who,
                         double now);

/* The same once more, for the same visitor; and less. */
struct stake limits_hold_again(struct limits *limits, struct stake stake);
void limits_let_go(struct limits *limits, struct stake stake);

/* Looks whether what is held is still seen by the others: in each turn of the loop. */
void limits_look(struct limits *limits);

/* Counts and logs that a limit has refused an address; NULL: nobody in particular. */
void limits_tell(struct limits *limits, enum refusal limit, const char *address, double now);

#endif

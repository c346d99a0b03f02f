/*
 * How much a visitor may: what every endpoint, door and dialect asks about the limits that are one
 * visitor's, an address (of IPv6 its /64) or a user. A process counts for itself, in tables that
 * have a maximum; what Redis counts for all processes (publish_rate, session_rate) is only told
 * here where it refuses. Time is the loop's, in seconds. Belongs to the loop's thread.
 */
#ifndef HALLEY_LIMITS_H
#define HALLEY_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/rights/identity.h"

struct limits;

/* Visitors whose rates are known, for each of the rates: of more, whoever came last before all
 * others is forgotten. */
enum { LIMITS_KNOWN = 16384 };

/* Both are borrowed, and outlive it. */
struct limits *limits_new(const struct config *config, struct stats *stats);

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
struct stake limits_hold(struct limits *limits, const char *address, const struct identity *who);
struct stake limits_hold_again(struct stake stake); /* once more, for the same visitor */
void limits_let_go(struct limits *limits, struct stake stake);

/* Counts and logs that a limit has refused an address; NULL: nobody in particular. */
void limits_tell(struct limits *limits, enum refusal limit, const char *address, double now);

#endif

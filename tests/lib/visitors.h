#ifndef HALLEY_TESTS_VISITORS_H
#define HALLEY_TESTS_VISITORS_H

#include "tests/lib/lab.h"

/*
 * Pages of a site that is offered more than it can hold: each waits for the messages of one
 * channel, as halley.js does: a wait, or a stream, goes on from its cursor; one that is told to
 * come back by polling does that, and then tries again. Beside them the rest of the site is asked
 * for (beside.h).
 */
enum visit { VISIT_WAITS, VISIT_STREAMS, VISIT_BOTH, VISITS };

struct visitors;

/* What happened, over all of them. Times are in milliseconds. */
struct visits {
    size_t errors;    /* answers of 500 and above, or none at all */
    char what[200];   /* the first of those */
    size_t retries;   /* answers that said to come back by polling */
    double slowest;   /* of requests that did not ask to wait, and to a stream's first byte */
    double overdue;   /* of waits: by how much the latest was later than it asked to wait */
    double alone[3];  /* p99 of a file, a poll and a publish, of visitors_alone() */
    double site[3];   /* and beside them */
    size_t asked;     /* of these */
    size_t published; /* messages */
    size_t missed;    /* of all visitors, of those messages */
    size_t doubled;
};

struct visitors *visitors_begin(struct lab *lab, enum visit what, size_t count,
                                const char *channel);

/* Before they come: asks for the site for so many seconds, with nobody else there. */
void visitors_alone(struct visitors *visitors, double seconds);

/* Lets them come for so many seconds, of whose times nothing is counted: a web server starts its
 * processes meanwhile. */
void visitors_warm(struct visitors *visitors, double seconds);

/*
 * Lets them visit for so many seconds while the site beside them is used; then publishes no more,
 * and waits until each has every message, at most `patience` seconds.
 */
struct visits visitors_run(struct visitors *visitors, double seconds, double patience);

/* Hangs up for all of them. */
void visitors_end(struct visitors *visitors);

#endif

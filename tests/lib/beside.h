#ifndef HALLEY_TESTS_BESIDE_H
#define HALLEY_TESTS_BESIDE_H

#include "tests/lib/lab.h"

/*
 * The rest of a site, asked by a process of its own, so that none of the work of whoever plays the
 * crowd is in its times: a file, a poll and a publish, at even intervals, each when the last of its
 * kind has been answered. One publish a second is the next number, to `channel`; the others are
 * for nobody.
 */
enum beside_kind { BESIDE_FILE, BESIDE_POLL, BESIDE_PUBLISH, BESIDE_KINDS };

struct beside;

/* Starts it; it asks nothing yet. It ends with this process. */
struct beside *beside_begin(struct lab *lab, const char *channel);

/* From now on it asks; or asks no more, and returns when the last answer is there. */
void beside_ask(struct beside *beside, bool on);

/* Forgets the times so far; while it asks nothing. */
void beside_forget(struct beside *beside);

/* The numbers that were published: from 1 to this. */
unsigned beside_published(const struct beside *beside);

size_t beside_count(const struct beside *beside);                     /* answers in time */
double beside_p99(struct beside *beside, enum beside_kind kind);      /* milliseconds */
double beside_slowest(const struct beside *beside);                   /* likewise, of all kinds */
size_t beside_errors(const struct beside *beside, const char **what); /* and the first of them */

/* Ends it. */
void beside_end(struct beside *beside);

#endif

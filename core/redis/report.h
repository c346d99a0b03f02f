/*
 * What each process says of itself, where every other one can read it: a hash in
 * Redis, one field a process, renewed while the process lives. The status page
 * of any process thus shows them all. Belongs to the loop's thread.
 */
#ifndef HALLEY_REPORT_H
#define HALLEY_REPORT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/redis/redis.h"

#define REPORT_PERIOD 5.0  /* seconds between two reports of a process */
#define REPORT_STALE  16.0 /* seconds after which a process counts as gone */

struct report;

/*
 * Reports every REPORT_PERIOD seconds what `write` appends: the members of a
 * JSON object, without its braces. `redis` is borrowed and outlives the report.
 */
struct report *report_new(struct ev_loop *loop, struct redis *redis, const char *role,
                          void (*write)(void *ctx, struct buf *out), void *ctx);

/* Takes the process out of the list, if Redis is up, and frees. Safe on NULL. */
void report_free(struct report *report);

/* In a copy of the process, by fork(2): from now on it reports as itself. */
void report_as_copy(struct report *report);

/* This process's name, `host:pid`. */
const char *report_id(const struct report *report);

/*
 * Reads all reports that are not stale: `done` is called once, later, with the
 * JSON objects separated by commas, or NULL if Redis went away. ERR_REDIS: it
 * is not called.
 */
enum err report_all(struct report *report, void (*done)(void *ctx, const struct buf *list),
                    void *ctx) MUST_CHECK;

#endif

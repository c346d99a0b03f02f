/* The result: one line of JSON on standard output.
 *
 *   {"mode":"fanout","proto":"halley-wait","waiters":5000,"size":100,"again":"after-last",
 *    "complete":true,                     false: --timeout ended it
 *    "to_last_ms":{"count":20,"min":..,"median":..,"p95":..,"p99":..,"max":..,"each":[..]},
 *    "published":20,"deliveries":100000,"seconds":1.9,"per_second":52631.5,
 *    "lost":0,"doubled":0,"reordered":0,"stray":0,
 *    "errors":0,"first_error":null,"reopened":0,"unsettled":0,
 *    "cpu":{"load":{"seconds":0.9,"us_each":9.0},"LABEL":{"seconds":..,"us_each":..}}}
 *
 * fixed, latency and redis-raw have "latency_ms" of the same shape (without "each") in
 * place of "to_last_ms"; rate has neither; poll has "requests" in place of "published"
 * and "deliveries"; fairness has "alone_ms" and "during_ms" (the quiet channel) besides
 * "to_last_ms" (the broadcasts). `us_each` is CPU time a delivery (poll: a request);
 * seconds are those that were measured; "stray" are messages of another run;
 * "unsettled" counts how often the servers did not become idle in time (--settle).
 */
#ifndef HALLEY_BENCH_REPORT_H
#define HALLEY_BENCH_REPORT_H

#include "tests/bench/load/meter.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/stats.h"
#include "tests/bench/load/track.h"

#include <stdbool.h>

void report_begin(const struct options *options, size_t waiters, bool complete);

/* `each` may be NULL. */
void report_times(const char *name, struct summary summary, const struct sample *each);

/* What came while the meter ran; `published` and the others are of the whole run. */
void report_deliveries(const struct tally *tally, uint64_t delivered, const struct meter *meter);
void report_requests(uint64_t requests, const struct meter *meter);

void report_end(const struct options *options, const struct meter *meter, uint64_t units);

#endif

#ifndef HALLEY_BENCH_METER_H
#define HALLEY_BENCH_METER_H

#include "tests/bench/load/options.h"

#include <stdint.h>

/* Time and processor time between two moments. */
struct meter {
    int64_t wall_us;
    int64_t own_ns;
    int64_t watched_ns[WATCHED_MAX];
};

void meter_start(struct meter *meter, const struct options *options);

/* From now on it holds what has passed since meter_start(). */
void meter_stop(struct meter *meter, const struct options *options);

/* Processor time of all watched processes so far. */
int64_t meter_watched_ns(const struct options *options);

#endif

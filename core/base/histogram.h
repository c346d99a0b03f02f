/*
 * How long things took: for each bound how often it was not longer, as Prometheus counts it
 * (exposition format 0.0.4, histograms). Pure; a histogram of zeros is empty.
 */
#ifndef HALLEY_HISTOGRAM_H
#define HALLEY_HISTOGRAM_H

#include <stdint.h>

#include "core/base/buf.h"

/* In microseconds: from what a Redis nearby takes to what a person calls broken. */
#define HISTOGRAM_BOUNDS                                                                           \
    {                                                                                              \
        100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000,     \
            2500000, 5000000, 10000000                                                             \
    }
enum { HISTOGRAM_BUCKETS = 17 }; /* one for each bound, and one for what took longer than all */

/* Numbers only: histograms add up member by member. */
struct histogram {
    uint64_t counts[HISTOGRAM_BUCKETS]; /* each by itself: one that was counted stands in one */
    uint64_t sum;                       /* microseconds */
};

/* Counts one that took so many seconds; less than none is none. */
void histogram_add(struct histogram *histogram, double seconds);

/* Appends a metric with its help and its series `<name>_bucket`, `_sum` and `_count`, in seconds.
 */
void histogram_put(const struct histogram *histogram, const char *name, const char *help,
                   struct buf *out);

#endif

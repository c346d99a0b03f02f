#ifndef HALLEY_BENCH_STATS_H
#define HALLEY_BENCH_STATS_H

#include <stddef.h>
#include <stdint.h>

/* Times in microseconds, each kept: for some thousands. */
struct sample {
    int64_t *us;
    size_t count, room;
};

void sample_add(struct sample *sample, int64_t us);

/* Times in microseconds, counted in buckets of at most a 64th: for millions. */
enum { BUCKETS_EACH = 64, OCTAVES = 40 };
struct histogram {
    uint64_t count;
    int64_t min, max;
    uint64_t buckets[OCTAVES][BUCKETS_EACH];
};

void histogram_add(struct histogram *histogram, int64_t us);

struct summary {
    uint64_t count;
    double min, median, p95, p99, max; /* milliseconds */
};

struct summary sample_summary(const struct sample *sample);
struct summary histogram_summary(const struct histogram *histogram);

#endif

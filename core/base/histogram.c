#include "core/base/histogram.h"

#include <stddef.h>

static const uint64_t bounds[] = HISTOGRAM_BOUNDS;

enum { BOUNDS = sizeof bounds / sizeof *bounds };
_Static_assert(BOUNDS + 1 == HISTOGRAM_BUCKETS, "a bucket for each bound, and one behind");

void histogram_add(struct histogram *histogram, double seconds) {
    uint64_t took = seconds > 0 ? (uint64_t)(seconds * 1e6) : 0;
    size_t bucket = 0;

    while (bucket < BOUNDS && took > bounds[bucket])
        bucket++;
    histogram->counts[bucket]++;
    histogram->sum += took;
}

static void put_seconds(struct buf *out, uint64_t microseconds) {
    buf_printf(out, "%llu.%06llu", (unsigned long long)(microseconds / 1000000),
               (unsigned long long)(microseconds % 1000000));
}

void histogram_put(const struct histogram *histogram, const char *name, const char *help,
                   struct buf *out) {
    uint64_t count = 0;

    buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
    for (size_t i = 0; i < BOUNDS; i++) {
        count += histogram->counts[i];
        buf_printf(out, "%s_bucket{le=\"%g\"} %llu\n", name, (double)bounds[i] / 1e6,
                   (unsigned long long)count);
    }
    count += histogram->counts[BOUNDS];
    buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum ", name, (unsigned long long)count, name);
    put_seconds(out, histogram->sum);
    buf_printf(out, "\n%s_count %llu\n", name, (unsigned long long)count);
}

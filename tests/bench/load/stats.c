/* Medians and percentiles, by nearest rank: of times that are all kept, or of a
 * histogram whose buckets are a 64th of their value wide.
 */
#include "tests/bench/load/stats.h"

#include "tests/lib/keep.h"

#include <stdlib.h>
#include <string.h>

void sample_add(struct sample *sample, int64_t us) {
    if (sample->count == sample->room) {
        sample->room = sample->room ? 2 * sample->room : 256;
        sample->us = realloc(sample->us, sample->room * sizeof *sample->us);
        must(sample->us, "out of memory");
    }
    sample->us[sample->count++] = us;
}

static int by_value(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static size_t rank(uint64_t count, double share) {
    size_t at = (size_t)((double)count * share);

    return at < count ? at : count - 1;
}

static double ms(int64_t us) {
    return (double)us / 1000;
}

struct summary sample_summary(const struct sample *sample) {
    struct summary summary = {.count = sample->count};
    int64_t *sorted;

    if (!sample->count)
        return summary;
    sorted = malloc(sample->count * sizeof *sorted);
    must(sorted, "out of memory");
    memcpy(sorted, sample->us, sample->count * sizeof *sorted);
    qsort(sorted, sample->count, sizeof *sorted, by_value);
    summary.min = ms(sorted[0]);
    summary.median = ms(sorted[rank(sample->count, 0.5)]);
    summary.p95 = ms(sorted[rank(sample->count, 0.95)]);
    summary.p99 = ms(sorted[rank(sample->count, 0.99)]);
    summary.max = ms(sorted[sample->count - 1]);
    free(sorted);
    return summary;
}

void histogram_add(struct histogram *histogram, int64_t us) {
    uint64_t value = us > 0 ? (uint64_t)us : 0;
    int octave = value < BUCKETS_EACH ? 0 : 58 - __builtin_clzll(value);

    if (!histogram->count || us < histogram->min)
        histogram->min = us;
    if (!histogram->count || us > histogram->max)
        histogram->max = us;
    histogram->count++;
    /* octave 0 holds 0..63 one by one, octave n holds 2^(n+5)..2^(n+6) in 32 buckets */
    octave = octave < OCTAVES ? octave : OCTAVES - 1;
    histogram->buckets[octave][(value >> octave) % BUCKETS_EACH]++;
}

static int64_t at_rank(const struct histogram *histogram, size_t wanted) {
    uint64_t seen = 0;

    for (int octave = 0; octave < OCTAVES; octave++) {
        for (int i = 0; i < BUCKETS_EACH; i++) {
            seen += histogram->buckets[octave][i];
            if (seen > wanted)
                return (int64_t)i << octave;
        }
    }
    return histogram->max;
}

struct summary histogram_summary(const struct histogram *histogram) {
    struct summary summary = {.count = histogram->count};

    if (!histogram->count)
        return summary;
    summary.min = ms(histogram->min);
    summary.median = ms(at_rank(histogram, rank(histogram->count, 0.5)));
    summary.p95 = ms(at_rank(histogram, rank(histogram->count, 0.95)));
    summary.p99 = ms(at_rank(histogram, rank(histogram->count, 0.99)));
    summary.max = ms(histogram->max);
    return summary;
}

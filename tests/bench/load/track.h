#ifndef HALLEY_BENCH_TRACK_H
#define HALLEY_BENCH_TRACK_H

#include "tests/bench/load/stats.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one subscriber has: all before `next` but for those that `seen` lacks. */
struct track {
    uint64_t next; /* the number that it is owed next */
    uint64_t seen; /* bit i: it has next - 1 - i */
};

/* What all subscribers together have. Numbers are of messages: the first of this run is
 * base + 1. */
struct tally {
    uint64_t base;
    uint64_t published; /* so many since base */
    uint64_t delivered, lost, doubled, reordered, stray;

    uint64_t awaited; /* a number, and how many have it, and since when the last of them */
    size_t have;
    int64_t last_us;

    struct histogram *latency; /* of each delivery; NULL: not asked for */
    const int64_t *sent_us;    /* by number, from base + 1, up to `published` */
};

/* A subscriber that is owed everything from now on. */
void track_begin(struct track *track, const struct tally *tally);

/* It has got message `number`. */
void track_add(struct track *track, struct tally *tally, uint64_t number);

/* It gets nothing more: what it was owed is lost. */
void track_end(struct track *track, struct tally *tally);

/* From now on it is counted who has message `number`. */
void tally_await(struct tally *tally, uint64_t number);

/* Writes payload `number` of `size` bytes: JSON, plain and in quotes, with the number
 * where track_scan() finds it. `out` has room for an end byte. */
void track_payload(char *out, size_t size, uint64_t number);

/* Counts the messages in a text, however they are wrapped; returns how many there are. */
size_t track_scan(struct track *track, struct tally *tally, const char *text, size_t length);

#endif

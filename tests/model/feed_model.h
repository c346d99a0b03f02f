/*
 * A feed, tried against a model: bytes decide what Redis, publishers, forgers, connections,
 * the clock and subscribers do, in which order. Whatever they decide, subscribers are shown
 * each message of history once and in order, or are told of a gap; the feed asks Redis
 * neither without need nor without a pause; and in the end it knows what Redis knows.
 */
#ifndef HALLEY_TESTS_FEED_MODEL_H
#define HALLEY_TESTS_FEED_MODEL_H

#include <stddef.h>
#include <stdint.h>

/* Runs one story. `what` (a seed, say) is printed before abort() where it ends badly. */
void feed_model_run(const uint8_t *bytes, size_t len, const char *what);

/* What all stories together had in them: of a model that tries nothing nothing is learnt. */
struct feed_model_seen {
    unsigned published, forged, fooled, lost, holes, reads, refused, reconnects, gaps, misled,
        phantoms, polls, flushed, forgotten;
};
extern struct feed_model_seen feed_model_seen;

#endif

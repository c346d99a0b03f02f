#ifndef HALLEY_BENCH_PUBLISHER_H
#define HALLEY_BENCH_PUBLISHER_H

#include "tests/bench/load/options.h"
#include "tests/bench/load/track.h"

/* Who publishes to a channel, as the command line says; behind conn_target(). */
struct publisher;

struct publisher *publisher_begin(const struct options *options, const char *channel);

/* Publishes the next message of this tally and does not wait for the answer. What it
 * goes through keeps the order. */
void publisher_send(struct publisher *publisher, struct tally *tally);

#endif

#ifndef HALLEY_BENCH_MODES_H
#define HALLEY_BENCH_MODES_H

#include "tests/bench/load/options.h"
#include "tests/bench/load/proto.h"

/* Each runs one mode and prints its result. False: --timeout ended it. */
bool mode_fanout(const struct options *options, const struct proto *proto);
bool mode_rate(const struct options *options, const struct proto *proto);
bool mode_fixed(const struct options *options, const struct proto *proto);
bool mode_latency(const struct options *options, const struct proto *proto);
bool mode_poll(const struct options *options, const struct proto *proto);
bool mode_hold(const struct options *options, const struct proto *proto);
bool mode_audience(const struct options *options, const struct proto *proto);
bool mode_fairness(const struct options *options, const struct proto *proto);
bool mode_redis_raw(const struct options *options);

/* Prints what it has checked. False: something is wrong with the load generator. */
bool mode_selftest(void);

#endif

/* The load generator of `make bench`: one thread, one epoll loop, thousands of
 * subscribers of whatever protocol, one publisher, and clocks. `load --help` says what it
 * measures, report.h what it prints. How a measurement is put together from servers and
 * runs of this program is tests/bench/run's to know.
 *
 * In reading order: options, loop, http and conn (what comes over the wire), proto.h (the
 * seam), proto_*.c, track (who has which message), crowd, publisher, modes, report.
 */
#include "tests/bench/load/conn.h"
#include "tests/bench/load/loop.h"
#include "tests/bench/load/modes.h"
#include "tests/bench/load/options.h"
#include "tests/bench/load/proto.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sysexits.h>

static bool run(const struct options *options, const struct proto *proto) {
    switch (options->mode) {
    case MODE_FANOUT:
        return mode_fanout(options, proto);
    case MODE_RATE:
        return mode_rate(options, proto);
    case MODE_FIXED:
        return mode_fixed(options, proto);
    case MODE_LATENCY:
        return mode_latency(options, proto);
    case MODE_POLL:
        return mode_poll(options, proto);
    case MODE_HOLD:
        return mode_hold(options, proto);
    case MODE_AUDIENCE:
        return mode_audience(options, proto);
    case MODE_FAIRNESS:
        return mode_fairness(options, proto);
    case MODE_REDIS_RAW:
        return mode_redis_raw(options);
    case MODE_SELFTEST:
        return mode_selftest();
    }
    return false;
}

/* Whether its subscribers do what this mode measures: poll, or wait. */
static bool fits(const struct options *options, const struct proto *proto) {
    return !options->proto || options->mode == MODE_LATENCY ||
           proto->polls == (options->mode == MODE_POLL);
}

static void allow_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv) {
    struct options options;
    const struct proto *proto;

    options_read(&options, argc, argv);
    proto = proto_find(options.proto ? options.proto : "url");
    if (!proto || !fits(&options, proto)) {
        fprintf(stderr, "load: no protocol %s for %s (load --help)\n", options.proto,
                options.mode_name);
        return EX_USAGE;
    }
    allow_descriptors();
    conn_target(&options);
    loop_begin(options.timeout);
    return run(&options, proto) ? 0 : 1;
}

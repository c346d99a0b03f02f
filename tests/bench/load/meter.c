/* Processor time, to the nanosecond: the kernel has a clock for every process
 * (clock_getcpuclockid(3)), whichever of its threads ran. /proc/PID/stat counts in
 * hundredths of a second, and /proc/PID/schedstat one thread alone.
 *
 * A process that has ended counts for what it had when it was last looked at: nothing.
 * Servers that come and go have to be named again by whoever starts this program.
 */
#include "tests/bench/load/meter.h"

#include "tests/lib/keep.h"

#include <time.h>

static int64_t read_ns(clockid_t clock) {
    struct timespec time;

    return clock_gettime(clock, &time) == 0 ? (int64_t)time.tv_sec * 1000000000 + time.tv_nsec : 0;
}

static int64_t group_ns(const struct watched *watched) {
    int64_t sum = 0;

    for (size_t i = 0; i < watched->count; i++) {
        clockid_t clock;

        if (clock_getcpuclockid(watched->pids[i], &clock) == 0)
            sum += read_ns(clock);
    }
    return sum;
}

int64_t meter_watched_ns(const struct options *options) {
    int64_t sum = 0;

    for (size_t i = 0; i < options->watched_count; i++)
        sum += group_ns(&options->watched[i]);
    return sum;
}

void meter_start(struct meter *meter, const struct options *options) {
    for (size_t i = 0; i < options->watched_count; i++)
        meter->watched_ns[i] = group_ns(&options->watched[i]);
    meter->own_ns = read_ns(CLOCK_PROCESS_CPUTIME_ID);
    meter->wall_us = now_us();
}

void meter_stop(struct meter *meter, const struct options *options) {
    meter->wall_us = now_us() - meter->wall_us;
    meter->own_ns = read_ns(CLOCK_PROCESS_CPUTIME_ID) - meter->own_ns;
    for (size_t i = 0; i < options->watched_count; i++)
        meter->watched_ns[i] = group_ns(&options->watched[i]) - meter->watched_ns[i];
}

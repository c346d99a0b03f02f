/* What a parked wait costs: memory of halley.fcgi with 5,000 of them, held
 * through lighttpd, less what the process had before, per wait.
 *
 * Twice: all on one channel, and each on a channel of its own, which also
 * costs a channel and its subscription. PSS and RSS as the kernel counts them
 * (/proc/PID/smaps_rollup); the web server's own share is not in it.
 */
#include "tests/lib/batch.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CROWD = 5000, DESCRIPTORS = 20000, TOO_MUCH = 16384 };

static struct lab lab;

struct memory {
    long rss, pss; /* KiB */
};

static struct memory memory_of(pid_t pid) {
    struct memory memory = {0, 0};
    char line[256];
    FILE *file = fopen(keepf("/proc/%d/smaps_rollup", (int)pid), "r");

    must(file, "cannot read the memory of process %d", (int)pid);
    while (fgets(line, sizeof line, file)) {
        sscanf(line, "Rss: %ld kB", &memory.rss);
        sscanf(line, "Pss: %ld kB", &memory.pss);
    }
    fclose(file);
    return memory;
}

static size_t waiters(void) {
    return (size_t)json_integer_value(
        json_object_get(http_get(&lab, "/comet/status")->json, "waiters"));
}

static const char *wait_request(const char *channel) {
    return keepf("GET /comet/wait?channel=%s&timeout=55 HTTP/1.1\r\n"
                 "Host: localhost\r\nConnection: close\r\n\r\n",
                 channel);
}

static void start(void) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "parked", "lighttpd-socket");
    /* what the first requests allocate once is not the price of a wait */
    for (int i = 0; i < 50; i++)
        http_get(&lab, "/comet/poll?channel=warm");
}

static long report(const char *what, struct memory before, struct memory after) {
    long rss = (after.rss - before.rss) * 1024 / CROWD;
    long pss = (after.pss - before.pss) * 1024 / CROWD;

    printf("%-28s %5ld bytes PSS, %5ld bytes RSS a wait   (%ld -> %ld KiB PSS)\n", what, pss, rss,
           before.pss, after.pss);
    must(pss < TOO_MUCH, "%s: %ld bytes a wait is too much", what, pss);
    return pss;
}

static void one_channel(void) {
    struct memory before, after;
    struct swarm *swarm;

    start();
    before = memory_of(lab.app[0].pid);
    swarm = swarm_begin(lab.port, CROWD, wait_request("crowd"));
    until(waiters() >= CROWD, "%zu of %d are parked", waiters(), CROWD);
    after = memory_of(lab.app[0].pid);
    report("5000 waits, one channel:", before, after);
    int64_t begun = now_us();
    store_add(&lab, "crowd", "1");
    until(swarm_pump(swarm, 50) == CROWD, "%zu are answered", swarm_pump(swarm, 0));
    printf("%-28s %.0f ms until the last has its answer\n",
           "one publish to all of them:", (double)(now_us() - begun) / 1000);
    swarm_end(swarm);
    lab_close(&lab);
}

static void own_channels(void) {
    struct swarm **swarms = keep(calloc(CROWD, sizeof *swarms));
    struct memory before, after;

    start();
    before = memory_of(lab.app[0].pid);
    for (int i = 0; i < CROWD; i++)
        swarms[i] = swarm_begin(lab.port, 1, wait_request(keepf("user-%d", i)));
    until(waiters() >= CROWD, "%zu of %d are parked", waiters(), CROWD);
    after = memory_of(lab.app[0].pid);
    report("5000 waits, 5000 channels:", before, after);
    for (int i = 0; i < CROWD; i++)
        swarm_end(swarms[i]);
    lab_close(&lab);
}

int main(void) {
    swarm_allow(DESCRIPTORS);
    one_channel();
    own_channels();
    lab_remove_all();
    return 0;
}

/* From a publish to the answer of a long-poller that waits for it, through
 * lighttpd, on this machine: the median of some hundred rounds.
 *
 * Twice: FCALL halley_publish, and a bare PUBLISH, which goes through the
 * worker. A round begins when the application says that it holds the wait, and
 * ends when the client has the last byte.
 */
#include "tests/lib/batch.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 300 };

static struct lab lab;

static size_t waiters(void) {
    return (size_t)json_integer_value(
        json_object_get(http_get(&lab, "/comet/status")->json, "waiters"));
}

static int by_value(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static int64_t one_round(const char *command, const char **cursor) {
    struct request request = {.path =
                                  keepf("/comet/wait?channel=latency&since=%s&timeout=50", *cursor),
                              .kept_open = true};
    struct flight *flight = http_begin(&lab, &request);
    int64_t begun;

    until((http_pump(1), waiters() == 1), "the wait is not held");
    begun = now_us();
    store_do(&lab, command);
    while (!http_landed(flight))
        http_pump(1000);
    begun = now_us() - begun;
    *cursor = batch_cursor(must_be_batch(http_land(flight)));
    return begun;
}

static double milliseconds(int64_t us) {
    return (double)us / 1000;
}

static void measure(const char *what, const char *command) {
    const char *cursor = cursor_now(&lab, "latency");
    int64_t times[ROUNDS];

    for (int i = 0; i < ROUNDS; i++)
        times[i] = one_round(command, &cursor);
    qsort(times, ROUNDS, sizeof *times, by_value);
    size_t middle = ROUNDS / 2, late = ROUNDS * 95 / 100;
    printf("%-24s median %.2f ms, 95 %% below %.2f ms, worst %.2f ms\n", what,
           milliseconds(times[middle]), milliseconds(times[late]), milliseconds(times[ROUNDS - 1]));
}

int main(void) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "latency", "lighttpd");
    measure("FCALL halley_publish:", "FCALL halley_publish 1 latency {\"n\":1}");
    measure("PUBLISH (by the worker):", "PUBLISH halley:latency {\"n\":1}");
    lab_close(&lab);
    lab_remove_all();
    return 0;
}

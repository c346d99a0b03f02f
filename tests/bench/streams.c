/* What each transport costs in time, through lighttpd and Apache: until the first byte
 * of a stream, and from a publish to its delivery; medians, and ratios to the long poll
 * of the same run, which may be compared between machines.
 *
 * Then what a hundred readers who never read cost the others: the same messages to the
 * same nine hundred with and without them, as a ratio.
 */
#include "tests/lib/batch.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/swarm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { ROUNDS = 200, OPENINGS = 12, READERS = 900, STALLED = 100, MESSAGES = 200, PAYLOAD = 4096 };

static struct lab lab;

static int by_value(const void *a, const void *b) {
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static double median_ms(int64_t *times, size_t count) {
    size_t middle = count / 2;

    qsort(times, count, sizeof *times, by_value);
    return (double)times[middle] / 1000;
}

static struct stream *opened(enum transport transport, const char *query) {
    struct stream *stream = stream_open(&lab, BY_WEB, transport, query, NULL);

    must(stream, "nobody listens");
    return stream;
}

/* Until the first piece is there. */
static double opening(enum transport transport) {
    int64_t times[OPENINGS];

    for (int i = 0; i < OPENINGS; i++) {
        int64_t begun = now_us();
        struct stream *stream = opened(transport, "channel=opening");

        stream_reach_start(stream);
        times[i] = now_us() - begun;
        stream_close(stream);
        store_add(&lab, "opening", "0"); /* Apache's process notices by a write that we left */
        store_add(&lab, "opening", "0");
        pause_ms(20);
    }
    return median_ms(times, OPENINGS);
}

static const char *publish_and_reach(struct stream *stream, const char *channel, int64_t *us) {
    int64_t begun = now_us();

    store_do(&lab, "FCALL halley_publish 1 %s {\"n\":1}", channel);
    stream_reach_message(stream);
    *us = now_us() - begun;
    return piece_cursor(&stream->piece);
}

static double delivery(enum transport transport) {
    const char *channel = keep_fresh("latency");
    struct stream *stream = opened(transport, keepf("channel=%s", channel));
    int64_t times[ROUNDS];

    stream_reach_start(stream);
    for (int i = 0; i < ROUNDS; i++)
        publish_and_reach(stream, channel, &times[i]);
    stream_close(stream);
    return median_ms(times, ROUNDS);
}

/* A wait a message, asked for before its clock starts. */
static double polled(void) {
    const char *channel = keep_fresh("latency"), *cursor = cursor_now(&lab, channel);
    int64_t times[ROUNDS];

    for (int i = 0; i < ROUNDS; i++) {
        struct stream *stream = opened(WAIT, keepf("channel=%s&since=%s", channel, cursor));

        pause_ms(10); /* until it is held */
        cursor = publish_and_reach(stream, channel, &times[i]);
        stream_close(stream);
    }
    return median_ms(times, ROUNDS);
}

static void compare(const char *server) {
    double base;

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "streams");
    lab_websockets(&lab);
    lab_all(&lab, "streams", server);
    base = polled();
    printf("%-9s %-15s                      delivery %6.2f ms\n", server, "wait", base);
    for (int i = 0; i < STREAMS; i++) {
        double first = opening((enum transport)i), message = delivery((enum transport)i);

        printf("%-9s %-15s first piece %6.2f ms, delivery %6.2f ms = %.2f of wait\n", server,
               transports[i].name, first, message, message / base);
    }
    lab_close(&lab);
}

/* --- readers who do not read --------------------------------------------------------- */

static struct stream *streams[READERS + STALLED];

static size_t take(struct stream *stream) {
    size_t count = 0;

    held_take(stream->held);
    while (stream_next(stream))
        count += piece_count(&stream->piece);
    return count;
}

static size_t waiters(void) {
    return (size_t)json_integer_value(
        json_object_get(http_get(&lab, "/comet/status")->json, "waiters"));
}

/* Seconds until all of the nine hundred have everything. */
static double crowd(int stalled) {
    char payload[PAYLOAD + 1];
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    int64_t begun;
    size_t had = 0;

    memset(payload, 'x', PAYLOAD);
    payload[PAYLOAD] = '\0';
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "crowd", "lighttpd-socket");
    for (int i = 0; i < READERS + stalled; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};

        event.data.ptr = streams[i] = stream_open(&lab, DIRECTLY, EVENTS, "channel=crowd", NULL);
        if (i < READERS)
            epoll_ctl(epoll, EPOLL_CTL_ADD, streams[i]->held->fd, &event);
    }
    until(waiters() == (size_t)(READERS + stalled), "%zu are held", waiters());
    begun = now_us();
    for (int i = 1; i <= MESSAGES; i++) {
        store_add(&lab, "crowd", payload);
        while (had < (size_t)i * READERS) {
            struct epoll_event events[256];
            int count = epoll_wait(epoll, events, 256, PATIENCE_MS);

            must(count > 0, "%zu of %d pieces of message %d", had, i * READERS, i);

            for (int k = 0; k < count; k++)
                had += take(events[k].data.ptr);
        }
    }
    begun = now_us() - begun;
    for (int i = 0; i < READERS + stalled; i++)
        stream_close(streams[i]);
    lab_close(&lab);
    return (double)begun / 1000000;
}

int main(void) {
    double without, with;

    swarm_allow(8000);
    compare("lighttpd");
    compare("apache");
    without = crowd(0);
    with = crowd(STALLED);
    printf("%d messages of %d bytes to %d readers: %.2f s; with %d more who never read: %.2f s"
           " = %.2f of it\n",
           MESSAGES, PAYLOAD, READERS, without, STALLED, with, with / without);
    lab_remove_all();
    return 0;
}

/* The modes that measure one crowd: what happens in which order, and between which two
 * moments the clocks run. Opening, warming up and settling is never measured.
 */
#include "tests/bench/load/modes.h"

#include "tests/bench/load/crowd.h"
#include "tests/bench/load/meter.h"
#include "tests/bench/load/publisher.h"
#include "tests/bench/load/report.h"
#include "tests/lib/keep.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct crowd crowd;
static struct publisher *publisher;
static struct meter meter;

static int64_t after(double seconds) {
    return now_us() + (int64_t)(seconds * 1e6);
}

/* Publishes one message and waits until all have it. False: the time is over. */
static bool publish_to_all(int64_t *to_last_us) {
    int64_t begun = now_us();

    tally_await(&crowd.tally, crowd.tally.base + crowd.tally.published + 1);
    publisher_send(publisher, &crowd.tally);
    while (crowd.tally.have < crowd.count && !loop_over())
        crowd_turn(&crowd, begun + 1000000000);
    *to_last_us = crowd.tally.last_us - begun;
    return crowd.tally.have == crowd.count;
}

/* The same when nothing else goes on; who was served is then parked again. */
static bool settled_round(int64_t *to_last_us) {
    if (!crowd_settle(&crowd) || !publish_to_all(to_last_us))
        return false;
    crowd_ask_again(&crowd);
    return true;
}

static bool prepare(const struct options *options, const struct proto *proto, size_t waiters) {
    int64_t unused;
    bool going;

    crowd_begin(&crowd, options, proto, options->channel, waiters);
    crowd.after_last = options->after_last;
    publisher = publisher_begin(options, options->channel);
    going = crowd_open(&crowd);
    for (size_t i = 0; going && i < options->warmup; i++)
        going = settled_round(&unused);
    return going && crowd_settle(&crowd);
}

/* One message after the other, each to its last waiter. */
static bool rounds(const struct options *options, const struct proto *proto, size_t waiters,
                   size_t count, struct sample *times) {
    bool going = prepare(options, proto, waiters);

    meter_start(&meter, options);
    for (size_t i = 0; going && i < count; i++) {
        int64_t us;

        going = settled_round(&us);
        if (going)
            sample_add(times, us);
    }
    if (going && options->after_last)
        crowd_settle(&crowd); /* asking again is part of what a delivery costs */
    meter_stop(&meter, options);
    crowd_end(&crowd);
    report_begin(options, waiters, going);
    return going;
}

bool mode_fanout(const struct options *options, const struct proto *proto) {
    static struct sample times;
    bool complete = rounds(options, proto, options->waiters, options->messages, &times);
    uint64_t delivered = (uint64_t)options->waiters * times.count;

    report_times("to_last_ms", sample_summary(&times), &times);
    report_deliveries(&crowd.tally, delivered, &meter);
    report_end(options, &meter, delivered);
    return complete;
}

/* One request after the other, each when nothing else goes on. */
static bool request_rounds(const struct options *options, const struct proto *proto,
                           struct sample *times) {
    bool going;

    crowd_begin(&crowd, options, proto, options->channel, 1);
    crowd.one_by_one = true;
    going = crowd_open(&crowd);
    meter_start(&meter, options);
    for (size_t i = 0; going && i < options->warmup + options->rounds; i++) {
        uint64_t answers;
        int64_t begun;

        going = crowd_settle(&crowd);
        answers = crowd.answers;
        begun = now_us();
        crowd_ask_again(&crowd);
        while (crowd.answers == answers && !loop_over())
            crowd_turn(&crowd, begun + 1000000);
        if (i >= options->warmup && crowd.answers > answers)
            sample_add(times, now_us() - begun);
    }
    meter_stop(&meter, options);
    report_begin(options, 1, going && !loop_over());
    return going && !loop_over();
}

static bool mode_latency_of_polls(const struct options *options, const struct proto *proto) {
    static struct sample times;
    bool complete = request_rounds(options, proto, &times);

    report_times("latency_ms", sample_summary(&times), NULL);
    report_requests(times.count, &meter);
    report_end(options, &meter, times.count);
    return complete;
}

bool mode_latency(const struct options *options, const struct proto *proto) {
    static struct sample times;
    bool complete;

    if (proto->polls)
        return mode_latency_of_polls(options, proto);
    complete = rounds(options, proto, 1, options->rounds, &times);

    report_times("latency_ms", sample_summary(&times), NULL);
    report_deliveries(&crowd.tally, times.count, &meter);
    report_end(options, &meter, times.count);
    return complete;
}

bool mode_rate(const struct options *options, const struct proto *proto) {
    bool going = prepare(options, proto, options->waiters);
    uint64_t delivered = crowd.tally.delivered;
    int64_t end = after(options->seconds), unused;

    crowd.after_last = false;
    crowd_ask_again(&crowd);
    meter_start(&meter, options);
    while (going && now_us() < end)
        going = publish_to_all(&unused);
    meter_stop(&meter, options);
    delivered = crowd.tally.delivered - delivered;
    crowd_end(&crowd);
    report_begin(options, options->waiters, going);
    report_deliveries(&crowd.tally, delivered, &meter);
    report_end(options, &meter, delivered);
    return going;
}

/* Publishes by the clock: what comes late was late from the moment it was due. */
static bool by_the_clock(const struct options *options, int64_t *due_us, size_t count) {
    uint64_t first = crowd.tally.published;
    int64_t begun = now_us();

    for (size_t i = 0; i < count && !loop_over();) {
        int64_t due = begun + (int64_t)((double)i * 1e6 / options->rate);

        if (now_us() < due) {
            crowd_turn(&crowd, due);
            continue;
        }
        due_us[first + i++] = due;
        publisher_send(publisher, &crowd.tally);
    }
    tally_await(&crowd.tally, UINT64_MAX);
    while (crowd.tally.delivered < crowd.tally.published * crowd.count && !loop_over())
        crowd_turn(&crowd, after(1));
    return crowd.tally.delivered >= crowd.tally.published * crowd.count;
}

bool mode_fixed(const struct options *options, const struct proto *proto) {
    bool going = prepare(options, proto, options->waiters);
    size_t count = (size_t)(options->rate * options->seconds) + 1;
    int64_t *due_us = keep(calloc(crowd.tally.published + count, sizeof *due_us));
    uint64_t delivered = crowd.tally.delivered;

    crowd.after_last = false;
    crowd_ask_again(&crowd);
    crowd.tally.sent_us = due_us;
    crowd.tally.latency = keep(calloc(1, sizeof *crowd.tally.latency));
    meter_start(&meter, options);
    if (going)
        going = by_the_clock(options, due_us, count);
    meter_stop(&meter, options);
    delivered = crowd.tally.delivered - delivered;
    crowd_end(&crowd);
    report_begin(options, options->waiters, going);
    report_times("latency_ms", histogram_summary(crowd.tally.latency), NULL);
    report_deliveries(&crowd.tally, delivered, &meter);
    report_end(options, &meter, delivered);
    return going;
}

bool mode_poll(const struct options *options, const struct proto *proto) {
    uint64_t answers;
    int64_t end;
    bool going;

    crowd_begin(&crowd, options, proto, options->channel, options->connections);
    going = crowd_open(&crowd);
    for (end = after(options->seconds / 10); going && now_us() < end && !loop_over();)
        crowd_turn(&crowd, end);
    answers = crowd.answers;
    end = after(options->seconds);
    meter_start(&meter, options);
    while (going && now_us() < end && !loop_over())
        crowd_turn(&crowd, end);
    meter_stop(&meter, options);
    answers = crowd.answers - answers;
    going = going && now_us() >= end;
    report_begin(options, options->connections, going);
    report_requests(answers, &meter);
    report_end(options, &meter, answers);
    return going;
}

/* --- holding ----------------------------------------------------------------------------- */

static bool input_ended;

static void on_input(struct source *source, uint32_t events) {
    char drop[256];

    (void)source, (void)events;
    if (read(STDIN_FILENO, drop, sizeof drop) == 0)
        input_ended = true;
}

static bool park(const struct options *options, const struct proto *proto) {
    crowd_begin(&crowd, options, proto, options->channel, options->waiters);
    if (!crowd_open(&crowd) || !crowd_settle(&crowd))
        return false;
    puts("ready");
    fflush(stdout);
    return true;
}

/* Somebody else publishes the next message: all are to have it. False: the time is over. */
static bool attend(void) {
    uint64_t number = crowd.tally.base + ++crowd.tally.published;

    tally_await(&crowd.tally, number);
    while (crowd.tally.have < crowd.count && !loop_over())
        crowd_turn(&crowd, after(1));
    printf("has %" PRIu64 " %" PRId64 "\n", number, crowd.tally.last_us);
    fflush(stdout);
    return crowd.tally.have == crowd.count;
}

bool mode_audience(const struct options *options, const struct proto *proto) {
    bool going = park(options, proto);
    int64_t end;

    meter_start(&meter, options);
    for (size_t i = 0; going && i < options->messages; i++)
        going = attend();
    meter_stop(&meter, options);
    /* what would come twice comes soon */
    for (end = after(1); now_us() < end && !loop_over();)
        crowd_turn(&crowd, end);
    crowd_end(&crowd);
    report_begin(options, options->waiters, going);
    report_deliveries(&crowd.tally, crowd.tally.delivered, &meter);
    report_end(options, &meter, crowd.tally.delivered);
    return going;
}

bool mode_hold(const struct options *options, const struct proto *proto) {
    static struct source input = {.ready = on_input};
    int64_t end;
    bool going;

    meter_start(&meter, options);
    going = park(options, proto);
    loop_add_input(STDIN_FILENO, &input);
    end = options->seconds > 0 ? after(options->seconds) : INT64_MAX;
    while (going && !input_ended && now_us() < end && !loop_over())
        crowd_turn(&crowd, end);
    meter_stop(&meter, options);
    report_begin(options, options->waiters, going);
    report_end(options, &meter, options->waiters);
    return going;
}

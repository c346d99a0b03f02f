/* How a quiet channel fares beside a crowded one, in the same process of Halley.
 *
 * A single waiter of the quiet channel is published to, message after message: first
 * while nothing else happens, then while messages go to thousands of waiters of the big
 * channel, who ask again as --again says: at once, and then the quiet one's next request
 * stands in a queue with theirs, or when all were served. That this program is itself busy with the
 * thousands must not show: it takes only a few of their events at a time.
 */
#include "tests/bench/load/crowd.h"
#include "tests/bench/load/meter.h"
#include "tests/bench/load/modes.h"
#include "tests/bench/load/publisher.h"
#include "tests/bench/load/report.h"
#include "tests/lib/keep.h"

enum { GRAIN = 4, PAUSE_US = 1000 };

static struct crowd big, quiet;
static struct publisher *to_big, *to_quiet;

static void turn(int64_t until_us) {
    loop_turn(until_us);
    crowd_mend(&big);
    crowd_mend(&quiet);
}

static void rest(int64_t us) {
    int64_t end = now_us() + us;

    while (now_us() < end && !loop_over())
        turn(end);
}

/* One message to the quiet channel. False: the time is over. */
static bool to_the_quiet_one(struct sample *times) {
    int64_t begun = now_us();

    tally_await(&quiet.tally, quiet.tally.base + quiet.tally.published + 1);
    publisher_send(to_quiet, &quiet.tally);
    while (quiet.tally.have == 0 && !loop_over())
        turn(begun + 1000000);
    if (quiet.tally.have == 0)
        return false;
    sample_add(times, quiet.tally.last_us - begun);
    rest(PAUSE_US);
    return !loop_over();
}

static bool alone(const struct options *options, struct sample *times) {
    bool going = crowd_settle(&quiet);

    for (size_t i = 0; going && i < options->rounds; i++)
        going = to_the_quiet_one(times);
    return going;
}

/* One message to all of the big one, and as many to the quiet one as fit meanwhile. */
static bool broadcast(struct sample *during, struct sample *to_last) {
    bool going = crowd_settle(&big);
    int64_t begun = now_us();

    tally_await(&big.tally, big.tally.base + big.tally.published + 1);
    publisher_send(to_big, &big.tally);
    while (going && big.tally.have < big.count)
        going = to_the_quiet_one(during);
    if (going)
        sample_add(to_last, big.tally.last_us - begun);
    crowd_ask_again(&big);
    return going;
}

bool mode_fairness(const struct options *options, const struct proto *proto) {
    static struct sample apart, warm, during, to_last;
    struct meter meter;
    uint64_t delivered;
    bool going;

    crowd_begin(&big, options, proto, options->channel, options->waiters);
    big.after_last = options->after_last;
    crowd_begin(&quiet, options, proto, "quiet", 1);
    to_big = publisher_begin(options, options->channel);
    to_quiet = publisher_begin(options, "quiet");
    going = crowd_open(&big) && crowd_open(&quiet);
    loop_grain(GRAIN);
    for (size_t i = 0; going && i < options->warmup; i++)
        going = to_the_quiet_one(&warm) && broadcast(&warm, &warm);
    going = going && alone(options, &apart);
    delivered = big.tally.delivered;
    meter_start(&meter, options);
    for (size_t i = 0; going && i < options->messages; i++)
        going = broadcast(&during, &to_last);
    meter_stop(&meter, options);
    delivered = big.tally.delivered - delivered;
    crowd_end(&big);
    crowd_end(&quiet);
    big.tally.lost += quiet.tally.lost;
    big.tally.doubled += quiet.tally.doubled;
    big.tally.reordered += quiet.tally.reordered;
    report_begin(options, options->waiters, going);
    report_times("alone_ms", sample_summary(&apart), NULL);
    report_times("during_ms", sample_summary(&during), NULL);
    report_times("to_last_ms", sample_summary(&to_last), &to_last);
    report_deliveries(&big.tally, delivered, &meter);
    report_end(options, &meter, delivered);
    return going;
}

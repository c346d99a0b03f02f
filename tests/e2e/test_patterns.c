/* Patterns: channels that nobody named, those that are there and those that come to be.
 *
 * Straight on the application's own HTTP, so that each transport is the same. What is found is
 * asked of two processes in turn, for nothing of it may live in one alone.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <signal.h>
#include <string.h>

static struct lab lab;

static void begin(const char *option, const char *value) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "patterns");
    lab_conf(&lab, "[channel *closed*]\nsubscribe = none\n[channel *]\npublish = anyone\n");
    lab_set(&lab, option, value);
    lab_redis(&lab, REDIS_KEEPS_AOF);
    lab_worker(&lab, 0);
    lab_web(&lab, "http", 1);
}

static void setup(void) {
    begin("KEEPALIVE", "600");
}

/* One address, two processes: whoever is free takes a request. */
static void setup_two(void) {
    begin("PROCESSES", "2");
}

static void teardown(void) {
    lab_close(&lab);
}

static const struct answer *poll_for(const char *pattern, const char *since) {
    return must_be_batch(
        http_get(&lab, "/comet/poll?pattern=%s&since=%s", keep_encoded(pattern), since));
}

/* --- what is there ------------------------------------------------------------------------ */

START_TEST(a_pattern_stands_for_the_channels_that_match) {
    const char *stem = keep_fresh("p");
    const char *const names[] = {"%s/a", "%s/b", "%s/b/c", "%s", "%sx/a", "%s/closed"};
    const struct answer *batch;

    for (size_t i = 0; i < 6; i++) {
        const char *at = strstr(names[i], "%s");
        store_add(&lab, keepf("%s%s", stem, at + 2), keepf("%zu", i));
        pause_ms(3); /* messages of one millisecond have no order between channels */
    }
    batch = poll_for(keepf("%s/*", stem), "start");
    ck_assert_str_eq(batch_all_data(batch), "0,1");
    ck_assert_str_eq(batch_channel(batch, 1), keepf("%s/b", stem));
    ck_assert_str_eq(batch_all_data(poll_for(keepf("%s/**", stem), "start")), "0,1,2");
    ck_assert_str_eq(batch_all_data(poll_for(keepf("%s/**", stem), "-1")), "0,1,2");
    ck_assert_uint_eq(batch_count(poll_for(keepf("%s/**", stem), "now")), 0);
    batch = http_get(&lab, "/comet/poll?pattern=%s&pattern=%s&channel=%s&channel=%s&since=start",
                     keep_encoded(keepf("%s/*", stem)), keep_encoded(keepf("%s/b/*", stem)), stem,
                     keep_encoded(keepf("%s/a", stem)));
    ck_assert_str_eq(batch_all_data(must_be_batch(batch)), "0,1,2,3");
}
END_TEST

START_TEST(what_is_no_pattern_is_told_so) {
    static const char *const bad[] = {"a", "", "a*", "a/***", "*/a", "a/*/*", "news.*", "{a}/*"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        must_be_problem(http_get(&lab, "/comet/poll?pattern=%s", keep_encoded(bad[i])), 400,
                        "pattern");
    must_be_problem(http_get(&lab, "/comet/poll?channel=a/*"), 400, "channel"); /* an exact name */
    must_be_problem(http_get(&lab, "/comet/poll"), 400, "channel");
    must_be_problem(http_get(&lab, "/comet/poll?pattern=*&pattern=*&pattern=*&pattern=*&pattern=*"
                                   "&pattern=*&pattern=*&pattern=*&pattern=*"),
                    400, "pattern");
}
END_TEST

/* --- what comes to be ------------------------------------------------------------------------ */

/* Each kind of publish may be the first one of its channel. */
static void be_born(const char *channel, const char *payload, int kind) {
    if (kind == 0)
        store_add(&lab, channel, payload);
    else if (kind == 1)
        ck_assert_int_ge(store_publish(&lab, channel, payload), 1);
    else
        ck_assert_int_eq(http_post(&lab, payload, strlen(payload), "/comet/publish?channel=%s",
                                   keep_encoded(channel))
                             ->status,
                         200);
}

START_TEST(a_new_channel_begins_at_its_start_for_everybody_who_waits) {
    const char *stem = keep_fresh("born"), *pattern = keepf("%s/*", stem);
    struct stream *streams[STREAMS];
    struct flight *wait;

    for (int t = 0; t < STREAMS; t++) {
        streams[t] = stream_open(&lab, BY_WEB, (enum transport)t,
                                 keepf("pattern=%s", keep_encoded(pattern)), NULL);
        ck_assert_ptr_nonnull(streams[t]);
        stream_reach_start(streams[t]);
    }
    for (int round = 0; round < 3; round++) {
        wait = http_get_begin(&lab, "/comet/wait?pattern=%s&timeout=50", keep_encoded(pattern));
        until((http_pump(10), store_followers(&lab, pattern) > 0), "nobody follows");
        be_born(keepf("%s/closed%d", stem, round), "0", 0);
        be_born(keepf("%s/n%d", stem, round), keepf("%d", 10 + round), round);
        ck_assert_str_eq(batch_all_data(must_be_batch(http_land(wait))), keepf("%d", 10 + round));
        for (int t = 0; t < STREAMS; t++) {
            const struct piece *piece = stream_reach_message(streams[t]);
            if (t == EVENTS) {
                ck_assert_str_eq(piece->event, keepf("%s/n%d", stem, round));
                ck_assert(strstr(piece->data, keepf("%d", 10 + round)) != NULL);
            } else {
                const json_t *messages = json_object_get(piece->batch, "messages");
                ck_assert_uint_eq(json_array_size(messages), 1);
                ck_assert_int_eq(
                    json_integer_value(json_object_get(json_array_get(messages, 0), "data")),
                    10 + round);
            }
        }
    }
    for (int t = 0; t < STREAMS; t++)
        stream_close(streams[t]);
}
END_TEST

/* Between two answers, each of another process, channels come to be. */
START_TEST(a_cursor_misses_no_channel_that_came_to_be) {
    enum { ROUNDS = 40 };
    const char *stem = keep_fresh("since"), *pattern = keepf("%s/**", stem), *cursor;
    size_t had = 0, received = 0;
    bool seen[ROUNDS] = {false};

    store_add(&lab, keepf("%s/first", stem), "-1");
    cursor = batch_cursor(poll_for(pattern, "now"));
    for (int round = 0; round < ROUNDS; round++) {
        store_add(&lab, keepf("%s/%d", stem, round % 7 ? round : 0), keepf("%d", round));
        if (round % 3 == 0)
            continue;
        const struct answer *batch = poll_for(pattern, cursor);
        for (size_t i = 0; i < batch_count(batch); i++)
            had += !seen[json_integer_value(batch_data(batch, i))];
        for (size_t i = 0; i < batch_count(batch); i++)
            seen[json_integer_value(batch_data(batch, i))] = true;
        received += batch_count(batch);
        ck_assert_uint_eq(had, (size_t)round + 1); /* a read sees what was acknowledged before it */
        ck_assert_uint_eq(received, had);          /* none came twice */
        ck_assert(!batch_any_gap(batch));
        cursor = batch_cursor(batch);
    }
}
END_TEST

START_TEST(what_came_to_be_while_redis_was_not_heard_is_found) {
    const char *stem = keep_fresh("deaf"), *pattern = keepf("%s/*", stem);
    struct stream *stream =
        stream_open(&lab, BY_WEB, STREAM, keepf("pattern=%s", keep_encoded(pattern)), NULL);

    stream_reach_start(stream);
    for (int i = 0; i < 5; i++) {
        store_do(&lab, "CLIENT KILL TYPE pubsub");
        store_add(&lab, keepf("%s/%d", stem, i), keepf("%d", i));
        const json_t *messages = json_object_get(stream_reach_message(stream)->batch, "messages");
        ck_assert_int_eq(json_integer_value(json_object_get(json_array_get(messages, 0), "data")),
                         i);
    }
    stream_close(stream);
}
END_TEST

START_TEST(a_pattern_stands_for_a_thousand_channels_at_most) {
    const char *stem = keep_fresh("many"), *pattern = keepf("%s/*", stem);
    const struct answer *batch;

    for (int i = 0; i < 1010; i++)
        store_add(&lab, keepf("%s/%d", stem, i), "1");
    batch = must_be_batch(
        http_get(&lab, "/comet/poll?pattern=%s&since=start&limit=1000", keep_encoded(pattern)));
    ck_assert_uint_le(batch_count(batch), 1000);
    ck_assert_uint_ge(batch_count(batch), 990);
}
END_TEST

static void add_tests(TCase *all) {
    tcase_add_test(all, a_pattern_stands_for_the_channels_that_match);
    tcase_add_test(all, what_is_no_pattern_is_told_so);
    tcase_add_test(all, a_new_channel_begins_at_its_start_for_everybody_who_waits);
    tcase_add_test(all, a_cursor_misses_no_channel_that_came_to_be);
    tcase_add_test(all, what_came_to_be_while_redis_was_not_heard_is_found);
    tcase_add_test(all, a_pattern_stands_for_a_thousand_channels_at_most);
}

int main(void) {
    Suite *suite = suite_create("patterns");
    TCase *one = e2e_case(suite, "one process", setup, teardown);
    TCase *two = e2e_case(suite, "two processes", setup_two, teardown);

    add_tests(one);
    add_tests(two);
    return e2e_run(suite);
}

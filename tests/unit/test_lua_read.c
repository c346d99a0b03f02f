/* core/redis/halley.lua, reading: every way to begin, and gaps: told whenever something
 * that was owed is no longer held, or may not be, and never otherwise.
 *
 * Messages are letters; "abc" is a page with three of them, "|gap" and "|more"
 * stand behind it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

static const char *publish(const char *channel, const char *payload) {
    return must_ask("FCALL halley_publish 1 %s %s", channel, payload);
}

/* Publishes each letter; returns the last id. */
static const char *publish_all(const char *channel, const char *letters) {
    const char *id = NULL;
    for (; *letters != '\0'; letters++)
        id = publish(channel, keepf("%c", *letters));
    return id;
}

static const char *tail; /* where the last read() left its reader */

static const char *read_limited(const char *channel, const char *since, int limit) {
    const char *reply = must_ask("FCALL_RO halley_read 1 %s %s %d", channel, since, limit);
    char place[64], at[32], id[64];
    int gap, more, used = 0;
    char payload;

    ck_assert_msg(sscanf(reply, "[%63s %d %d [%n", place, &gap, &more, &used) == 3, "%s", reply);
    tail = keepf("%s", place);
    char *text = keepf("%s", "");
    for (const char *at_entry = reply + used; *at_entry != ']'; at_entry += used) {
        ck_assert_msg(sscanf(at_entry, "%63s %31s %c%n", id, at, &payload, &used) == 3, "%s",
                      reply);
        text = keepf("%s%c", text, payload);
        used += at_entry[used] == ' ';
    }
    return keepf("%s%s%s", text, gap ? "|gap" : "", more ? "|more" : "");
}

static const char *read_from(const char *channel, const char *since) {
    return read_limited(channel, since, 100);
}

static const char *at_n(const char *id, unsigned n) {
    return keepf("%llu-%u", (unsigned long long)epoch_of(id), n);
}

static void expire(const char *key) {
    ask("PEXPIRE %s 1", key);
    until(strcmp(ask("EXISTS %s", key), "0") == 0, "%s does not expire", key);
}

START_TEST(a_page_ends_in_front_of_an_id) {
    server_start(false);
    const char *last = publish_all("chat", "abcdefgh");

    ck_assert_str_eq(read_limited("chat", "<+", 3), "fgh|more");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 6)), 3), "cde|more");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 3)), 3), "ab");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 1)), 3), "");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 9)), 3), "fgh|more");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 8)), 7), "abcdefg");
    ck_assert_str_eq(read_limited("nothing", "<+", 3), "");
    /* an id that was never given, and some whose neighbours are gone */
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 11)), 2), "gh|gap|more");
    ask("XDEL halley.history:{chat} %s", at_n(last, 4));
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 6)), 2), "ce|gap|more");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 5)), 2), "bc|gap|more");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 4)), 2), "bc|more");
    ask("XTRIM halley.history:{chat} MINID %s", at_n(last, 7));
    ck_assert_str_eq(read_limited("chat", "<+", 9), "gh");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 8)), 9), "g");
    ck_assert_str_eq(read_limited("chat", keepf("<%s", at_n(last, 3)), 9), "|gap");
}
END_TEST

START_TEST(every_way_to_begin_finds_its_place) {
    server_start(false);
    const char *last = publish_all("chat", "abcde");
    const struct {
        const char *since, *want;
    } rows[] = {{"now", ""},
                {"start", "abcde"},
                {"-1", "e"},
                {"-3", "cde"},
                {"-5", "abcde"},
                {"-1000000", "abcde"},
                {at_n(last, 0), "abcde"},
                {at_n(last, 1), "bcde"},
                {at_n(last, 4), "e"},
                {at_n(last, 5), ""}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *seen = read_from("chat", rows[i].since);
        ck_assert_msg(strcmp(seen, rows[i].want) == 0, "%s: %s", rows[i].since, seen);
        ck_assert_str_eq(tail, last);
    }
}
END_TEST

START_TEST(a_channel_that_does_not_exist_has_nothing_and_no_gap) {
    server_start(false);
    static const char *const sinces[] = {"now", "start", "-5"};

    for (size_t i = 0; i < ROWS(sinces); i++) {
        ck_assert_str_eq(read_from("chat", sinces[i]), "");
        ck_assert_uint_eq(n_of(tail), 0);
        ck_assert_uint_gt(epoch_of(tail), 1000000000000);
    }
    ck_assert_str_eq(ask("DBSIZE"), "0");
}
END_TEST

START_TEST(what_the_limit_leaves_over_comes_with_the_next) {
    server_start(false);
    const char *last = publish_all("chat", "abcde");
    ck_assert_str_eq(read_limited("chat", "start", 2), "ab|more");
    ck_assert_str_eq(read_limited("chat", at_n(last, 2), 2), "cd|more");
    ck_assert_str_eq(read_limited("chat", at_n(last, 4), 2), "e");
    ck_assert_str_eq(read_limited("chat", at_n(last, 3), 2), "de");
    ck_assert_str_eq(read_limited("chat", "-4", 2), "bc|more");
}
END_TEST

START_TEST(a_page_is_bounded_in_bytes_and_has_at_least_one_message) {
    enum { LEN = 400000 };
    char *payload = keep(malloc(LEN));
    const char *const argv[] = {"FCALL",  "halley_post", "1", "chat", payload, "10", "60",
                                "500000", "604800",      "",  "1",    "x",     "0",  "0"};
    size_t lens[14];

    server_start(false);
    memset(payload, 'x', LEN);
    for (size_t k = 0; k < 14; k++)
        lens[k] = k == 4 ? LEN : strlen(argv[k]);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(ask_bytes(14, argv, lens)[0], '[');
    const char *reply = must_ask("FCALL_RO halley_read 1 chat start 100");
    ck_assert_uint_gt(strlen(reply), 2 * LEN);
    ck_assert_uint_lt(strlen(reply), 4 * LEN);
    ck_assert_ptr_nonnull(strstr(keepf("%.40s", reply), " 0 1 ["));
}
END_TEST

START_TEST(a_cursor_older_than_the_trimmed_history_has_a_gap) {
    const char *last = NULL;

    server_start(false);
    for (int c = 'a'; c <= 'f'; c++)
        last = must_ask("FCALL halley_publish 1 chat %s HISTORY 3", keepf("%c", c));
    ck_assert_str_eq(read_from("chat", at_n(last, 0)), "def|gap");
    ck_assert_str_eq(read_from("chat", at_n(last, 2)), "def|gap");
    ck_assert_str_eq(read_from("chat", at_n(last, 3)), "def"); /* the next one is still held */
    ck_assert_str_eq(read_from("chat", at_n(last, 5)), "f");
    ck_assert_str_eq(read_from("chat", "start"), "def");
    ck_assert_str_eq(read_from("chat", "-5"), "def");
}
END_TEST

START_TEST(a_gap_is_told_with_the_first_of_several_pages_only) {
    const char *last = NULL;

    server_start(false);
    for (int c = 'a'; c <= 'f'; c++)
        last = must_ask("FCALL halley_publish 1 chat %s HISTORY 3", keepf("%c", c));
    ck_assert_str_eq(read_limited("chat", at_n(last, 1), 2), "de|gap|more");
    ck_assert_str_eq(read_limited("chat", at_n(last, 5), 2), "f");
}
END_TEST

START_TEST(a_cursor_at_the_end_of_an_expired_history_has_no_gap) {
    server_start(false);
    const char *last = publish_all("chat", "abc");
    expire("halley.history:{chat}");
    ck_assert_str_eq(read_from("chat", last), "");
    ck_assert_str_eq(tail, last);
    ck_assert_str_eq(read_from("chat", at_n(last, 2)), "|gap");
    ck_assert_str_eq(tail, last);
    ck_assert_str_eq(read_from("chat", at_n(last, 0)), "|gap");
    ck_assert_str_eq(read_from("chat", "start"), "");
    ck_assert_str_eq(read_from("chat", "-2"), "");
    publish("chat", "d");
    ck_assert_str_eq(read_from("chat", last), "d");
    ck_assert_str_eq(read_from("chat", at_n(last, 2)), "d|gap");
}
END_TEST

START_TEST(a_history_of_nothing_owes_whoever_was_behind) {
    server_start(false);
    const char *last = must_ask("FCALL halley_publish 1 chat a HISTORY 0");
    ck_assert_str_eq(read_from("chat", last), "");
    ck_assert_str_eq(read_from("chat", at_n(last, 0)), "|gap");
}
END_TEST

START_TEST(a_position_from_before_the_channel_began_gets_everything_without_a_gap) {
    server_start(false);
    ck_assert_str_eq(read_from("chat", "now"), "");
    const char *before = tail;
    ck_assert_str_eq(read_from("chat", before), "");
    ck_assert_str_eq(tail, before); /* it stays where it is */
    pause_ms(2);                    /* epochs are milliseconds of Redis's clock */
    publish_all("chat", "ab");
    ck_assert_str_eq(read_from("chat", before), "ab");
}
END_TEST

START_TEST(a_position_from_before_a_channel_that_was_trimmed_since_has_a_gap) {
    server_start(false);
    read_from("chat", "now");
    const char *before = tail;
    pause_ms(2);
    for (int c = 'a'; c <= 'd'; c++)
        must_ask("FCALL halley_publish 1 chat %s HISTORY 2", keepf("%c", c));
    ck_assert_str_eq(read_from("chat", before), "cd|gap");
}
END_TEST

START_TEST(a_position_of_the_same_millisecond_misses_nothing) {
    server_start(false);
    for (int i = 0; i < 50; i++) {
        const char *channel = keepf("chat%d", i);
        read_from(channel, "now");
        const char *before = tail;
        publish(channel, "a");
        ck_assert_msg(strcmp(read_from(channel, before), "a") == 0, "round %d: %s", i,
                      read_from(channel, before));
    }
}
END_TEST

START_TEST(a_number_that_was_never_given_is_a_gap_once) {
    server_start(false);
    const char *last = publish_all("chat", "ab");
    ck_assert_str_eq(read_from("chat", at_n(last, 7)), "|gap");
    ck_assert_str_eq(tail, last);
    ck_assert_str_eq(read_from("chat", tail), "");
}
END_TEST

START_TEST(an_entry_that_was_deleted_inside_the_history_is_a_gap) {
    server_start(false);
    const char *last = publish_all("chat", "abcde");
    must_ask("XDEL halley.history:{chat} %s", at_n(last, 3));
    ck_assert_str_eq(read_from("chat", at_n(last, 1)), "bde|gap");
    ck_assert_str_eq(read_from("chat", at_n(last, 2)), "de|gap");
    ck_assert_str_eq(read_from("chat", at_n(last, 3)), "de");
    ck_assert_str_eq(read_from("chat", "start"), "abde");
}
END_TEST

START_TEST(an_entry_that_was_deleted_at_the_end_of_the_history_is_a_gap) {
    server_start(false);
    const char *last = publish_all("chat", "abc");
    must_ask("XDEL halley.history:{chat} %s", last);
    ck_assert_str_eq(read_from("chat", at_n(last, 1)), "b|gap");
    ck_assert_str_eq(tail, last);
    ck_assert_str_eq(read_from("chat", at_n(last, 2)), "|gap");
    ck_assert_str_eq(read_from("chat", last), "");
    publish("chat", "d");
    ck_assert_str_eq(read_from("chat", last), "d");
}
END_TEST

START_TEST(after_a_foreign_entry_readers_are_told_of_a_gap_and_go_on) {
    server_start(false);
    const char *last = publish_all("chat", "ab");
    must_ask("XADD halley.history:{chat} * data z");
    const char *next = publish_all("chat", "cd");
    const char *seen = read_from("chat", last);
    ck_assert_msg(strstr(seen, "cd") != NULL && strstr(seen, "|gap") != NULL, "%s", seen);
    ck_assert_str_eq(tail, next);
    ck_assert_str_eq(read_from("chat", tail), "");
    publish("chat", "e");
    ck_assert_str_eq(read_from("chat", next), "e");
}
END_TEST

START_TEST(a_foreign_entry_at_the_end_does_not_keep_a_reader_turning) {
    server_start(false);
    publish_all("chat", "ab");
    must_ask("XADD halley.history:{chat} 99999999999999-1 data z");
    for (int i = 0; i < 3; i++) {
        const char *seen = read_from("chat", i == 0 ? "start" : tail);
        ck_assert_msg(strstr(seen, "|more") == NULL, "%s", seen);
        ck_assert_msg(i == 0 || strcmp(seen, "") == 0, "round %d: %s", i, seen);
    }
}
END_TEST

START_TEST(a_redis_that_lost_everything_tells_a_gap_once) {
    server_start(false);
    const char *lost = publish_all("chat", "abc");
    server_kill_and_start();
    ck_assert_str_eq(read_from("chat", lost), "|gap");
    const char *told = tail;
    ck_assert_uint_eq(n_of(told), 0);
    ck_assert_str_eq(read_from("chat", told), "");
    ck_assert_str_eq(tail, told);
    pause_ms(2);
    publish_all("chat", "de");
    ck_assert_str_eq(read_from("chat", told), "de");
    ck_assert_str_eq(read_from("chat", lost), "de|gap");
}
END_TEST

START_TEST(a_redis_that_forgot_the_last_messages_takes_no_new_one_for_an_old_one) {
    server_start(false);
    const char *kept = publish_all("chat", "ab");
    ask("SAVE");
    const char *lost = publish_all("chat", "cd");
    server_kill_and_start();

    ck_assert_str_eq(read_from("chat", lost), "|gap"); /* beyond what Redis knows */
    const char *told = tail;
    ck_assert_str_eq(read_from("chat", told), "");
    ck_assert_str_eq(read_from("chat", kept), ""); /* nothing is known to be missing yet */
    pause_ms(2);
    publish_all("chat", "xyz");
    ck_assert_str_eq(read_from("chat", lost), "xyz|gap");
    ck_assert_str_eq(read_from("chat", kept), "xyz|gap"); /* may have missed c and d */
    ck_assert_str_eq(read_from("chat", told), "xyz");
    ck_assert_str_eq(read_from("chat", at_n(kept, 1)), "bxyz|gap");
}
END_TEST

START_TEST(who_was_told_at_once_after_a_restart_is_not_told_again) {
    server_start(false);
    publish_all("chat", "ab");
    ask("SAVE");
    const char *lost = publish_all("chat", "c");
    server_kill_and_start();
    read_from("chat", lost);
    const char *told = tail;
    publish("chat", "d"); /* perhaps in the same millisecond */
    ck_assert_str_eq(read_from("chat", told), "d");
}
END_TEST

START_TEST(a_position_of_an_older_epoch_gets_what_is_held_and_a_gap) {
    server_start(false);
    const char *old = publish_all("chat", "ab");
    must_ask("HSET halley.meta:{chat} run another");
    const char *next = publish_all("chat", "cd");
    ck_assert_uint_gt(epoch_of(next), epoch_of(old));
    ck_assert_str_eq(read_from("chat", old), "cd|gap");
    ck_assert_str_eq(read_from("chat", at_n(old, 1)), "bcd|gap");
    ck_assert_str_eq(read_from("chat", "1-0"), "abcd|gap");
    ck_assert_str_eq(read_from("chat", "start"), "abcd");
    ck_assert_str_eq(read_from("chat", "-3"), "bcd");
}
END_TEST

START_TEST(a_position_of_a_later_epoch_is_a_gap_once) {
    server_start(false);
    const char *last = publish_all("chat", "ab");
    const char *seen = read_from("chat", "9007199254740991-5");
    ck_assert_msg(strstr(seen, "|gap") != NULL, "%s", seen);
    ck_assert_str_eq(tail, last);
    ck_assert_str_eq(read_from("chat", tail), "");
}
END_TEST

START_TEST(a_channel_whose_counter_is_gone_tells_a_gap) {
    server_start(false);
    const char *last = publish_all("chat", "ab");
    expire("halley.meta:{chat}");
    const char *seen = read_from("chat", last);
    ck_assert_msg(strstr(seen, "|gap") != NULL, "%s", seen);
    ck_assert_str_eq(read_from("chat", tail), "");
}
END_TEST

START_TEST(a_key_of_the_wrong_type_is_an_error_for_that_channel_alone) {
    server_start(false);
    publish_all("good", "ab");
    publish_all("bad", "ab");
    ask("DEL halley.history:{bad}");
    ask("SET halley.history:{bad} x");
    const char *answer = ask("FCALL_RO halley_read 1 bad start 10");
    ck_assert_msg(answer[0] == '!' && strstr(answer, "WRONGTYPE") != NULL, "%s", answer);
    ck_assert_str_eq(read_from("good", "start"), "ab");
}
END_TEST

START_TEST(reading_writes_nothing) {
    server_start(false);
    publish_all("chat", "ab");
    const char *before = ask("DEBUG DIGEST"), *size = ask("DBSIZE");
    read_from("chat", "start");
    read_from("chat", "1-0");
    read_from("other", "now");
    ck_assert_str_eq(ask("DEBUG DIGEST"), before);
    ck_assert_str_eq(ask("DBSIZE"), size);
}
END_TEST

/* Publishes `len` bytes by way of the web's function, which takes a limit along. */
static void publish_long(const char *channel, size_t len) {
    const char *const argv[] = {"FCALL",    "halley_post", "1", channel, NULL, "1000000", "3600",
                                "16777216", "604800",      "",  "1",     "x",  "0",       "0"};
    char *payload = malloc(len + 1);
    const char *with[ROWS(argv)];
    size_t lens[ROWS(argv)];

    memset(payload, 'x', len);
    for (size_t i = 0; i < ROWS(argv); i++) {
        with[i] = i == 4 ? payload : argv[i];
        lens[i] = i == 4 ? len : strlen(argv[i]);
    }
    ck_assert_int_eq(ask_bytes(ROWS(argv), with, lens)[0], '[');
    free(payload);
}

/* Fills a history of one epoch with `count` messages of `len` bytes, without the cost of
 * publishing. */
static void fill(const char *channel, int count, int len) {
    must_ask("EVAL %s 1 %s %d %d",
             "local k, d = 'halley.history:{' .. KEYS[1] .. '}', string.rep('x', ARGV[2]) "
             "local e = redis.call('HGET', 'halley.meta:{' .. KEYS[1] .. '}', 'epoch') "
             "local n = redis.call('HGET', 'halley.meta:{' .. KEYS[1] .. '}', 'n') "
             "for i = n + 1, n + ARGV[1] do redis.call('XADD', k, e .. '-' .. i, 'at', '1', "
             "'data', d) end "
             "redis.call('HINCRBY', 'halley.meta:{' .. KEYS[1] .. '}', 'n', ARGV[1])",
             channel, count, len);
}

/* The least that this read took of Redis in some tries, in microseconds. */
static long cost_of(const char *channel, const char *since, int limit) {
    long least = 1000000000;

    must_ask("CONFIG SET slowlog-log-slower-than 0");
    for (int i = 0; i < 5; i++) {
        long id, when, took;
        must_ask("FCALL_RO halley_read 1 %s %s %d", channel, since, limit);
        const char *log = must_ask("SLOWLOG GET 1");
        ck_assert_msg(sscanf(log, "[[%ld %ld %ld", &id, &when, &took) == 3, "%s", log);
        least = took < least ? took : least;
    }
    return least;
}

START_TEST(the_last_of_a_long_history_cost_what_they_are) {
    server_start(false);
    publish("chat", "a");
    fill("chat", 100000, 500);
    static const char *const sinces[] = {"-1000000", "-100001", "-100000", "-50000", "-5", "start"};

    for (size_t i = 0; i < ROWS(sinces); i++)
        ck_assert_msg(cost_of("chat", sinces[i], 100) < 5000, "%s", sinces[i]);
    /* neither do holes, older epochs and what was written by hand make them dear */
    const char *id = keepf("%s", must_ask("HGET halley.meta:{chat} epoch"));
    must_ask("XDEL halley.history:{chat} %s-100 %s-99990", id, id);
    for (size_t i = 0; i < ROWS(sinces); i++)
        ck_assert_msg(cost_of("chat", sinces[i], 100) < 5000, "holes, %s", sinces[i]);
    must_ask("HSET halley.meta:{chat} run another");
    publish("chat", "b");
    must_ask("XADD halley.history:{chat} * data z");
    for (size_t i = 0; i < ROWS(sinces); i++)
        ck_assert_msg(cost_of("chat", sinces[i], 100) < 5000, "epochs, %s", sinces[i]);
}
END_TEST

START_TEST(the_last_are_counted_exactly_whatever_was_done_to_the_history) {
    server_start(false);
    const char *last = publish_all("holes", "abcdefgh");
    must_ask("XDEL halley.history:{holes} %s %s", at_n(last, 3), at_n(last, 7));
    ck_assert_str_eq(read_from("holes", "-1"), "h");
    ck_assert_str_eq(read_from("holes", "-2"), "fh");
    ck_assert_str_eq(read_from("holes", "-4"), "defh");
    ck_assert_str_eq(read_from("holes", "-5"), "bdefh");
    ck_assert_str_eq(read_from("holes", "-6"), "abdefh");
    ck_assert_str_eq(read_from("holes", "-7"), "abdefh");
    ck_assert_str_eq(read_limited("holes", "-6", 2), "ab|more");

    for (int c = 'a'; c <= 'e'; c++) { /* each in an epoch of its own */
        publish("epochs", keepf("%c", c));
        must_ask("HSET halley.meta:{epochs} run another");
    }
    publish("epochs", "f");
    publish("epochs", "g");
    ck_assert_str_eq(read_from("epochs", "-1"), "g");
    ck_assert_str_eq(read_from("epochs", "-2"), "fg");
    ck_assert_str_eq(read_from("epochs", "-3"), "efg");
    ck_assert_str_eq(read_from("epochs", "-6"), "bcdefg");
    ck_assert_str_eq(read_limited("epochs", "-5", 2), "cd|more");

    publish_all("foreign", "abc");
    must_ask("XADD halley.history:{foreign} * data y");
    must_ask("XADD halley.history:{foreign} 99999999999999-5 data z");
    ck_assert_str_eq(read_from("foreign", "-1"), "z");
    ck_assert_str_eq(read_from("foreign", "-2"), "yz");
    ck_assert_str_eq(read_from("foreign", "-4"), "bcyz");
    ck_assert_str_eq(read_from("foreign", "-9"), "abcyz");

    publish_all("uncounted", "abcd");
    must_ask("DEL halley.meta:{uncounted}");
    ck_assert_str_eq(read_from("uncounted", "-3"), "bcd");
}
END_TEST

START_TEST(a_page_of_the_last_begins_where_they_begin_through_more_epochs_than_it_brings) {
    server_start(false);
    for (int i = 0; i < 200; i++) {
        publish("chat", keepf("%c", 'a' + i % 26));
        must_ask("HSET halley.meta:{chat} run another");
    }
    for (int k = 1; k <= 100; k++)
        ck_assert_uint_eq(strlen(read_from("chat", keepf("-%d", k))), (size_t)k);
}
END_TEST

START_TEST(a_read_moves_little_more_than_it_brings) {
    enum { MEGABYTE = 1048576 };
    server_start(false);
    for (int i = 0; i < 60; i++)
        publish_long("long", MEGABYTE);
    for (int i = 0; i < 300; i++) /* few bytes in front of many */
        publish_long("mixed", i < 150 ? 10 : 400000);
    publish("hand", "a"); /* nothing that Halley knows of is long */
    fill("hand", 60, MEGABYTE);
    static const struct {
        const char *channel, *since;
    } rows[] = {{"long", "start"}, {"long", "-50"},   {"mixed", "start"},
                {"mixed", "-151"}, {"hand", "start"}, {"hand", "-50"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        size_t len =
            strlen(must_ask("FCALL_RO halley_read 1 %s %s 100", rows[i].channel, rows[i].since));
        ck_assert_uint_lt(len, 2.5 * MEGABYTE);
        long cost = cost_of(rows[i].channel, rows[i].since, 100);
        ck_assert_msg(cost < 8000, "%s %s: %ld us", rows[i].channel, rows[i].since, cost);
    }
}
END_TEST

START_TEST(a_reader_may_ask_for_less_than_a_page) {
    server_start(false);
    publish_all("chat", "abcdefgh");
    ck_assert_ptr_nonnull(strstr(must_ask("FCALL_RO halley_read 1 chat start 100 20"), " 0 1 ["));
    const char *one = must_ask("FCALL_RO halley_read 1 chat start 100 1");
    ck_assert_msg(strstr(one, " a]") != NULL && strstr(one, " 0 1 [") != NULL, "%s", one);
    ck_assert_ptr_nonnull(
        strstr(must_ask("FCALL_RO halley_read 1 chat start 100 99999999"), " h]"));
}
END_TEST

START_TEST(what_is_longer_than_is_asked_for_is_only_named_and_ends_the_page) {
    server_start(false);
    publish_all("chat", "ab");
    publish_long("chat", 300);
    const char *last = publish_all("chat", "c");
    static const struct {
        const char *since, *longest, *ends;
    } rows[] = {{"start", "299", " 300]]"}, {"-2", "299", " 300]]"}, {"start", "300", " c]]"}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *reply =
            must_ask("FCALL_RO halley_read 1 chat %s 100 1000 %s", rows[i].since, rows[i].longest);
        size_t length = strlen(reply), end = strlen(rows[i].ends);
        ck_assert_msg(strcmp(reply + length - end, rows[i].ends) == 0, "row %zu: %s", i, reply);
        ck_assert_msg((strstr(reply, " 0 1 [") != NULL) == (i < 2), "row %zu: %s", i, reply);
    }
    const char *reply = must_ask("FCALL_RO halley_read 1 chat %s 100 1000 10", at_n(last, 2));
    ck_assert_msg(strncmp(reply, keepf("[%s 0 1 [%s ", last, at_n(last, 3)), 12) == 0, "%s", reply);
}
END_TEST

UNIT_MAIN("lua_read", what_is_longer_than_is_asked_for_is_only_named_and_ends_the_page,
          the_last_of_a_long_history_cost_what_they_are,
          the_last_are_counted_exactly_whatever_was_done_to_the_history,
          a_page_of_the_last_begins_where_they_begin_through_more_epochs_than_it_brings,
          a_read_moves_little_more_than_it_brings, a_reader_may_ask_for_less_than_a_page,
          every_way_to_begin_finds_its_place, a_page_ends_in_front_of_an_id,
          a_channel_that_does_not_exist_has_nothing_and_no_gap,
          what_the_limit_leaves_over_comes_with_the_next,
          a_page_is_bounded_in_bytes_and_has_at_least_one_message,
          a_cursor_older_than_the_trimmed_history_has_a_gap,
          a_gap_is_told_with_the_first_of_several_pages_only,
          a_cursor_at_the_end_of_an_expired_history_has_no_gap,
          a_history_of_nothing_owes_whoever_was_behind,
          a_position_from_before_the_channel_began_gets_everything_without_a_gap,
          a_position_from_before_a_channel_that_was_trimmed_since_has_a_gap,
          a_position_of_the_same_millisecond_misses_nothing,
          a_number_that_was_never_given_is_a_gap_once,
          an_entry_that_was_deleted_inside_the_history_is_a_gap,
          an_entry_that_was_deleted_at_the_end_of_the_history_is_a_gap,
          after_a_foreign_entry_readers_are_told_of_a_gap_and_go_on,
          a_foreign_entry_at_the_end_does_not_keep_a_reader_turning,
          a_redis_that_lost_everything_tells_a_gap_once,
          a_redis_that_forgot_the_last_messages_takes_no_new_one_for_an_old_one,
          who_was_told_at_once_after_a_restart_is_not_told_again,
          a_position_of_an_older_epoch_gets_what_is_held_and_a_gap,
          a_position_of_a_later_epoch_is_a_gap_once, a_channel_whose_counter_is_gone_tells_a_gap,
          a_key_of_the_wrong_type_is_an_error_for_that_channel_alone, reading_writes_nothing)

/* core/redis/halley.lua, publishing: ids without holes, what is kept and for how long,
 * idempotency, rate limits, and what is refused without leaving a trace.
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

/* As halley.fcgi publishes for a browser; "" for no idempotency key, and for a rate that is not
 * over. */
static const char *post(const char *channel, const char *payload, const char *key, const char *who,
                        const char *over) {
    return ask("FCALL halley_post 1 %s %s 1000 3600 65536 604800 %s 300 %s %s", channel, payload,
               key, who, over);
}

/* Milliseconds that `who` has to wait until he may publish to the section of `pattern`. */
static long rate(const char *pattern, const char *who, int count, int seconds) {
    return atol(
        must_ask("FCALL halley_rate 1 halley.rate:%s:%s %d %d 1", pattern, who, count, seconds));
}

static const char *held(const char *channel) {
    return must_ask("XLEN halley.history:{%s}", channel);
}

/* Publishes `len` bytes of payload. */
static const char *publish_bytes(const char *channel, size_t channel_len, const char *payload,
                                 size_t len) {
    const char *const argv[] = {"FCALL", "halley_publish", "1", channel, payload};
    const size_t lens[] = {5, 14, 1, channel_len, len};
    return ask_bytes(5, argv, lens);
}

START_TEST(ids_count_from_one_without_a_hole) {
    server_start(false);
    const char *first = publish("chat", "a");
    ck_assert_uint_eq(n_of(first), 1);
    for (unsigned i = 2; i <= 300; i++) {
        const char *id = publish("chat", "a");
        ck_assert_uint_eq(n_of(id), i);
        ck_assert_uint_eq(epoch_of(id), epoch_of(first));
    }
    ck_assert_uint_eq(n_of(publish("news", "a")), 1);
}
END_TEST

START_TEST(the_epoch_is_the_millisecond_in_which_the_channel_began) {
    unsigned long long seconds, before, after, micro;

    server_start(false);
    ck_assert_int_eq(sscanf(ask("TIME"), "[%llu %llu]", &seconds, &micro), 2);
    before = seconds * 1000 + micro / 1000;
    uint64_t epoch = epoch_of(publish("chat", "a"));
    ck_assert_int_eq(sscanf(ask("TIME"), "[%llu %llu]", &seconds, &micro), 2);
    after = seconds * 1000 + micro / 1000;
    ck_assert_uint_ge(epoch, before);
    ck_assert_uint_le(epoch, after);
}
END_TEST

START_TEST(an_entry_of_the_history_has_the_id_the_time_and_the_payload) {
    server_start(false);
    const char *id = publish("chat", "hello there");
    char found[64], at[32];
    int end = 0;

    const char *entries = ask("XRANGE halley.history:{chat} - +");
    ck_assert_msg(sscanf(entries, "[[%63s [at %31s data hello there]]]%n", found, at, &end) == 2 &&
                      entries[end] == '\0',
                  "%s", entries);
    ck_assert_str_eq(found, id);
    ck_assert_uint_eq(strlen(at), 13);
}
END_TEST

START_TEST(the_live_feed_carries_id_time_and_payload) {
    server_start(false);
    listen_to("halley.live:{chat}");
    const char *id = publish("chat", "two words");
    const char *at = ask("XRANGE halley.history:{chat} %s %s", id, id);
    char time[32];

    ck_assert_int_eq(sscanf(at, "[[%*s [at %31s", time), 1);
    ck_assert_str_eq(heard(1), keepf("halley.live:{chat}: %s %s two words\n", id, time));
}
END_TEST

START_TEST(payloads_are_bytes) {
    static const char payload[] = "\0\r\n\xff\xfe binary";

    server_start(false);
    const char *id = publish_bytes("chat", 4, payload, sizeof payload - 1);
    ck_assert_uint_eq(n_of(id), 1);
    ck_assert_str_eq(ask("EVAL %s 0", "local e = redis.call('XRANGE', 'halley.history:{chat}', '-',"
                                      " '+')[1][2][4]; return #e .. ' ' .. string.byte(e, 4)"),
                     "12 255");
}
END_TEST

START_TEST(the_history_is_trimmed_and_the_counter_goes_on) {
    server_start(false);
    for (int i = 0; i < 5; i++)
        must_ask("FCALL halley_publish 1 chat x HISTORY 3");
    ck_assert_str_eq(held("chat"), "3");
    ck_assert_uint_eq(n_of(must_ask("FCALL halley_publish 1 chat x history 3")), 6);
}
END_TEST

START_TEST(a_history_of_nothing_still_counts_and_tells) {
    server_start(false);
    listen_to("halley.live:{chat}");
    must_ask("FCALL halley_publish 1 chat a HISTORY 0");
    ck_assert_uint_eq(n_of(must_ask("FCALL halley_publish 1 chat b HISTORY 0")), 2);
    ck_assert_str_eq(held("chat"), "0");
    ck_assert_ptr_nonnull(strstr(heard(2), " b\n"));
}
END_TEST

START_TEST(the_default_history_is_a_thousand_messages) {
    server_start(false);
    const char *id = NULL;
    for (int i = 0; i < 1003; i++)
        id = publish("chat", "x");
    ck_assert_uint_eq(n_of(id), 1003);
    ck_assert_str_eq(held("chat"), "1000");
}
END_TEST

static long pttl(const char *key) {
    return strtol(ask("PTTL %s", key), NULL, 10);
}

START_TEST(an_idle_history_expires_and_its_counter_long_after) {
    server_start(false);
    must_ask("FCALL halley_publish 1 chat x TTL 5");
    ck_assert_int_gt(pttl("halley.history:{chat}"), 4000);
    ck_assert_int_le(pttl("halley.history:{chat}"), 5000);
    ck_assert_int_gt(pttl("halley.meta:{chat}"), 604700000L);
    must_ask("FCALL halley_publish 1 chat x TTL 1000000");
    ck_assert_int_gt(pttl("halley.meta:{chat}"), 1999000000L); /* twice the history's */
}
END_TEST

START_TEST(every_publish_renews_both_lives) {
    server_start(false);
    publish("chat", "a");
    ck_assert_str_eq(ask("PEXPIRE halley.history:{chat} 60000"), "1");
    ck_assert_str_eq(ask("PEXPIRE halley.meta:{chat} 60000"), "1");
    publish("chat", "b");
    ck_assert_int_gt(pttl("halley.history:{chat}"), 3599000);
    ck_assert_int_gt(pttl("halley.meta:{chat}"), 604700000L);
}
END_TEST

START_TEST(numbers_go_on_after_the_history_has_expired) {
    server_start(false);
    const char *first = publish("chat", "a");
    publish("chat", "b");
    ask("PEXPIRE halley.history:{chat} 1");
    until(strcmp(ask("EXISTS halley.history:{chat}"), "0") == 0, "it does not expire");
    const char *id = publish("chat", "c");
    ck_assert_uint_eq(n_of(id), 3);
    ck_assert_uint_eq(epoch_of(id), epoch_of(first));
}
END_TEST

START_TEST(a_channel_idle_beyond_its_counter_begins_a_later_epoch) {
    server_start(false);
    const char *old = publish("chat", "a");
    ask("PEXPIRE halley.meta:{chat} 1");
    until(strcmp(ask("EXISTS halley.meta:{chat}"), "0") == 0, "it does not expire");
    const char *id = publish("chat", "b");
    ck_assert_uint_eq(n_of(id), 1);
    ck_assert_uint_gt(epoch_of(id), epoch_of(old));
}
END_TEST

START_TEST(an_idempotency_key_publishes_once) {
    server_start(false);
    const char *first = must_ask("FCALL halley_publish 1 chat a IDEMPOTENCY k1");
    ck_assert_str_eq(must_ask("FCALL halley_publish 1 chat other IDEMPOTENCY k1"), first);
    ck_assert_str_eq(held("chat"), "1");
    ck_assert_uint_eq(n_of(must_ask("FCALL halley_publish 1 chat b IDEMPOTENCY k2")), 2);
    ck_assert_uint_eq(n_of(must_ask("FCALL halley_publish 1 news a IDEMPOTENCY k1")), 1);
    ck_assert_int_gt(pttl("halley.idempotency:{chat}:k1"), 299000);
    ck_assert_int_le(pttl("halley.idempotency:{chat}:k1"), 300000);
}
END_TEST

/* What a repetition of the post that was answered `first` is answered. */
static const char *repetition_of(const char *first) {
    return keepf("%.*s 1]", (int)strlen(first) - 3, first);
}

START_TEST(a_repeated_post_returns_the_first_answer_with_its_time) {
    server_start(false);
    const char *first = post("chat", "a", "key", "1.2.3.4", "");
    ck_assert_int_eq(first[0], '[');
    ck_assert_str_eq(post("chat", "b", "key", "1.2.3.4", ""), repetition_of(first));
    ck_assert_str_eq(held("chat"), "1");
    ck_assert_str_ne(post("chat", "a", "", "1.2.3.4", ""), first);
    ck_assert_str_ne(post("chat", "a", "", "1.2.3.4", ""), first);
    ck_assert_str_eq(held("chat"), "3");
}
END_TEST

START_TEST(an_idempotency_key_can_be_used_again_when_it_has_expired) {
    server_start(false);
    must_ask("FCALL halley_publish 1 chat a IDEMPOTENCY k1");
    ask("PEXPIRE halley.idempotency:{chat}:k1 1");
    until(strcmp(ask("EXISTS halley.idempotency:{chat}:k1"), "0") == 0, "it does not expire");
    ck_assert_uint_eq(n_of(must_ask("FCALL halley_publish 1 chat a IDEMPOTENCY k1")), 2);
}
END_TEST

/* One command whose words stand between single spaces. */
static const char *ask_words(char *text) {
    const char *argv[16];
    size_t lens[16];
    int argc = 0;

    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc] = word;
        lens[argc++] = strlen(word);
    }
    return ask_bytes(argc, argv, lens);
}

/* Every command here must be refused with these words. */
START_TEST(wrong_calls_are_refused_and_leave_nothing) {
    static const struct {
        const char *call, *says;
    } rows[] = {{"halley_publish 0 chat", "usage"},
                {"halley_publish 1 chat", "usage"},
                {"halley_publish 2 chat news x", "usage"},
                {"halley_publish 1 chat x TTL", "usage"},
                {"halley_publish 1 chat x COLOUR red", "no option is called COLOUR"},
                {"halley_publish 1 chat x TTL 0", "TTL: must be"},
                {"halley_publish 1 chat x TTL 1.5", "TTL: must be"},
                {"halley_publish 1 chat x TTL -5", "TTL: must be"},
                {"halley_publish 1 chat x TTL soon", "TTL: must be"},
                {"halley_publish 1 chat x TTL inf", "TTL: must be"},
                {"halley_publish 1 chat x TTL nan", "TTL: must be"},
                {"halley_publish 1 chat x TTL 315360001", "TTL: must be"},
                {"halley_publish 1 chat x HISTORY -1", "HISTORY: must be"},
                {"halley_publish 1 chat x HISTORY 1000001", "HISTORY: must be"},
                {"halley_publish 1 chat x HISTORY 2 TTL x", "TTL: must be"}};

    server_start(false);
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *answer = ask_words(keepf("FCALL %s", rows[i].call));
        ck_assert_msg(strncmp(answer, "!ERR ", 5) == 0 && strstr(answer, rows[i].says) != NULL,
                      "%s: %s", rows[i].call, answer);
    }
    const char *const empty[] = {"FCALL", "halley_publish", "1", "chat", "x", "IDEMPOTENCY", ""};
    const size_t lens[] = {5, 14, 1, 4, 1, 11, 0};
    ck_assert_ptr_nonnull(strstr(ask_bytes(7, empty, lens), "IDEMPOTENCY: must be"));
    ck_assert_str_eq(ask("DBSIZE"), "0");
}
END_TEST

static const struct name {
    const char *bytes;
    size_t len;
    const char *wrong; /* NULL: valid */
} names[] = {{"a", 1, NULL},
             {"room 1/north:east@2,3?x=y&z#%", 29, NULL},
             {"\xc3\xa9t\xc3\xa9", 5, NULL},
             {"\xe0\xa0\x80\xed\x9f\xbf\xef\xbf\xbf", 9, NULL},
             {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", 8, NULL},
             {"\xc2\xa0", 2, NULL},
             {"a~", 2, NULL},
             {"", 0, "1 to 200 bytes"},
             {"a\0b", 3, "control characters"},
             {"a\nb", 3, "control characters"},
             {"\x1f", 1, "control characters"},
             {"\x7f", 1, "control characters"},
             {"\xc2\x80", 2, "control characters"},
             {"x\xc2\x9fy", 4, "control characters"},
             {"a{b", 3, "{ } *"},
             {"a}b", 3, "{ } *"},
             {"a*", 2, "{ } *"},
             {"~a", 2, "reserved"},
             {"\xff", 1, "UTF-8"},
             {"\x80", 1, "UTF-8"},
             {"a\xbf", 2, "UTF-8"},
             {"\xc3", 1, "UTF-8"},
             {"\xc3"
              "a",
              2, "UTF-8"},
             {"\xc0\xaf", 2, "UTF-8"},
             {"\xc1\xbf", 2, "UTF-8"},
             {"\xe0\x9f\xbf", 3, "UTF-8"},
             {"\xed\xa0\x80", 3, "UTF-8"},
             {"\xed\xbf\xbf", 3, "UTF-8"},
             {"\xe2\x82", 2, "UTF-8"},
             {"ok\xe2\x82z", 5, "UTF-8"},
             {"\xf0\x8f\xbf\xbf", 4, "UTF-8"},
             {"\xf4\x90\x80\x80", 4, "UTF-8"},
             {"\xf0\x9f\x92", 3, "UTF-8"},
             {"\xf5\x80\x80\x80", 4, "UTF-8"},
             {"\xc3\xa9\xff", 3, "UTF-8"}};

START_TEST(channel_names_are_checked_here_too) {
    server_start(false);
    for (size_t i = 0; i < ROWS(names); i++) {
        const char *answer = publish_bytes(names[i].bytes, names[i].len, "x", 1);
        if (names[i].wrong == NULL)
            ck_assert_msg(answer[0] != '!', "row %zu: %s", i, answer);
        else
            ck_assert_msg(answer[0] == '!' && strstr(answer, names[i].wrong) != NULL, "row %zu: %s",
                          i, answer);
    }
}
END_TEST

START_TEST(a_refused_name_leaves_nothing_behind) {
    server_start(false);
    for (size_t i = 0; i < ROWS(names); i++) {
        const char *const argv[] = {
            "FCALL", "halley_post", "1",   names[i].bytes, "x",       "10", "10",
            "1000",  "604800",      "key", "300",          "1.2.3.4", "5",  "5"};
        size_t lens[14];
        for (size_t k = 0; k < 14; k++)
            lens[k] = k == 3 ? names[i].len : strlen(argv[k]);
        if (names[i].wrong != NULL)
            ck_assert_msg(ask_bytes(14, argv, lens)[0] == '!', "row %zu", i);
    }
    ck_assert_str_eq(ask("DBSIZE"), "0");
}
END_TEST

START_TEST(the_longest_name_is_200_bytes) {
    char name[201];

    server_start(false);
    memset(name, 'x', sizeof name);
    ck_assert_uint_eq(n_of(publish_bytes(name, 200, "a", 1)), 1);
    ck_assert_ptr_nonnull(strstr(publish_bytes(name, 201, "a", 1), "1 to 200 bytes"));
}
END_TEST

START_TEST(a_payload_over_the_maximum_is_refused_and_takes_no_number) {
    static char payload[65537];

    server_start(false);
    memset(payload, 'x', sizeof payload);
    ck_assert_uint_eq(n_of(publish_bytes("chat", 4, payload, 65536)), 1);
    ck_assert_ptr_nonnull(strstr(publish_bytes("chat", 4, payload, 65537), "the most is 65536"));
    ck_assert_uint_eq(n_of(publish("chat", "b")), 2);
}
END_TEST

START_TEST(what_the_programs_configured_holds_for_scripts_that_do_not_say) {
    server_start(false);
    must_ask("FCALL halley_post 1 chat a 2 50 5 604800 %s 300 x %s", "", "");
    for (int i = 0; i < 5; i++)
        publish("chat", "b");
    ck_assert_str_eq(held("chat"), "2");
    ck_assert_int_le(pttl("halley.history:{chat}"), 50000);
    ck_assert_ptr_nonnull(strstr(ask("FCALL halley_publish 1 chat 123456"), "the most is 5"));
    must_ask("FCALL halley_publish 1 chat c HISTORY 4 TTL 100");
    must_ask("FCALL halley_publish 1 chat c HISTORY 4 TTL 100");
    ck_assert_str_eq(held("chat"), "4");
    publish("chat", "d"); /* what a script said held for its own call */
    ck_assert_str_eq(held("chat"), "2");
}
END_TEST

START_TEST(a_rate_allows_a_burst_and_then_says_how_long_to_wait) {
    server_start(false);
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(rate("chat*", "1.2.3.4", 5, 100), 0);
    long wait = rate("chat*", "1.2.3.4", 5, 100);
    ck_assert_int_gt(wait, 18000);
    ck_assert_int_le(wait, 20000);
    ck_assert_int_eq(rate("chat*", "1.2.3.5", 5, 100), 0);
    ck_assert_int_eq(rate("news", "1.2.3.4", 5, 100), 0);
    ck_assert_int_gt(pttl("halley.rate:chat*:1.2.3.4"), 90000); /* and then there is no trace */
    ck_assert_int_le(pttl("halley.rate:chat*:1.2.3.4"), 101000);
}
END_TEST

START_TEST(waiting_as_long_as_was_said_is_enough) {
    server_start(false);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(rate("chat", "x", 20, 1), 0);
    until(rate("chat", "x", 20, 1) == 0, "never again");
}
END_TEST

START_TEST(what_is_given_back_may_be_taken_again_and_no_more) {
    server_start(false);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(rate("chat", "x", 3, 1000), 0);
    ck_assert_int_gt(rate("chat", "x", 3, 1000), 0);
    must_ask("FCALL halley_rate 1 halley.rate:chat:x 3 1000 -1");
    ck_assert_int_eq(rate("chat", "x", 3, 1000), 0);
    ck_assert_int_gt(rate("chat", "x", 3, 1000), 0);
    for (int i = 0; i < 9; i++)
        must_ask("FCALL halley_rate 1 halley.rate:chat:x 3 1000 -1");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(rate("chat", "x", 3, 1000), 0);
    ck_assert_int_gt(rate("chat", "x", 3, 1000), 0);
}
END_TEST

START_TEST(a_repeated_key_is_answered_although_the_rate_is_over) {
    server_start(false);
    const char *first = post("chat", "a", "key", "x", "");
    ck_assert_msg(strstr(first, " 0]") != NULL, "%s", first);
    ck_assert_str_eq(post("chat", "b", "", "x", "over:2500"), "!RATE 2500");
    ck_assert_str_eq(post("chat", "b", "other", "x", "over:2500"), "!RATE 2500");
    ck_assert_str_eq(post("chat", "a", "key", "x", "over:2500"), repetition_of(first));
    ck_assert_str_eq(held("chat"), "1");
}
END_TEST

START_TEST(a_key_is_a_repetition_of_its_own_publisher_only) {
    server_start(false);
    const char *mine = post("chat", "a", "key", "192.0.2.1", "");
    const char *his = post("chat", "b", "key", "192.0.2.2", "");
    const char *scripts = must_ask("FCALL halley_publish 1 chat c IDEMPOTENCY key");
    ck_assert_str_ne(mine, his);
    ck_assert_str_eq(held("chat"), "3");
    ck_assert_str_eq(must_ask("FCALL halley_publish 1 chat d IDEMPOTENCY key"), scripts);
    must_ask("FCALL halley_publish 1 chat e IDEMPOTENCY %s", "192.0.2.3 key");
    ck_assert_ptr_nonnull(strstr(post("chat", "f", "key", "192.0.2.3", ""), " 0]"));
    ck_assert_str_eq(held("chat"), "5");
}
END_TEST

START_TEST(the_wrong_type_of_one_channels_key_harms_no_other) {
    server_start(false);
    publish("good", "a");
    ask("SET halley.history:{bad} x");
    ask("SET halley.meta:{worse} x");
    ck_assert_int_eq(ask("FCALL halley_publish 1 bad a")[0], '!');
    ck_assert_int_eq(ask("FCALL halley_publish 1 worse a")[0], '!');
    ck_assert_uint_eq(n_of(publish("good", "b")), 2);
    ck_assert_str_eq(ask("EXISTS halley.meta:{bad}"), "0");
    ck_assert_str_eq(ask("EXISTS halley.history:{worse}"), "0");
    ask("DEL halley.history:{bad} halley.meta:{worse}");
    ck_assert_uint_eq(n_of(publish("bad", "a")), 1);
    ck_assert_uint_eq(n_of(publish("worse", "a")), 1);
}
END_TEST

START_TEST(somebody_elses_entry_in_the_stream_begins_a_new_epoch_above_it) {
    server_start(false);
    const char *old = publish("chat", "a");
    must_ask("XADD halley.history:{chat} 99999999999999-5 data foreign");
    const char *id = publish("chat", "b");
    ck_assert_uint_eq(n_of(id), 1);
    ck_assert_uint_gt(epoch_of(id), 99999999999999);
    ck_assert_uint_gt(epoch_of(id), epoch_of(old));
    ck_assert_uint_eq(n_of(publish("chat", "c")), 2);
}
END_TEST

START_TEST(a_foreign_entry_with_the_next_number_gets_no_second_owner) {
    server_start(false);
    const char *old = publish("chat", "a");
    must_ask("XADD halley.history:{chat} %llu-2 data foreign", (unsigned long long)epoch_of(old));
    const char *id = publish("chat", "b");
    ck_assert_uint_gt(epoch_of(id), epoch_of(old));
    ck_assert_str_eq(held("chat"), "3");
}
END_TEST

START_TEST(another_redis_process_begins_a_new_epoch) {
    server_start(false);
    publish("chat", "a");
    ask("SAVE");
    const char *lost = publish("chat", "b");
    server_kill_and_start();
    ck_assert_str_eq(held("chat"), "1");
    const char *id = publish("chat", "c");
    ck_assert_uint_eq(n_of(id), 1);
    ck_assert_uint_gt(epoch_of(id), epoch_of(lost));
    ck_assert_uint_eq(n_of(publish("chat", "d")), 2);
}
END_TEST

START_TEST(a_redis_that_lost_everything_begins_a_later_epoch) {
    server_start(false);
    const char *lost = publish("chat", "a");
    server_kill_and_start();
    ck_assert_str_eq(ask("EXISTS halley.meta:{chat}"), "0");
    ck_assert_uint_gt(epoch_of(publish("chat", "b")), epoch_of(lost));
}
END_TEST

START_TEST(an_append_only_file_keeps_what_was_acknowledged) {
    server_start(true);
    publish("chat", "a");
    publish("chat", "b");
    server_kill_and_start();
    ck_assert_str_eq(held("chat"), "2");
    ck_assert_uint_eq(n_of(publish("chat", "c")), 1); /* it cannot know that it lost nothing */
    ck_assert_str_eq(held("chat"), "3");
}
END_TEST

START_TEST(a_clock_that_went_back_does_not_take_the_epoch_with_it) {
    server_start(false);
    publish("chat", "a");
    must_ask("HSET halley.meta:{chat} epoch 99999999999999 run before");
    const char *id = publish("chat", "b");
    ck_assert_uint_eq(epoch_of(id), 100000000000000);
}
END_TEST

START_TEST(functions_that_write_are_not_read_only) {
    server_start(false);
    ck_assert_int_eq(ask("FCALL_RO halley_publish 1 chat a")[0], '!');
    ck_assert_int_ge(strtol(ask("FCALL_RO halley_version 0"), NULL, 10), 1);
}
END_TEST

/* What core/follow/tracking.c stands on. Of the live feed it does not hold. */
static void must_tell_first(bool append_only) {
    server_start(append_only);
    listen_to_changes("halley.meta:");
    for (int i = 0; i < 3000; i++) {
        must_ask("FCALL halley_publish 1 chat a");
        ck_assert_msg(changes_told(), "publish %d was answered first", i);
    }
    ck_assert(!changes_told());
}

START_TEST(a_change_is_told_before_the_publisher_is_answered) {
    must_tell_first(false);
}
END_TEST

START_TEST(so_it_is_where_redis_writes_a_file_before_it_answers) {
    must_tell_first(true);
}
END_TEST

UNIT_MAIN("lua_publish", ids_count_from_one_without_a_hole,
          the_epoch_is_the_millisecond_in_which_the_channel_began,
          an_entry_of_the_history_has_the_id_the_time_and_the_payload,
          the_live_feed_carries_id_time_and_payload, payloads_are_bytes,
          the_history_is_trimmed_and_the_counter_goes_on,
          a_history_of_nothing_still_counts_and_tells, the_default_history_is_a_thousand_messages,
          an_idle_history_expires_and_its_counter_long_after, every_publish_renews_both_lives,
          numbers_go_on_after_the_history_has_expired,
          a_channel_idle_beyond_its_counter_begins_a_later_epoch, an_idempotency_key_publishes_once,
          a_repeated_post_returns_the_first_answer_with_its_time,
          an_idempotency_key_can_be_used_again_when_it_has_expired,
          wrong_calls_are_refused_and_leave_nothing, channel_names_are_checked_here_too,
          a_refused_name_leaves_nothing_behind, the_longest_name_is_200_bytes,
          a_payload_over_the_maximum_is_refused_and_takes_no_number,
          what_the_programs_configured_holds_for_scripts_that_do_not_say,
          a_rate_allows_a_burst_and_then_says_how_long_to_wait,
          waiting_as_long_as_was_said_is_enough, what_is_given_back_may_be_taken_again_and_no_more,
          a_repeated_key_is_answered_although_the_rate_is_over,
          a_key_is_a_repetition_of_its_own_publisher_only,
          the_wrong_type_of_one_channels_key_harms_no_other,
          somebody_elses_entry_in_the_stream_begins_a_new_epoch_above_it,
          a_foreign_entry_with_the_next_number_gets_no_second_owner,
          another_redis_process_begins_a_new_epoch,
          a_redis_that_lost_everything_begins_a_later_epoch,
          an_append_only_file_keeps_what_was_acknowledged,
          a_clock_that_went_back_does_not_take_the_epoch_with_it,
          functions_that_write_are_not_read_only, a_change_is_told_before_the_publisher_is_answered,
          so_it_is_where_redis_writes_a_file_before_it_answers)

/* core/halley.lua, the worker's part: the lease, and sequencing by its holder alone. */
#include <stdio.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

static const char *lease(const char *owner, int milliseconds, const char *verb) {
    return ask("FCALL halley_lease 1 halley.lease:job %s %d %s", owner, milliseconds, verb);
}

/* Bare publish number `index` of `owner`; channel "" is a marker. */
static const char *sequence(const char *owner, int index, const char *channel,
                            const char *payload) {
    return ask("FCALL halley_sequence 2 %s halley.lease:job %s %d digest%d %s 1000 3600 10 604800",
               channel, owner, index, index, payload);
}

static const char *total(void) {
    return ask("HGET halley.lease:job total");
}

START_TEST(one_owner_has_the_lease_at_a_time) {
    server_start(false);
    ck_assert_str_eq(lease("a", 60000, "acquire"), "[1 60000 0 a]");
    const char *other = lease("b", 60000, "acquire");
    int left;
    ck_assert_msg(sscanf(other, "[0 %d 0 a]", &left) == 1, "%s", other);
    ck_assert_int_gt(left, 50000);
    ck_assert_int_le(left, 60000);
}
END_TEST

START_TEST(its_owner_renews_the_lease) {
    server_start(false);
    lease("a", 100, "acquire");
    ck_assert_str_eq(lease("a", 60000, "acquire"), "[1 60000 0 a]");
    ck_assert_int_eq(lease("b", 60000, "acquire")[1], '0');
}
END_TEST

START_TEST(a_lease_that_ran_out_is_anybodys) {
    server_start(false);
    lease("a", 20, "acquire");
    until(strncmp(lease("b", 60000, "acquire"), "[1 ", 3) == 0, "it does not run out");
    ck_assert_int_eq(lease("a", 60000, "acquire")[1], '0');
}
END_TEST

START_TEST(a_released_lease_is_free_at_once) {
    server_start(false);
    lease("a", 60000, "acquire");
    lease("a", 60000, "release");
    ck_assert_str_eq(lease("b", 60000, "acquire"), "[1 60000 0 b]");
}
END_TEST

START_TEST(only_its_owner_releases_a_lease) {
    server_start(false);
    lease("a", 60000, "acquire");
    lease("b", 60000, "release");
    ck_assert_int_eq(lease("b", 60000, "acquire")[1], '0');
    ck_assert_str_eq(sequence("a", 1, "", "m"), "");
}
END_TEST

START_TEST(the_holder_turns_publishes_into_history_in_order) {
    server_start(false);
    lease("a", 60000, "acquire");
    ck_assert_uint_eq(n_of(sequence("a", 1, "chat", "x")), 1);
    ck_assert_uint_eq(n_of(sequence("a", 2, "chat", "y")), 2);
    ck_assert_uint_eq(n_of(sequence("a", 3, "news", "z")), 1);
    ck_assert_str_eq(total(), "3");
    ck_assert_str_eq(ask("XLEN halley.history:{chat}"), "2");
}
END_TEST

START_TEST(nobody_else_sequences) {
    server_start(false);
    ck_assert_int_eq(strncmp(sequence("a", 1, "chat", "x"), "!LEASE ", 7), 0);
    lease("a", 60000, "acquire");
    ck_assert_int_eq(strncmp(sequence("b", 1, "chat", "x"), "!LEASE ", 7), 0);
    ck_assert_str_eq(ask("EXISTS halley.history:{chat} halley.meta:{chat}"), "0");
}
END_TEST

START_TEST(a_holder_that_was_paused_past_its_lease_does_no_harm) {
    server_start(false);
    lease("a", 10, "acquire");
    until(sequence("a", 99, "chat", "x")[1] == 'L', "it does not run out"); /* "!LEASE" at last */
    ck_assert_int_eq(strncmp(sequence("a", 1, "chat", "x"), "!LEASE ", 7), 0);
    lease("b", 60000, "acquire");
    ck_assert_uint_eq(n_of(sequence("b", 1, "chat", "x")), 1);
    ck_assert_int_eq(strncmp(sequence("a", 2, "chat", "y"), "!LEASE ", 7), 0);
    ck_assert_str_eq(total(), "1");
}
END_TEST

START_TEST(nothing_is_sequenced_twice_or_out_of_order) {
    server_start(false);
    lease("a", 60000, "acquire");
    ck_assert_str_eq(sequence("a", 2, "chat", "x"), "!ORDER expects 1");
    ck_assert_str_eq(sequence("a", 0, "chat", "x"), "!ORDER expects 1");
    sequence("a", 1, "chat", "x");
    ck_assert_str_eq(sequence("a", 1, "chat", "x"), "!ORDER expects 2");
    ck_assert_str_eq(ask("XLEN halley.history:{chat}"), "1");
}
END_TEST

START_TEST(a_new_holder_is_told_how_far_the_old_one_came) {
    server_start(false);
    lease("a", 60000, "acquire");
    sequence("a", 1, "chat", "x");
    sequence("a", 2, "chat", "y");
    lease("a", 60000, "release");
    ck_assert_str_eq(lease("b", 60000, "acquire"), "[1 60000 2 b]");
    ck_assert_uint_eq(n_of(sequence("b", 3, "chat", "z")), 3);
}
END_TEST

START_TEST(what_was_done_is_announced_with_its_digest) {
    server_start(false);
    listen_to("halley.sequenced");
    lease("a", 60000, "acquire");
    sequence("a", 1, "chat", "x");
    sequence("a", 2, "", "marker");
    ck_assert_str_eq(heard(2), "halley.sequenced: 1 digest1\nhalley.sequenced: 2 digest2\n");
}
END_TEST

START_TEST(a_marker_is_counted_and_becomes_no_message) {
    server_start(false);
    lease("a", 60000, "acquire");
    ck_assert_str_eq(sequence("a", 1, "", "marker"), "");
    ck_assert_str_eq(total(), "1");
    ck_assert_str_eq(ask("KEYS halley.history*"), "[]");
}
END_TEST

START_TEST(a_message_that_cannot_be_kept_is_passed_over) {
    server_start(false);
    lease("a", 60000, "acquire");
    ask("SET halley.history:{bad} x");
    ask("SET halley.meta:{worse} x");
    static const char *const channels[] = {"bad", "worse"};
    for (int i = 0; i < 2; i++) {
        const char *answer = sequence("a", i + 1, channels[i], "x");
        ck_assert_msg(strncmp(answer, "SKIPPED ", 8) == 0, "%s: %s", channels[i], answer);
    }
    const char *answer = sequence("a", 3, "chat", "12345678901");
    ck_assert_msg(strncmp(answer, "SKIPPED payload: 11 bytes", 25) == 0, "%s", answer);
    ck_assert_str_eq(total(), "3");
    ck_assert_uint_eq(n_of(sequence("a", 4, "chat", "x")), 1);
}
END_TEST

START_TEST(the_count_outlives_the_worker_and_the_process_of_redis) {
    server_start(true);
    lease("a", 60000, "acquire");
    sequence("a", 1, "chat", "x");
    server_kill_and_start();
    ck_assert_str_eq(lease("a", 60000, "acquire"), "[1 60000 1 a]");
    ck_assert_uint_eq(n_of(sequence("a", 2, "chat", "y")), 1);
}
END_TEST

UNIT_MAIN("lua_lease", one_owner_has_the_lease_at_a_time, its_owner_renews_the_lease,
          a_lease_that_ran_out_is_anybodys, a_released_lease_is_free_at_once,
          only_its_owner_releases_a_lease, the_holder_turns_publishes_into_history_in_order,
          nobody_else_sequences, a_holder_that_was_paused_past_its_lease_does_no_harm,
          nothing_is_sequenced_twice_or_out_of_order, a_new_holder_is_told_how_far_the_old_one_came,
          what_was_done_is_announced_with_its_digest, a_marker_is_counted_and_becomes_no_message,
          a_message_that_cannot_be_kept_is_passed_over,
          the_count_outlives_the_worker_and_the_process_of_redis)

/* core/redis/halley.lua: where a gap is told, and what is owed where the clock went back, a key of
 * a channel is gone, or somebody wrote into its stream by hand. Nothing is told twice, and
 * nothing is lost without a gap.
 *
 * Messages are letters. A read is written as "ab-cd": a gap stands where the hole is, and
 * "ab+" says that there is more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/keep.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

static const char *publish_all(const char *channel, const char *letters) {
    const char *id = NULL;
    for (; *letters != '\0'; letters++)
        id = must_ask("FCALL halley_publish 1 %s %s", channel, keepf("%c", *letters));
    return id;
}

static const char *tail; /* where the last page() left its reader */

/* One page; *ids are those of its messages, in order. */
static const char *page(const char *since, int limit, const char **ids) {
    const char *reply = must_ask("FCALL_RO halley_read 1 chat %s %d", since, limit);
    char place[64], at[32], id[64], letter;
    int hole, more, used = 0, count = 0;
    char *text = keepf("%s", "");

    ck_assert_msg(sscanf(reply, "[%63s %d %d [%n", place, &hole, &more, &used) == 3, "%s", reply);
    tail = keepf("%s", place);
    for (const char *from = reply + used; *from != ']'; from += used) {
        ck_assert_msg(sscanf(from, "%63s %31s %c%n", id, at, &letter, &used) == 3, "%s", reply);
        used += from[used] == ' ';
        text = keepf("%s%s%c", text, ++count == hole ? "-" : "", letter);
        if (ids != NULL)
            ids[count - 1] = keepf("%s", id);
    }
    return keepf("%s%s%s", text, hole > count ? "-" : "", more ? "+" : "");
}

static const char *read_from(const char *since) {
    return page(since, 100, NULL);
}

/* How many of these ids follow each other from the first one on. */
static size_t run_of(const char *const *ids, size_t count) {
    size_t run = count > 0;

    while (run < count && epoch_of(ids[run]) == epoch_of(ids[run - 1]) &&
           n_of(ids[run]) == n_of(ids[run - 1]) + 1)
        run++;
    return run;
}

/* Everything that a reader is told who follows as the programs do: no batch goes across a
 * hole, and what is behind one is read from the last message in front of it. */
static const char *follow(const char *since) {
    char *all = keepf("%s", "");

    for (int round = 0;; round++) {
        const char *ids[100] = {0};
        const char *seen = page(since, 100, ids);
        size_t lead = strspn(seen, "-"), front = strcspn(seen + lead, "-+");
        size_t run = lead > 0 ? run_of(ids, front) : front;
        ck_assert_int_lt(round, 50);
        all = keepf("%s%.*s", all, (int)(lead + run), seen);
        if (seen[lead + run] == '\0')
            return all;
        ck_assert_uint_gt(run, 0);
        since = ids[run - 1];
    }
}

static const char *at_n(const char *id, unsigned long long n) {
    return keepf("%llu-%llu", (unsigned long long)epoch_of(id), n);
}

/* ------------------------------------------------------------ where the hole is */

START_TEST(a_gap_is_told_where_the_hole_is) {
    server_start(false);
    const char *last = publish_all("chat", "abcdef");
    must_ask("XDEL halley.history:{chat} %s", at_n(last, 3));
    ck_assert_str_eq(read_from(at_n(last, 0)), "ab-def");
    ck_assert_str_eq(read_from(at_n(last, 1)), "b-def");
    ck_assert_str_eq(read_from(at_n(last, 2)), "-def");
    ck_assert_str_eq(read_from(at_n(last, 3)), "def");
    must_ask("XDEL halley.history:{chat} %s", at_n(last, 5));
    ck_assert_str_eq(follow(at_n(last, 0)), "ab-d-f");
    must_ask("XDEL halley.history:{chat} %s", last);
    ck_assert_str_eq(follow(at_n(last, 0)), "ab-d-");
    ck_assert_str_eq(tail, last);
}
END_TEST

START_TEST(a_redis_that_lost_its_end_tells_the_gap_behind_what_it_kept) {
    server_start(false);
    const char *kept = publish_all("chat", "abc");
    ask("SAVE");
    publish_all("chat", "de");
    server_kill_and_start();
    pause_ms(2);
    publish_all("chat", "xy");
    ck_assert_str_eq(read_from(at_n(kept, 1)), "bc-xy");
    ck_assert_str_eq(follow(at_n(kept, 0)), "abc-xy");
    ck_assert_str_eq(read_from(kept), "-xy");
}
END_TEST

START_TEST(a_number_that_was_given_to_no_message_is_a_gap_at_its_place) {
    server_start(false);
    const char *last = publish_all("chat", "ab");
    must_ask("HINCRBY halley.meta:{chat} n 1");
    ck_assert_str_eq(read_from(last), "-");
    ck_assert_str_eq(tail, at_n(last, 3));
    ck_assert_str_eq(follow(at_n(last, 1)), "b-");
    publish_all("chat", "d");
    ck_assert_str_eq(follow(at_n(last, 1)), "b-d");
    ck_assert_str_eq(follow(at_n(last, 3)), "d");
}
END_TEST

/* ---------------------------------------------------------------- by other hands */

/* Entries as XADD * makes them, and where the first of them stands. */
static const char *by_hand(const char *letters) {
    const char *first = NULL;
    for (; *letters != '\0'; letters++) {
        const char *id = must_ask("XADD halley.history:{chat} * data %s", keepf("%c", *letters));
        ck_assert_uint_eq(n_of(id), 0);
        first = first != NULL ? first : id;
        pause_ms(2);
    }
    return first;
}

/* The place in front of such an entry, as the programs write it. */
static const char *in_front_of(const char *id) {
    return keepf("%llu-9007199254740991", (unsigned long long)epoch_of(id) - 1);
}

START_TEST(entries_made_by_hand_are_read_resumed_and_followed) {
    server_start(false);
    const char *first = by_hand("abc");
    ck_assert_str_eq(read_from("start"), "abc");
    const char *end = tail;
    ck_assert_str_eq(read_from(end), "");
    /* no counter vouches for what is between them */
    ck_assert_str_eq(follow(in_front_of(first)), "a-b-c");
    ck_assert_str_eq(follow(first), "-b-c");
    publish_all("chat", "de");
    ck_assert_str_eq(read_from(end), "de");
    ck_assert_str_eq(follow(in_front_of(first)), "a-b-c-de");
    ck_assert_str_eq(read_from("start"), "abcde");
}
END_TEST

/* Its history says that there was something, also where that is trimmed. */
START_TEST(who_was_here_before_a_channel_that_lost_its_counter_is_told_of_a_gap) {
    server_start(false);
    ck_assert_str_eq(read_from("now"), "");
    const char *before = tail;
    pause_ms(2);
    publish_all("chat", "ab");
    must_ask("DEL halley.meta:{chat}");
    must_ask("XTRIM halley.history:{chat} MAXLEN 0");
    pause_ms(2);
    ck_assert_str_eq(read_from("now"), "");
    const char *since = tail;
    pause_ms(2);
    publish_all("chat", "cd");
    ck_assert_str_eq(follow(before), "-cd");
    ck_assert_str_eq(follow(since), "cd");
}
END_TEST

START_TEST(an_entry_made_by_hand_between_ours_is_neither_lost_nor_told_twice) {
    server_start(false);
    const char *last = publish_all("chat", "ab");
    pause_ms(2);
    const char *hand = by_hand("x");
    const char *next = publish_all("chat", "cd");
    ck_assert_str_eq(follow(at_n(last, 1)), "b-xcd");
    ck_assert_str_eq(follow(hand), "cd"); /* a place in front of ours, as far as its id says */
    ck_assert_str_eq(follow(at_n(next, 1)), "d");
}
END_TEST

START_TEST(an_entry_above_all_numbers_does_not_stop_the_channel) {
    static const char *const ids[] = {"9007199254740991-1", "9007199254740992-0",
                                      "18446744073709551615-18446744073709551615",
                                      "18446744073709551615-0"};

    server_start(false);
    for (size_t i = 0; i < ROWS(ids); i++) {
        ask("FLUSHALL");
        const char *last = publish_all("chat", "ab");
        must_ask("XADD halley.history:{chat} %s data x", ids[i]);
        ck_assert_str_eq(read_from("now"), "");
        const char *next = publish_all("chat", "cd");
        ck_assert_msg(epoch_of(next) < 9007199254740991, "%s", next);
        const char *seen = follow(last);
        ck_assert_msg(strcmp(seen, "-cd") == 0 || strcmp(seen, "-x-cd") == 0, "%s: %s", ids[i],
                      seen);
        ck_assert_str_eq(follow(next), "");
    }
}
END_TEST

START_TEST(a_number_above_all_numbers_is_left_out) {
    server_start(false);
    const char *last = publish_all("chat", "ab");
    must_ask("XADD halley.history:{chat} %s data x", at_n(last, 18446744073709551615ULL));
    publish_all("chat", "c");
    ck_assert_str_eq(read_from("start"), "abc");
    ck_assert_str_eq(follow(at_n(last, 1)), "b-c");
}
END_TEST

/* --------------------------------------------------------------------- the clock */

#define NOON UINT64_C(1795219200000)

START_TEST(a_clock_that_is_set_back_makes_no_gap_on_a_new_channel) {
    server_start(false);
    server_clock(NOON);
    read_from("now"); /* the functions look at the clock for the first time */
    server_clock(NOON - 3600000);
    ck_assert_str_eq(read_from("now"), "");
    const char *before = tail;
    ck_assert_str_eq(read_from(before), "");
    publish_all("chat", "ab");
    ck_assert_str_eq(read_from(before), "ab");
}
END_TEST

START_TEST(a_clock_set_back_after_somebody_came_makes_no_gap_either) {
    server_start(false);
    server_clock(NOON);
    ck_assert_str_eq(read_from("now"), "");
    server_clock(NOON + 5000);
    read_from("now");
    const char *before = tail;
    server_clock(NOON - 3600000);
    const char *last = publish_all("chat", "ab");
    ck_assert_str_eq(read_from(before), "ab");
    ck_assert_str_eq(read_from(at_n(last, 1)), "b");
    server_clock(NOON + 10000);
    publish_all("chat", "c");
    ck_assert_str_eq(read_from(before), "abc");
}
END_TEST

START_TEST(a_clock_behind_what_is_held_makes_nothing_told_twice) {
    server_start(true);
    publish_all("chat", "ab");
    server_kill_and_start();
    server_clock(1000000000000); /* long before those */
    ck_assert_str_eq(read_from("now"), "");
    const char *now = tail;
    ck_assert_str_eq(read_from(now), "");
    publish_all("chat", "c");
    ck_assert_str_eq(read_from(now), "c");
}
END_TEST

/* ----------------------------------------- the functions are gone, the master is another */

/* A program reports itself, as all do that run. */
static void report(void) {
    must_ask("FCALL halley_report 1 halley.processes p:1 {} 16");
}

START_TEST(functions_that_were_loaded_anew_make_no_gap_on_a_new_channel) {
    server_start(false);
    report();
    for (int i = 0; i < 3; i++) {
        ask("DEL halley.meta:{chat} halley.history:{chat}");
        pause_ms(2);
        ck_assert_str_eq(read_from("now"), "");
        const char *before = tail;
        pause_ms(2);
        server_flush_functions();
        ck_assert_str_eq(read_from(before), "");
        publish_all("chat", "ab");
        ck_assert_str_eq(read_from(before), "ab");
        server_flush_functions();
        ck_assert_str_eq(read_from(before), "ab");
    }
}
END_TEST

START_TEST(functions_loaded_by_a_later_process_tell_what_an_earlier_one_may_have_lost) {
    server_start(true);
    report();
    ck_assert_str_eq(read_from("now"), "");
    const char *before = tail;
    server_kill_and_start();
    report();
    pause_ms(2);
    server_flush_functions();
    publish_all("chat", "ab");
    ck_assert_str_eq(read_from(before), "-ab");
}
END_TEST

START_TEST(a_master_that_was_a_replica_meanwhile_gives_no_number_again) {
    server_start(false);
    const char *last = publish_all("chat", "abc");
    server_promote();
    /* what the other master had not heard of when it took over */
    must_ask("XDEL halley.history:{chat} %s", last);
    must_ask("XSETID halley.history:{chat} %s", at_n(last, 2));
    must_ask("HSET halley.meta:{chat} n 2");
    publish_all("chat", "xy");
    ck_assert_str_eq(follow(last), "-xy");
    ck_assert_str_eq(follow(at_n(last, 1)), "b-xy");
}
END_TEST

START_TEST(a_master_that_was_a_replica_tells_who_was_there_before_a_channel_of_a_gap) {
    server_start(false);
    report();
    ck_assert_str_eq(read_from("now"), "");
    const char *before = tail;
    server_promote(); /* a message that the other master took, and no replica heard, is lost */
    publish_all("chat", "ab");
    ck_assert_str_eq(read_from(before), "-ab");
    /* and then it is a master as any */
    ask("DEL halley.meta:{chat} halley.history:{chat}");
    pause_ms(2);
    ck_assert_str_eq(read_from("now"), "");
    before = tail;
    report();
    server_flush_functions();
    publish_all("chat", "cd");
    ck_assert_str_eq(read_from(before), "cd");
}
END_TEST

/* ------------------------------------------------------------------ keys are gone */

START_TEST(a_stream_whose_counter_is_gone_is_told_on_with_one_gap_at_its_end) {
    server_start(false);
    read_from("now");
    const char *before = tail;
    pause_ms(2);
    const char *last = publish_all("chat", "abcd");
    ask("DEL halley.meta:{chat}");
    ck_assert_str_eq(follow(at_n(last, 1)), "bcd-");
    const char *told = tail;
    ck_assert_str_eq(follow(told), "");
    ck_assert_str_eq(follow(last), "-"); /* others may have been behind it */
    ck_assert_str_eq(follow(before), "-abcd-");
    ck_assert_str_eq(page(at_n(last, 1), 2, NULL), "bc+");
    publish_all("chat", "ef");
    ck_assert_str_eq(follow(told), "ef");
    ck_assert_str_eq(follow(last), "-ef");
    ck_assert_str_eq(follow(at_n(last, 2)), "cd-ef");
    ck_assert_str_eq(follow(before), "-abcd-ef"); /* nothing of it is lost in silence */
}
END_TEST

START_TEST(a_counter_whose_stream_is_gone_owes_a_gap_to_who_was_behind) {
    server_start(false);
    const char *last = publish_all("chat", "abc");
    ask("DEL halley.history:{chat}");
    ck_assert_str_eq(follow(at_n(last, 1)), "-");
    ck_assert_str_eq(tail, last);
    ck_assert_str_eq(follow(last), "");
    publish_all("chat", "d");
    ck_assert_str_eq(follow(last), "d");
    ck_assert_str_eq(follow(at_n(last, 1)), "-d");
}
END_TEST

START_TEST(where_both_are_gone_whoever_had_a_message_is_told_of_a_gap_once) {
    server_start(false);
    const char *last = publish_all("chat", "abc");
    ask("DEL halley.history:{chat} halley.meta:{chat}");
    ck_assert_str_eq(follow(at_n(last, 1)), "-");
    const char *told = tail;
    ck_assert_str_eq(follow(told), "");
    publish_all("chat", "de");
    ck_assert_str_eq(follow(told), "de");
    ck_assert_str_eq(follow(last), "-de");
}
END_TEST

UNIT_MAIN("lua_gaps", a_gap_is_told_where_the_hole_is,
          a_redis_that_lost_its_end_tells_the_gap_behind_what_it_kept,
          a_number_that_was_given_to_no_message_is_a_gap_at_its_place,
          entries_made_by_hand_are_read_resumed_and_followed,
          who_was_here_before_a_channel_that_lost_its_counter_is_told_of_a_gap,
          an_entry_made_by_hand_between_ours_is_neither_lost_nor_told_twice,
          an_entry_above_all_numbers_does_not_stop_the_channel,
          a_number_above_all_numbers_is_left_out,
          a_clock_that_is_set_back_makes_no_gap_on_a_new_channel,
          a_clock_set_back_after_somebody_came_makes_no_gap_either,
          a_clock_behind_what_is_held_makes_nothing_told_twice,
          functions_that_were_loaded_anew_make_no_gap_on_a_new_channel,
          functions_loaded_by_a_later_process_tell_what_an_earlier_one_may_have_lost,
          a_master_that_was_a_replica_meanwhile_gives_no_number_again,
          a_master_that_was_a_replica_tells_who_was_there_before_a_channel_of_a_gap,
          a_stream_whose_counter_is_gone_is_told_on_with_one_gap_at_its_end,
          a_counter_whose_stream_is_gone_owes_a_gap_to_who_was_behind,
          where_both_are_gone_whoever_had_a_message_is_told_of_a_gap_once)

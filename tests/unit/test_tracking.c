/* core/follow/tracking: beside a Redis that says what the test says. */
#include "core/follow/tracking.h"

#include <unistd.h>

#include "core/follow/order.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { MANY = 200 }; /* polls in a second that are worth a connection */

static struct ev_loop *loop;
static struct config config = {.tracking = 1};
static struct follow_counts counts;
static struct tracking *tracking;

static void begin_at(const char *url) {
    loop = ev_loop_new(0);
    config.redis = keepf("%s", url);
    counts = (struct follow_counts){0};
    tracking = tracking_new(loop, &config, &counts);
}

static void begin(void) {
    begin_at("unix:/run/redis.sock");
}

static void end(void) {
    tracking_free(tracking);
    ev_loop_destroy(loop);
}

static void poll_often(void) {
    for (int i = 0; i < MANY; i++)
        (void)tracking_spares_fence(tracking);
}

static struct redis *connection(void) {
    return fake_find("halley.fcgi-tracking");
}

static redis_reply *info(long process, const char *version) {
    return reply_text(
        keepf("# Server\r\nredis_version:%s\r\nprocess_id:%ld\r\n", version, process));
}

static struct redis *writer(void) {
    return fake_find("halley.fcgi-writer");
}

static struct redis *ballast(void) {
    return fake_find("halley.fcgi-ballast");
}

static void answer_ballast(void) {
    while (fake_waiting(ballast()) > 0)
        fake_answer(ballast(), reply_text("much"));
}

/* One round of the trial, whose change is told in time or not. */
static void try_round(bool told) {
    loop_until(loop, fake_waiting(writer()) > 0);
    if (told)
        fake_say_later(connection(), "__redis__:invalidate", "");
    fake_expect(writer(), keepf("SET halley.meta:~order:%d x PX 60000", (int)getpid()),
                reply_text("OK"));
    tracking_look(tracking); /* not what reads it: it is not relied on yet */
    answer_ballast();
    fake_deliver(connection());
}

static void begin_trial(void) {
    fake_up(writer());
    fake_up(ballast());
    answer_ballast();
}

static void try_order(void) {
    begin_trial();
    for (int i = 0; i < ORDER_ROUNDS; i++) {
        ck_assert(!tracking_spares_fence(tracking));
        try_round(true);
    }
    loop_until(loop, writer() == NULL);
}

/* Many polls come, and Redis answers what it is asked until it tracks; that is tried, too. */
static void ask_to_track(void) {
    poll_often();
    fake_up(connection());
    fake_expect(connection(), "INFO server", info(FAKE_PEER, "7.0.15"));
    fake_expect(connection(), "CONFIG GET io-threads",
                reply_list(2, reply_text("io-threads"), reply_text("1")));
    fake_expect(connection(), "CLIENT ID", reply_number(12));
    fake_expect(connection(),
                "CLIENT TRACKING ON REDIRECT 12 BCAST PREFIX halley.meta:", reply_text("OK"));
    ck_assert_str_eq(fake_subscriptions(connection()), "subscribe __redis__:invalidate");
    fake_confirm(connection());
}

static void set_up(void) {
    ask_to_track();
    try_order();
}

static void become_fresh(uint64_t number) {
    tracking_fence_asked(tracking, number);
    tracking_fence_passed(tracking, number);
    ck_assert(tracking_spares_fence(tracking));
}

START_TEST(few_polls_are_not_worth_a_connection) {
    begin();
    for (int i = 0; i < MANY - 1; i++)
        ck_assert(!tracking_spares_fence(tracking));
    tracking_judge(tracking);
    for (int i = 0; i < MANY - 1; i++)
        ck_assert(!tracking_spares_fence(tracking));
    ck_assert_ptr_null(connection());
    ck_assert(!tracking_spares_fence(tracking));
    ck_assert_ptr_nonnull(connection());
    end();
}
END_TEST

START_TEST(memory_is_fresh_once_a_sign_of_life_came_that_was_asked_for_after_it_began) {
    begin();
    tracking_fence_asked(tracking, 3); /* before: it says nothing of what comes after it */
    set_up();
    tracking_fence_passed(tracking, 3);
    ck_assert(!tracking_spares_fence(tracking));
    tracking_fence_asked(tracking, 4);
    ck_assert(!tracking_spares_fence(tracking));
    tracking_fence_passed(tracking, 3);
    ck_assert(!tracking_spares_fence(tracking));
    tracking_fence_passed(tracking, 5); /* it, and a later one */
    ck_assert(tracking_spares_fence(tracking));
    ck_assert_uint_eq(counts.polls_fresh, 1);
    ck_assert_uint_eq(counts.pulses, 2);
    end();
}
END_TEST

START_TEST(what_changed_makes_it_stale_until_the_next_sign_of_life) {
    begin();
    set_up();
    become_fresh(1);
    fake_say_later(connection(), "__redis__:invalidate", "");
    ck_assert(tracking_spares_fence(tracking)); /* as of the last look */
    tracking_look(tracking);
    ck_assert(!tracking_spares_fence(tracking));
    tracking_fence_asked(tracking, 2);
    fake_say(connection(), "__redis__:invalidate", ""); /* after 2 was asked for */
    tracking_fence_passed(tracking, 2);
    ck_assert(!tracking_spares_fence(tracking));
    become_fresh(3);
    end();
}
END_TEST

START_TEST(nothing_is_known_while_the_connection_is_lost) {
    begin();
    set_up();
    become_fresh(1);
    fake_down(connection());
    ck_assert(!tracking_spares_fence(tracking));
    set_up();
    ck_assert(!tracking_spares_fence(tracking)); /* something may have changed meanwhile */
    become_fresh(2);
    end();
}
END_TEST

START_TEST(a_loss_in_the_midst_of_setting_up_begins_it_anew) {
    begin();
    poll_often();
    fake_up(connection());
    fake_expect(connection(), "INFO server", info(FAKE_PEER, "7.2.4"));
    fake_down(connection()); /* CONFIG is answered with nothing */
    ck_assert_uint_eq(fake_waiting(connection()), 0);
    set_up();
    become_fresh(1);
    end();
}
END_TEST

START_TEST(setting_up_that_gets_stuck_begins_anew) {
    begin();
    poll_often();
    fake_up(connection());
    for (int second = 0; second < 10; second++) {
        ck_assert_str_eq(fake_asked(connection()), "INFO server"); /* no answer */
        poll_often();
        tracking_judge(tracking);
    }
    ck_assert_ptr_null(connection());
    set_up();
    become_fresh(1);
    end();
}
END_TEST

/* What Redis says on the way, and that it will do no more. */
static const struct {
    const char *what, *version, *threads;
    long process;
} unsuitable[] = {
    {"another process is at the other end", "7.0.15", "1", FAKE_PEER + 1},
    {"another version", "8.0.0", "1", FAKE_PEER},
    {"an older version", "6.2.7", "1", FAKE_PEER},
    {"threads", "7.0.15", "4", FAKE_PEER},
};

static void must_refuse(size_t row) {
    begin();
    poll_often();
    fake_up(connection());
    fake_expect(connection(), "INFO server",
                info(unsuitable[row].process, unsuitable[row].version));
    if (fake_waiting(connection()) > 0)
        fake_answer(connection(),
                    reply_list(2, reply_text("io-threads"), reply_text(unsuitable[row].threads)));
    ck_assert_msg(fake_waiting(connection()) == 0, "%s", unsuitable[row].what);
    ck_assert(!tracking_spares_fence(tracking));
    tracking_judge(tracking);
    ck_assert_ptr_null(connection());
}

START_TEST(a_redis_whose_order_is_not_known_will_not_do) {
    for (size_t row = 0; row < ROWS(unsuitable); row++) {
        must_refuse(row);
        end();
    }
}
END_TEST

START_TEST(a_redis_that_would_not_do_is_asked_again_after_a_minute) {
    must_refuse(0);
    for (int second = 0; second < 58; second++) {
        poll_often();
        ck_assert_ptr_null(connection());
        tracking_judge(tracking);
    }
    tracking_judge(tracking); /* a minute is over */
    set_up();
    end();
}
END_TEST

START_TEST(a_redis_that_answers_before_it_tells_of_the_change_will_not_do) {
    begin();
    ask_to_track();
    begin_trial();
    for (int i = 0; i < ORDER_ROUNDS - 1; i++)
        try_round(true);
    try_round(false);
    loop_until(loop, writer() == NULL);
    ck_assert(!tracking_spares_fence(tracking));
    ck_assert_uint_eq(counts.tracking, 0);
    tracking_judge(tracking);
    ck_assert_ptr_null(connection());
    end();
}
END_TEST

START_TEST(a_loss_in_the_midst_of_the_trial_begins_it_anew) {
    begin();
    ask_to_track();
    begin_trial();
    try_round(true);
    fake_down(connection());
    ck_assert_ptr_null(writer());
    set_up();
    become_fresh(1);
    ck_assert_uint_eq(counts.tracking, 1);
    end();
}
END_TEST

START_TEST(nothing_is_known_while_an_answer_to_itself_is_under_way) {
    begin();
    set_up();
    become_fresh(1);
    fake_owe(connection(), true);
    ck_assert(!tracking_spares_fence(tracking));
    fake_owe(connection(), false);
    ck_assert(tracking_spares_fence(tracking));
    end();
}
END_TEST

START_TEST(where_it_is_switched_off_there_is_no_connection) {
    begin();
    config.tracking = 0;
    poll_often();
    ck_assert_ptr_null(connection());
    config.tracking = 1;
    end();
}
END_TEST

START_TEST(a_redis_that_refuses_to_track_will_not_do) {
    begin();
    poll_often();
    fake_up(connection());
    fake_expect(connection(), "INFO server", reply_error("NOPERM"));
    ck_assert_uint_eq(fake_waiting(connection()), 0);
    tracking_judge(tracking);
    ck_assert_ptr_null(connection());
    end();
}
END_TEST

START_TEST(only_a_unix_socket_will_do) {
    begin_at("redis://127.0.0.1:6379");
    poll_often();
    ck_assert_ptr_null(connection());
    end();
}
END_TEST

/* Ten seconds of this, and it is not worth a connection. */
static void a_poor_second(bool polls, unsigned changes) {
    if (polls)
        poll_often();
    while (changes-- > 0)
        fake_say(connection(), "__redis__:invalidate", "");
    tracking_judge(tracking);
}

static void must_end_after_ten(bool polls, unsigned changes) {
    begin();
    set_up();
    for (int second = 0; second < 20; second++) {
        poll_often();
        fake_say(connection(), "__redis__:invalidate", "");
        tracking_judge(tracking);
    }
    for (int second = 0; second < 9; second++)
        a_poor_second(polls, changes);
    ck_assert_ptr_nonnull(connection());
    a_poor_second(polls, changes);
    ck_assert_ptr_null(connection());
    ck_assert(!tracking_spares_fence(tracking));
    end();
}

START_TEST(the_connection_ends_when_polls_are_few) {
    must_end_after_ten(false, 0);
}
END_TEST

START_TEST(the_connection_ends_when_changes_are_more_than_polls) {
    must_end_after_ten(true, MANY + 1);
}
END_TEST

UNIT_MAIN("tracking", few_polls_are_not_worth_a_connection,
          memory_is_fresh_once_a_sign_of_life_came_that_was_asked_for_after_it_began,
          what_changed_makes_it_stale_until_the_next_sign_of_life,
          nothing_is_known_while_the_connection_is_lost,
          a_loss_in_the_midst_of_setting_up_begins_it_anew, setting_up_that_gets_stuck_begins_anew,
          a_redis_whose_order_is_not_known_will_not_do,
          a_redis_that_would_not_do_is_asked_again_after_a_minute,
          a_redis_that_answers_before_it_tells_of_the_change_will_not_do,
          a_loss_in_the_midst_of_the_trial_begins_it_anew,
          nothing_is_known_while_an_answer_to_itself_is_under_way,
          where_it_is_switched_off_there_is_no_connection,
          a_redis_that_refuses_to_track_will_not_do, only_a_unix_socket_will_do,
          the_connection_ends_when_polls_are_few,
          the_connection_ends_when_changes_are_more_than_polls)

/* fcgi-app/rights/limits: how much a visitor may. */
#include "fcgi-app/rights/limits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "tests/unit/unit.h"

static struct config config;
static struct stats stats;
static struct problem problem;
static struct capacity *capacity;

static struct limits *limits_of(const struct config *wanted) {
    log_open("test", LOG_ERROR);
    config = *wanted;
    stats = (struct stats){0};
    capacity = capacity_new(&config, &stats);
    return limits_new(&config, &stats, capacity);
}

static void end(struct limits *limits) {
    capacity_free(capacity);
    limits_free(limits);
}

static bool read_at(struct limits *limits, const char *address, double now) {
    problem = (struct problem){0};
    return limits_read(limits, address, now, &problem);
}

START_TEST(a_rate_is_a_burst_and_then_even) {
    struct limits *limits =
        limits_of(&(struct config){.read_rate_count = 10, .read_rate_seconds = 5});

    for (int i = 0; i < 10; i++)
        ck_assert_msg(read_at(limits, "192.0.2.1", 100), "request %d of the burst", i);
    ck_assert(!read_at(limits, "192.0.2.1", 100));
    ck_assert_int_eq(problem.status, 429);
    ck_assert_uint_eq(problem.retry_after, 1);
    ck_assert(read_at(limits, "192.0.2.1", 100.5));
    ck_assert(!read_at(limits, "192.0.2.1", 100.5));
    for (int i = 0; i < 10; i++)
        ck_assert_msg(read_at(limits, "192.0.2.1", 200), "request %d after a rest", i);
    ck_assert(!read_at(limits, "192.0.2.1", 200));
    ck_assert_uint_eq(stats.refused[REFUSED_READ_RATE], 3);
    end(limits);
}
END_TEST

START_TEST(a_visitor_is_an_address_or_a_network_of_ipv6) {
    struct limits *limits =
        limits_of(&(struct config){.read_rate_count = 1, .read_rate_seconds = 60});

    ck_assert(read_at(limits, "192.0.2.1", 1));
    ck_assert(read_at(limits, "192.0.2.2", 1));
    ck_assert(!read_at(limits, "::ffff:192.0.2.1", 1));
    ck_assert(read_at(limits, "2001:db8:0:1::1", 1));
    ck_assert(!read_at(limits, "2001:db8:0:1:ffff::2", 1));
    ck_assert(read_at(limits, "2001:db8:0:2::1", 1));
    ck_assert(read_at(limits, NULL, 1));
    ck_assert(read_at(limits, NULL, 1));
    end(limits);
}
END_TEST

static bool read_nth(struct limits *limits, unsigned net, unsigned i, double now) {
    char address[32];

    snprintf(address, sizeof address, "%u.%u.%u.%u", net, i / 65536, i / 256 % 256, i % 256);
    return read_at(limits, address, now);
}

START_TEST(ten_thousand_visitors_at_once_do_not_stand_in_each_others_way) {
    enum { VISITORS = 10000 };
    struct limits *limits =
        limits_of(&(struct config){.read_rate_count = 1, .read_rate_seconds = 600});

    for (int round = 0; round < 2; round++) {
        for (unsigned i = 0; i < VISITORS; i++)
            ck_assert_msg(read_nth(limits, 10, i, 1 + round) == (round == 0), "visitor %u", i);
    }
    ck_assert_uint_eq(stats.limits_crowded, 0);
    end(limits);
}
END_TEST

/* Nobody is refused for the others' sake. */
START_TEST(of_those_who_do_not_fit_in_the_ones_who_have_used_least_are_forgotten) {
    struct limits *limits =
        limits_of(&(struct config){.read_rate_count = 10, .read_rate_seconds = 600});

    for (int i = 0; i < 10; i++)
        ck_assert(read_at(limits, "192.0.2.1", 1));
    for (unsigned i = 0; i < 2 * VISITORS_USES; i++)
        ck_assert_msg(read_nth(limits, 10, i, 2), "visitor %u", i);
    ck_assert(!read_at(limits, "192.0.2.1", 3));
    ck_assert_uint_ge(stats.limits_crowded, VISITORS_USES);
    for (unsigned i = 0; i < VISITORS_USES; i++) /* all others have passed */
        ck_assert_msg(read_nth(limits, 11, i, 1000), "visitor %u", i);
    end(limits);
}
END_TEST

START_TEST(more_channels_than_the_burst_come_together_once_and_are_waited_off) {
    struct limits *limits =
        limits_of(&(struct config){.channel_rate_count = 10, .channel_rate_seconds = 10});

    ck_assert(limits_channels(limits, "192.0.2.1", 0, 100, &problem));
    ck_assert(limits_channels(limits, "192.0.2.1", 64, 100, &problem));
    ck_assert(!limits_channels(limits, "192.0.2.1", 1, 150, &problem));
    ck_assert_uint_eq(problem.retry_after, 5);
    ck_assert(limits_channels(limits, "192.0.2.1", 0, 150, &problem));
    ck_assert(limits_channels(limits, "192.0.2.1", 1, 155, &problem));
    ck_assert(!limits_channels(limits, "192.0.2.1", 64, 160, &problem));
    ck_assert(limits_channels(limits, "192.0.2.1", 64, 165, &problem));
    ck_assert(limits_channels(limits, "192.0.2.9", 10, 165, &problem));
    end(limits);
}
END_TEST

START_TEST(no_rate_is_no_limit) {
    struct limits *limits = limits_of(&(struct config){.read_rate_count = 0});

    for (int i = 0; i < 1000; i++) {
        ck_assert(read_at(limits, "192.0.2.1", 1));
        ck_assert(limits_channels(limits, "192.0.2.1", 1000, 1, &problem));
        ck_assert(limits_admit(limits, "192.0.2.1", NULL, 1, &problem));
        (void)limits_hold(limits, "192.0.2.1", NULL, 1); /* nothing is counted */
    }
    end(limits);
}
END_TEST

START_TEST(held_requests_are_counted_by_address_and_by_user) {
    struct limits *limits =
        limits_of(&(struct config){.max_waiters_address = 2, .max_waiters_user = 3});
    struct identity *alice = identity_new("alice", ""), *nameless = identity_new("", "");

    struct stake first = limits_hold(limits, "192.0.2.1", alice, 1);
    ck_assert(limits_admit(limits, "192.0.2.1", alice, 1, &problem));
    struct stake second = limits_hold(limits, "192.0.2.1", nameless, 1);
    ck_assert(!limits_admit(limits, "192.0.2.1", NULL, 1, &problem));
    ck_assert_int_eq(problem.status, 429);
    ck_assert_uint_gt(problem.retry_after, 0);
    struct stake third = limits_hold(limits, "192.0.2.2", alice, 1);
    struct stake fourth = limits_hold_again(limits, third);
    ck_assert(!limits_admit(limits, "192.0.2.3", alice, 1, &problem));
    ck_assert(limits_admit(limits, "192.0.2.3", nameless, 1, &problem));
    ck_assert(!limits_admit(limits, "192.0.2.2", NULL, 1, &problem));
    limits_let_go(limits, third);
    ck_assert(limits_admit(limits, "192.0.2.2", alice, 1, &problem));
    limits_let_go(limits, second);
    ck_assert(limits_admit(limits, "192.0.2.1", NULL, 1, &problem));
    limits_let_go(limits, first);
    limits_let_go(limits, fourth);
    ck_assert_uint_eq(stats.refused[REFUSED_WAITERS_ADDRESS], 2);
    ck_assert_uint_eq(stats.refused[REFUSED_WAITERS_USER], 1);
    end(limits);
    identity_free(alice);
    identity_free(nameless);
}
END_TEST

/* More than can be seen by others are counted here all the same. */
START_TEST(who_finds_no_room_in_the_table_is_held_and_counted_by_his_own_process) {
    struct limits *limits = limits_of(&(struct config){.max_waiters_address = 2});
    struct visitors *visitors = capacity_seat(capacity).visitors;

    for (uint64_t i = 0; i < VISITORS_HOLDINGS; i++)
        ck_assert_int_ne(visitors_take(visitors, 7, i + 1), VISITORS_NO_ROW);
    struct stake first = limits_hold(limits, "192.0.2.1", NULL, 1);
    ck_assert(limits_admit(limits, "192.0.2.1", NULL, 1, &problem));
    ck_assert_uint_eq(stats.limits_crowded, 1);
    struct stake second = limits_hold(limits, "192.0.2.1", NULL, 1);
    ck_assert(!limits_admit(limits, "192.0.2.1", NULL, 1, &problem));
    ck_assert(limits_admit(limits, "192.0.2.2", NULL, 1, &problem));
    visitors_bury(visitors, 7);
    limits_let_go(limits, second); /* is seen from now on */
    ck_assert_uint_eq(visitors_held(visitors, visitors_number("address", "192.0.2.1")), 1);
    limits_let_go(limits, first);
    ck_assert_uint_eq(visitors_held(visitors, visitors_number("address", "192.0.2.1")), 0);
    end(limits);
}
END_TEST

UNIT_MAIN("limits", a_rate_is_a_burst_and_then_even, a_visitor_is_an_address_or_a_network_of_ipv6,
          ten_thousand_visitors_at_once_do_not_stand_in_each_others_way,
          of_those_who_do_not_fit_in_the_ones_who_have_used_least_are_forgotten,
          more_channels_than_the_burst_come_together_once_and_are_waited_off, no_rate_is_no_limit,
          held_requests_are_counted_by_address_and_by_user,
          who_finds_no_room_in_the_table_is_held_and_counted_by_his_own_process)

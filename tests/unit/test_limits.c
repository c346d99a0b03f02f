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

static struct limits *limits_of(const struct config *wanted) {
    log_open("test", LOG_ERROR);
    config = *wanted;
    stats = (struct stats){0};
    return limits_new(&config, &stats);
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
    limits_free(limits);
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
    limits_free(limits);
}
END_TEST

START_TEST(of_more_visitors_than_are_known_the_one_who_came_first_is_forgotten) {
    struct limits *limits =
        limits_of(&(struct config){.read_rate_count = 1, .read_rate_seconds = 600});
    char address[32];

    ck_assert(read_at(limits, "192.0.2.1", 1));
    for (unsigned i = 0; i < LIMITS_KNOWN - 1; i++) {
        snprintf(address, sizeof address, "10.0.%u.%u", i / 256, i % 256);
        ck_assert(read_at(limits, address, 2));
    }
    ck_assert(!read_at(limits, "192.0.2.1", 3)); /* is last now */
    for (unsigned i = 0; i < LIMITS_KNOWN - 1; i++) {
        snprintf(address, sizeof address, "10.1.%u.%u", i / 256, i % 256);
        ck_assert(read_at(limits, address, 4));
    }
    ck_assert(!read_at(limits, "192.0.2.1", 5));
    ck_assert(read_at(limits, "10.0.0.0", 5));
    limits_free(limits);
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
    limits_free(limits);
}
END_TEST

START_TEST(no_rate_is_no_limit) {
    struct limits *limits = limits_of(&(struct config){.read_rate_count = 0});

    for (int i = 0; i < 1000; i++) {
        ck_assert(read_at(limits, "192.0.2.1", 1));
        ck_assert(limits_channels(limits, "192.0.2.1", 1000, 1, &problem));
        ck_assert(limits_admit(limits, "192.0.2.1", NULL, 1, &problem));
        (void)limits_hold(limits, "192.0.2.1", NULL); /* nothing is counted */
    }
    limits_free(limits);
}
END_TEST

START_TEST(held_requests_are_counted_by_address_and_by_user) {
    struct limits *limits =
        limits_of(&(struct config){.max_waiters_address = 2, .max_waiters_user = 3});
    struct identity *alice = identity_new("alice", ""), *nameless = identity_new("", "");

    struct stake first = limits_hold(limits, "192.0.2.1", alice);
    ck_assert(limits_admit(limits, "192.0.2.1", alice, 1, &problem));
    struct stake second = limits_hold(limits, "192.0.2.1", nameless);
    ck_assert(!limits_admit(limits, "192.0.2.1", NULL, 1, &problem));
    ck_assert_int_eq(problem.status, 429);
    ck_assert_uint_gt(problem.retry_after, 0);
    struct stake third = limits_hold(limits, "192.0.2.2", alice);
    struct stake fourth = limits_hold_again(third);
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
    limits_free(limits);
    identity_free(alice);
    identity_free(nameless);
}
END_TEST

UNIT_MAIN("limits", a_rate_is_a_burst_and_then_even, a_visitor_is_an_address_or_a_network_of_ipv6,
          of_more_visitors_than_are_known_the_one_who_came_first_is_forgotten,
          more_channels_than_the_burst_come_together_once_and_are_waited_off, no_rate_is_no_limit,
          held_requests_are_counted_by_address_and_by_user)

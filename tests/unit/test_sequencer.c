/* worker/sequencer and lease: roles and queue, on a Redis that does what the test says. */
#include "worker/sequencer.h"

#include <string.h>

#include "core/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"
#include "worker/queue.h"

static struct ev_loop *loop;
static struct config config;
static struct redis *commands, *subscriber;
static struct sequencer *sequencer;
static const char *marker; /* the last one that was published */
static int published;

static void begin(void) {
    char *argv[] = {keepf("unit"), keepf("-f"), keepf("tests/unit/config/valid/empty.conf"), NULL};
    struct config_command command;
    char problem[CONFIG_PROBLEM];

    log_open("unit", LOG_ERROR);
    ck_assert_int_eq(config_load(&config, &command, 3, argv, problem), 0);
    loop = ev_default_loop(0);
    sequencer = sequencer_new(loop, &config);
    commands = fake_connection("halley-worker");
    subscriber = fake_connection("halley-worker-live");
    fake_up(commands);
    fake_up(subscriber);
    ck_assert_str_eq(fake_subscriptions(subscriber),
                     ""); /* whose the database is, is not settled */
    fake_library(commands);
    ck_assert_str_eq(fake_subscriptions(subscriber),
                     "subscribe halley.marker|subscribe halley.sequenced|psubscribe halley:*");
}

static void end(void) {
    sequencer_free(sequencer);
    config_free(&config);
    ev_loop_destroy(loop);
}

static const char *role(void) {
    struct buf out = buf_make(4096);
    sequencer_report(sequencer, &out);
    const char *text = keep(out.data), *state = strstr(text, "\"state\":\"") + 9;
    return keepf("%.*s", (int)strcspn(state, "\""), state);
}

static size_t queued(void) {
    struct buf out = buf_make(4096);
    unsigned count = 99;
    sequencer_report(sequencer, &out);
    ck_assert_int_eq(sscanf(strstr(out.data, "\"queue\":"), "\"queue\":%u", &count), 1);
    buf_free(&out);
    return count;
}

/* Answers everything that was asked: markers are remembered, the lease is granted or not. */
static void answer_all(bool alone, bool granted, int total) {
    while (fake_waiting(commands) > 0) {
        const char *asked = fake_asked(commands);
        if (strncmp(asked, "PUBLISH halley.marker ", 22) == 0) {
            marker = keepf("%s", asked + 22);
            fake_answer(commands, reply_number(++published));
        } else if (strncmp(asked, "PUBSUB NUMSUB", 13) == 0) {
            fake_answer(commands,
                        reply_list(2, reply_text("halley.marker"), reply_number(alone ? 1 : 2)));
        } else if (strstr(asked, " acquire") != NULL) {
            fake_answer(commands, reply_list(4, reply_number(granted), reply_number(3000),
                                             reply_number(total), reply_text("owner")));
        } else if (strstr(asked, " release") != NULL) {
            fake_answer(commands, reply_list(4, reply_number(0), reply_number(0),
                                             reply_number(total), reply_text("")));
        } else {
            return;
        }
    }
}

static void hear(const char *text) {
    fake_say(subscriber, "halley:chat", text);
}

/* What the leader announces: item number `total` is done. */
static void sequenced(int total, const char *channel, const char *payload) {
    char digest[DIGEST_TEXT];
    queue_digest(channel, strlen(channel), payload, strlen(payload), digest);
    fake_say(subscriber, "halley.sequenced", keepf("%d %s", total, digest));
}

/* A worker that is alone: it joins, is granted the lease, hears its marker and leads. */
static void lead(int total) {
    fake_confirm(subscriber);
    answer_all(true, true, total);
    ck_assert_str_eq(role(), "taking");
    fake_say(subscriber, "halley.marker", marker);
    ck_assert_str_eq(role(), "leading");
}

START_TEST(a_worker_that_is_alone_leads_when_it_has_heard_its_own_marker) {
    begin();
    ck_assert_str_eq(role(), "joining");
    lead(0);
    end();
}
END_TEST

START_TEST(the_leader_sends_what_it_hears_in_order_and_with_its_number) {
    begin();
    lead(7);
    ck_assert_msg(strstr(fake_asked(commands), "halley_sequence 2  halley.lease:sequencer") !=
                          NULL &&
                      strstr(fake_asked(commands), " 8 ") != NULL,
                  "the marker is number 8: %s", fake_asked(commands));
    fake_answer(commands, reply_text(""));
    hear("a");
    hear("b");
    for (int i = 9; i <= 10; i++) {
        const char *asked = fake_asked(commands);
        ck_assert_msg(strstr(asked, keepf(" %d ", i)) != NULL &&
                          strstr(asked, i == 9 ? " a 1000 3600 65536" : " b 1000 3600 65536") !=
                              NULL,
                      "%s", asked);
        fake_answer(commands, reply_text("5-1"));
    }
    sequenced(8, "", marker);
    sequenced(9, "chat", "a");
    ck_assert_uint_eq(queued(), 1);
    sequenced(10, "chat", "b");
    ck_assert_uint_eq(queued(), 0);
    end();
}
END_TEST

START_TEST(a_worker_that_is_not_alone_stands_by_once_its_marker_is_done) {
    begin();
    fake_confirm(subscriber);
    answer_all(false, false, 0);
    ck_assert_str_eq(role(), "joining");
    fake_say(subscriber, "halley.marker", marker);
    hear("a");
    sequenced(40, "", marker);
    ck_assert_str_eq(role(), "standby");
    ck_assert_uint_eq(queued(), 1); /* what was heard behind the marker */
    answer_all(false, false, 40);
    ck_assert_str_eq(role(), "standby");
    end();
}
END_TEST

START_TEST(a_standby_that_takes_over_does_what_is_left_and_nothing_twice) {
    begin();
    fake_confirm(subscriber);
    answer_all(false, false, 0);
    fake_say(subscriber, "halley.marker", marker);
    sequenced(40, "", marker);
    answer_all(false, false, 40);
    hear("a");
    hear("b");
    hear("c");
    sequenced(41, "chat", "a");
    ck_assert_uint_eq(queued(), 2);
    fake_say(subscriber, "halley.marker", "released"); /* the leader goes */
    answer_all(false, true, 41);
    ck_assert_str_eq(role(), "taking");
    ck_assert_uint_eq(fake_waiting(commands), 0); /* nothing is sent before its marker */
    sequenced(42, "chat", "b");                   /* the old leader's last word comes late */
    fake_say(subscriber, "halley.marker", marker);
    ck_assert_str_eq(role(), "leading");
    const char *asked = fake_asked(commands);
    ck_assert_msg(strstr(asked, " 43 ") != NULL && strstr(asked, " c 1000") != NULL, "%s", asked);
    end();
}
END_TEST

START_TEST(a_leader_that_is_refused_steps_down) {
    begin();
    lead(0);
    fake_answer(commands, reply_text(""));
    hear("a");
    fake_answer(commands, reply_error("LEASE is not held by me"));
    ck_assert_str_eq(role(), "standby");
    ck_assert_uint_eq(queued(), 2); /* the marker and a: not announced, so not done */
    hear("b");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    end();
}
END_TEST

START_TEST(a_lost_subscription_means_joining_anew) {
    begin();
    lead(0);
    fake_answer(commands, reply_text(""));
    fake_down(subscriber);
    ck_assert_str_eq(role(), "joining");
    hear("a"); /* cannot happen, and must not be sent */
    ck_assert_ptr_null(strstr(fake_asked(commands), "halley_sequence"));
    fake_up(subscriber);
    lead(1);
    end();
}
END_TEST

START_TEST(what_cannot_become_a_message_is_not_queued) {
    char large[65538];

    begin();
    fake_confirm(subscriber);
    memset(large, 'x', 65537);
    large[65537] = '\0';
    fake_say(subscriber, "halley:", "x");
    fake_say(subscriber, "halley:~own", "x");
    fake_say(subscriber, "halley:a{b", "x");
    fake_say(subscriber, "halley:\xff", "x");
    fake_say(subscriber, "halley:chat", large);
    fake_say(subscriber, "other", "x");
    ck_assert_uint_eq(queued(), 0);
    hear("x");
    ck_assert_uint_eq(queued(), 1);
    end();
}
END_TEST

START_TEST(so_many_are_on_their_way_at_a_time) {
    begin();
    lead(0);
    for (int i = 0; i < 1000; i++)
        hear("x");
    size_t window = fake_waiting(commands);
    ck_assert_uint_lt(window, 1000);
    fake_answer(commands, reply_text(""));
    ck_assert_uint_eq(fake_waiting(commands), window); /* one is done, the next goes */
    end();
}
END_TEST

static unsigned drained;

static void on_drained(void *ctx) {
    (void)ctx;
    drained++;
}

START_TEST(a_leader_that_drains_finishes_what_it_heard_and_gives_the_lease_back) {
    begin();
    lead(0);
    hear("a");
    sequencer_drain(sequencer, on_drained, NULL);
    fake_confirm(subscriber); /* from here on publishers are told that nobody listens */
    ck_assert_uint_eq(drained, 0);
    while (strstr(fake_asked(commands), "halley_sequence") != NULL)
        fake_answer(commands, reply_text("5-1"));
    sequenced(1, "", marker);
    ck_assert_uint_eq(drained, 0);
    sequenced(2, "chat", "a");
    ck_assert_uint_eq(drained, 1);
    ck_assert_ptr_nonnull(strstr(fake_asked(commands), " release"));
    fake_answer(commands, NULL);
    ck_assert_str_eq(fake_asked(commands), "PUBLISH halley.marker released");
    end();
}
END_TEST

START_TEST(a_standby_that_drains_leaves_its_queue_to_the_leader) {
    begin();
    fake_confirm(subscriber);
    answer_all(false, false, 0);
    fake_say(subscriber, "halley.marker", marker);
    sequenced(40, "", marker);
    hear("a");
    sequencer_drain(sequencer, on_drained, NULL);
    fake_confirm(subscriber);
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

UNIT_MAIN("sequencer", a_worker_that_is_alone_leads_when_it_has_heard_its_own_marker,
          the_leader_sends_what_it_hears_in_order_and_with_its_number,
          a_worker_that_is_not_alone_stands_by_once_its_marker_is_done,
          a_standby_that_takes_over_does_what_is_left_and_nothing_twice,
          a_leader_that_is_refused_steps_down, a_lost_subscription_means_joining_anew,
          what_cannot_become_a_message_is_not_queued, so_many_are_on_their_way_at_a_time,
          a_leader_that_drains_finishes_what_it_heard_and_gives_the_lease_back,
          a_standby_that_drains_leaves_its_queue_to_the_leader)

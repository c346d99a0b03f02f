/* fcgi-app/counts/tally.c: accounts of tags, of which a process has so many at a time. */
#include <string.h>

#include "fcgi-app/counts/tally.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

static struct ev_loop *loop;
static struct redis *redis;
static struct tallies *tallies;
static struct stats stats;

static void begin(void) {
    loop = ev_loop_new(0);
    redis = fake_new("commands");
    fake_up(redis);
    tallies = tallies_new(loop, redis, &stats);
}

static void end(void) {
    tallies_free(tallies);
    redis_free(redis);
    ev_loop_destroy(loop);
}

START_TEST(what_was_spent_is_sent_in_one_call) {
    begin();
    struct tag *tag = tag_take(tallies, "me");
    tag_add(tag, &(struct tally){.requests = 1, .bytes_in = 70, .held = 1});
    tag_add(tag, &(struct tally){.requests = 1, .held = -1});
    tag_release(tag);
    loop_until(loop, fake_waiting(redis) > 0);
    fake_expect(redis,
                "FCALL halley_tally 2 halley.tag:{tags}:me halley.tags:{tags} 900 me requests 2 "
                "bytes_in 70",
                reply_number(1));
    ck_assert_uint_eq(stats.tags_uncounted, 0);
    end();
}
END_TEST

START_TEST(too_many_tags_are_counted_as_that_and_under_nothing) {
    struct tag *tags[TAGS_MAX];

    begin();
    for (int i = 0; i < TAGS_MAX; i++) {
        tags[i] = tag_take(tallies, keepf("t%d", i));
        ck_assert_ptr_nonnull(tags[i]);
    }
    ck_assert_ptr_null(tag_take(tallies, "one-more"));
    ck_assert_ptr_eq(tag_take(tallies, "t7"), tags[7]);
    ck_assert_uint_eq(stats.tags_uncounted, 1);
    tag_release(tags[7]);
    for (int i = 0; i < TAGS_MAX; i++)
        tag_release(tags[i]);
    struct tag *tag;
    loop_until(loop, (tag = tag_take(tallies, "one-more")) != NULL);
    tag_release(tag);
    end();
}
END_TEST

START_TEST(what_redis_has_no_room_for_is_counted_as_that) {
    begin();
    struct tag *tag = tag_take(tallies, "me");
    tag_add(tag, &(struct tally){.requests = 1});
    loop_until(loop, fake_waiting(redis) > 0);
    fake_answer(redis, reply_number(0));
    ck_assert_uint_eq(stats.tags_uncounted, 1);
    tag_release(tag);
    end();
}
END_TEST

UNIT_MAIN("tally", what_was_spent_is_sent_in_one_call,
          too_many_tags_are_counted_as_that_and_under_nothing,
          what_redis_has_no_room_for_is_counted_as_that)

/* core/base/wheel: deadlines, on a loop whose time passes as it does. */
#include "core/base/wheel.h"

#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { MANY = 2000, LATER_TURN = 40 };

static struct ev_loop *loop;
static struct wheel *wheel;
static struct wheel_entry entries[MANY];
static unsigned fired, first, last;
static double early;

static void on_due(void *ctx, struct wheel_entry *entry) {
    (void)ctx;
    last = (unsigned)(entry - entries);
    first = fired++ == 0 ? last : first;
    ck_assert(!wheel_pending(entry));
    double ahead = entry->due - (double)wheel_now(wheel);
    early = ahead > early ? ahead : early;
}

static void begin(void) {
    loop = ev_loop_new(0);
    wheel = wheel_new(loop, on_due, NULL);
}

static void end(void) {
    wheel_free(wheel);
    ev_loop_destroy(loop);
}

START_TEST(an_entry_is_fired_once_and_not_early) {
    begin();
    double asked = ev_now(loop);
    wheel_set(wheel, &entries[3], wheel_in(wheel, 0.2));
    loop_until(loop, fired == 1);
    ck_assert(ev_now(loop) - asked >= 0.19);
    ck_assert_uint_eq(last, 3);
    ck_assert(early <= 0);
    usleep(100000);
    loop_turn(loop);
    ck_assert_uint_eq(fired, 1);
    end();
}
END_TEST

START_TEST(what_is_past_is_due_with_the_next_tick) {
    begin();
    wheel_set(wheel, &entries[0], 0);
    ck_assert_uint_eq(fired, 0);
    loop_until(loop, fired == 1);
    end();
}
END_TEST

START_TEST(what_is_cancelled_or_moved_is_not_fired_where_it_was) {
    begin();
    wheel_set(wheel, &entries[0], wheel_in(wheel, 0.1));
    wheel_set(wheel, &entries[1], wheel_in(wheel, 0.1));
    wheel_set(wheel, &entries[2], wheel_in(wheel, 0.3));
    wheel_cancel(&entries[0]);
    wheel_cancel(&entries[0]);
    wheel_set(wheel, &entries[1], wheel_in(wheel, 0.5));
    loop_until(loop, fired == 2); /* a machine that stands still may fire both in one turn */
    ck_assert_uint_eq(first, 2);
    ck_assert_uint_eq(last, 1);
    end();
}
END_TEST

START_TEST(one_of_a_later_turn_stays_when_its_slot_comes_by) {
    begin();
    wheel_set(wheel, &entries[0], wheel_in(wheel, 3600));
    wheel_set(wheel, &entries[1], entries[0].due % 256 + wheel_now(wheel) / 256 * 256);
    loop_until(loop, fired == 1);
    ck_assert_uint_eq(last, 1);
    ck_assert(wheel_pending(&entries[0]));
    end();
}
END_TEST

static void set_again(void *ctx, struct wheel_entry *entry) {
    unsigned *visits = ctx;
    (*visits)++;
    if (entry == &entries[0])
        wheel_cancel(&entries[1]);
    else
        wheel_set(wheel, entry, entry->due);
}

START_TEST(each_is_visited_and_may_be_moved_meanwhile) {
    unsigned visits = 0;

    begin();
    for (int i = 0; i < MANY; i++)
        wheel_set(wheel, &entries[i], wheel_in(wheel, 20 + 0.01 * (i % LATER_TURN)));
    wheel_each(wheel, set_again, &visits);
    ck_assert_uint_ge(visits, MANY - 1);
    ck_assert(!wheel_pending(&entries[1]));
    for (int i = 2; i < MANY; i++)
        ck_assert(wheel_pending(&entries[i]));
    ck_assert_uint_eq(fired, 0);
    end();
}
END_TEST

static void cancel_all(void *ctx, struct wheel_entry *entry) {
    (void)ctx, (void)entry;
    for (int i = 0; i < MANY; i++)
        wheel_cancel(&entries[i]);
    fired++;
}

START_TEST(who_is_fired_may_cancel_the_others) {
    begin();
    wheel_free(wheel);
    wheel = wheel_new(loop, cancel_all, NULL);
    for (int i = 0; i < MANY; i++)
        wheel_set(wheel, &entries[i], wheel_in(wheel, 0.1));
    loop_until(loop, fired > 0);
    usleep(100000);
    loop_turn(loop);
    ck_assert_uint_eq(fired, 1);
    wheel_free(NULL);
    end();
}
END_TEST

UNIT_MAIN("wheel", an_entry_is_fired_once_and_not_early, what_is_past_is_due_with_the_next_tick,
          what_is_cancelled_or_moved_is_not_fired_where_it_was,
          one_of_a_later_turn_stays_when_its_slot_comes_by,
          each_is_visited_and_may_be_moved_meanwhile, who_is_fired_may_cancel_the_others)

/* core/follow/feed and fetch: one channel as a process follows it, on a fake Redis. */
#include "core/follow/feed.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/follow/fetch.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

#define LIVE "halley.live:{chat}"

static struct ev_loop *loop;
static struct follow_counts counts;
static struct config config = {.prefix = (char[]){"halley"}, .tail = 5, .linger = 0};
static struct redis *commands, *subscriber;
static struct library *library;
static struct history *history;
static struct feeds *feeds;
static char *told; /* the payloads that the hub was told of */
static unsigned moves;

static void on_message(void *ctx, struct feed *feed, const struct message *message) {
    (void)ctx, (void)feed;
    told = keepf("%s%.*s", told, (int)message->payload_len, message->payload);
}

static void on_moved(void *ctx, struct feed *feed) {
    (void)ctx, (void)feed;
    moves++;
}

static void on_ready(void *ctx) {
    (void)ctx;
    history_resume(history);
    if (feeds != NULL)
        feeds_ready(feeds);
}

static void on_refused(void *ctx, const char *why) {
    (void)ctx, (void)why;
}

static void on_renewed(void *ctx) {
    (void)ctx;
    feeds_doubt(feeds);
}

static const struct library_events library_events = {
    .ready = on_ready, .refused = on_refused, .renewed = on_renewed};

static void on_subscribed(void *ctx, const char *channel, size_t len, bool on) {
    (void)ctx;
    feeds_subscribed(feeds, channel, len, on);
}

static void on_live(void *ctx, const char *channel, size_t len, const char *text, size_t text_len) {
    (void)ctx;
    feeds_message(feeds, channel, len, text, text_len);
}

static void on_up(void *ctx) {
    (void)ctx;
    feeds_up(feeds);
}

static void on_down(void *ctx) {
    (void)ctx;
    feeds_down(feeds);
}

static unsigned refusals;
static struct position misled_from, misled_to;

static void on_feed_refused(void *ctx, struct feed *feed) {
    (void)ctx, (void)feed;
    refusals++;
}

static void on_misled(void *ctx, struct feed *feed, struct position from, struct position to) {
    (void)ctx, (void)feed;
    misled_from = from;
    misled_to = to;
}

static const struct feeds_events events = {
    .message = on_message, .moved = on_moved, .refused = on_feed_refused, .misled = on_misled};
static const struct redis_events subscriber_events = {
    .up = on_up, .down = on_down, .message = on_live, .subscribed = on_subscribed};

static void begin(void) {
    const struct redis_options options = {
        .url = "unix:/", .name = "live", .events = &subscriber_events};

    log_open("unit", LOG_ERROR);
    told = keepf("%s", "");
    loop = ev_loop_new(0);
    commands = fake_new("commands");
    subscriber = redis_new(loop, &options);
    library =
        library_new(loop, commands,
                    &(struct library_options){.prefix = config.prefix, .events = &library_events});
    history = history_new(loop, commands, library, config.prefix);
    feeds = feeds_new(loop, &counts, &config, &events, NULL);
    feeds_attach(feeds, subscriber, history);
    fake_up(commands);
    library_up(library);
    fake_library(commands);
    fake_up(subscriber);
}

static void end(void) {
    redis_free(commands);
    redis_free(subscriber);
    feeds_free(feeds);
    history_free(history);
    library_free(library);
    ev_loop_destroy(loop);
    ck_assert_uint_eq(counts.channels, 0);
}

/* The feed of "chat", live and standing at 5-10. */
static struct feed *live_feed(void) {
    struct feed *feed = feeds_take(feeds, "chat", 4, false);

    ck_assert_str_eq(fake_subscriptions(subscriber), "subscribe " LIVE);
    fake_confirm(subscriber);
    fake_expect(commands, "FCALL_RO halley_read 1 chat now 5",
                reply_page("5-10", false, false, ""));
    ck_assert(feed_live(feed));
    return feed;
}

static void say(unsigned n) {
    fake_say(subscriber, LIVE, keepf("5-%u %u %c", n, 1000 + n, 'a' + (n - 11) % 26));
}

static long after(struct feed *feed, uint64_t epoch, uint64_t n) {
    return feed_after(feed, (struct position){epoch, n});
}

/* Behind the message 5-n. */
#define AFTER(number) (&(struct since){.kind = SINCE_AT, .at = {5, number}})

START_TEST(a_feed_subscribes_first_and_reads_then) {
    begin();
    struct feed *feed = feeds_take(feeds, "chat", 4, false);
    ck_assert_uint_eq(fake_waiting(commands), 0);
    ck_assert(!feed_live(feed));
    fake_confirm(subscriber);
    ck_assert_uint_eq(fake_waiting(commands), 1);
    ck_assert(!feed_live(feed));
    fake_answer(commands, reply_page("5-10", false, false, ""));
    ck_assert(feed_live(feed));
    ck_assert_uint_eq(moves, 1);
    ck_assert_uint_eq(feed_position(feed).n, 10);
    ck_assert_uint_eq(counts.channels, 1);
    feed_release(feed);
    end();
}
END_TEST

START_TEST(a_channel_has_one_feed_and_one_subscription) {
    begin();
    struct feed *feed = live_feed();
    ck_assert_ptr_eq(feeds_take(feeds, "chat", 4, false), feed);
    ck_assert_str_eq(fake_subscriptions(subscriber), "");
    ck_assert_ptr_ne(feeds_take(feeds, "cha", 3, false), feed);
    end();
}
END_TEST

START_TEST(live_messages_are_passed_on_and_kept) {
    begin();
    struct feed *feed = live_feed();
    say(11);
    say(12);
    ck_assert_str_eq(told, "ab");
    ck_assert_int_eq(feed_count(feed), 2);
    ck_assert_uint_eq(feed_at(feed, 1)->id.n, 12);
    ck_assert_uint_eq(feed_position(feed).n, 12);
    ck_assert_uint_eq(fake_waiting(commands), 0); /* without a question to Redis */
    end();
}
END_TEST

START_TEST(memory_tells_what_comes_after_a_position_or_that_it_cannot) {
    begin();
    struct feed *feed = live_feed();
    say(11);
    say(12);
    say(13);
    const struct {
        uint64_t epoch, n;
        long after;
    } rows[] = {{5, 10, 0}, {5, 11, 1},  {5, 12, 2},  {5, 13, 3}, {5, 9, -1},
                {5, 0, -1}, {5, 14, -1}, {4, 12, -1}, {6, 0, -1}};
    for (size_t i = 0; i < ROWS(rows); i++)
        ck_assert_msg(after(feed, rows[i].epoch, rows[i].n) == rows[i].after, "%d-%d: %ld",
                      (int)rows[i].epoch, (int)rows[i].n, after(feed, rows[i].epoch, rows[i].n));
    end();
}
END_TEST

START_TEST(the_tail_keeps_so_many_and_forgets_the_oldest) {
    begin();
    struct feed *feed = live_feed();
    for (unsigned n = 11; n <= 30; n++)
        say(n);
    ck_assert_int_eq(feed_count(feed), 5);
    ck_assert_uint_eq(feed_at(feed, 0)->id.n, 26);
    ck_assert_uint_eq(feed_at(feed, 4)->id.n, 30);
    ck_assert_int_eq(after(feed, 5, 25), 0);
    ck_assert_int_eq(after(feed, 5, 24), -1);
    end();
}
END_TEST

START_TEST(the_tail_is_bounded_in_bytes_but_keeps_one) {
    enum { LARGE = 700000 };
    char *text = keep(malloc(LARGE + 64));

    begin();
    struct feed *feed = live_feed();
    for (int n = 11; n <= 13; n++) {
        int head = snprintf(text, 64, "5-%d 1000 ", n);
        memset(text + head, 'x', LARGE);
        text[head + LARGE] = '\0';
        fake_say(subscriber, LIVE, text);
        ck_assert_int_eq(feed_count(feed), 1);
    }
    ck_assert_uint_eq(feed_position(feed).n, 13);
    end();
}
END_TEST

START_TEST(what_is_known_already_is_dropped) {
    begin();
    struct feed *feed = live_feed();
    say(11);
    say(11);
    say(10);
    say(3);
    ck_assert_str_eq(told, "a");
    ck_assert_int_eq(feed_count(feed), 1);
    end();
}
END_TEST

START_TEST(messages_that_came_before_the_answer_are_joined_by_their_ids) {
    begin();
    struct feed *feed = feeds_take(feeds, "chat", 4, false);
    say(9); /* on its way before Redis confirmed */
    fake_confirm(subscriber);
    say(10);
    say(11);
    say(12);
    fake_answer(commands, reply_page("5-10", false, false, ""));
    ck_assert_str_eq(told, "ab");
    ck_assert_uint_eq(feed_position(feed).n, 12);
    ck_assert(feed_live(feed));
    end();
}
END_TEST

START_TEST(a_hole_is_mended_from_the_history_before_anything_else) {
    begin();
    struct feed *feed = live_feed();
    say(11);
    say(13);
    say(14);
    ck_assert_str_eq(told, "a");
    ck_assert(!feed_live(feed));
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-11 5",
                reply_page("5-13", false, false, "5-12 1012 b|5-13 1013 c"));
    ck_assert_str_eq(told, "abcd");
    ck_assert(feed_live(feed));
    ck_assert_uint_eq(counts.resyncs, 1);
    end();
}
END_TEST

START_TEST(a_hole_that_cannot_be_mended_empties_the_tail) {
    begin();
    struct feed *feed = live_feed();
    unsigned resets = feed_resets(feed);
    say(11);
    say(20);
    fake_answer(commands, reply_page("5-20", true, false, "5-18 1018 h|5-19 1019 i|5-20 1020 j"));
    ck_assert(feed_live(feed));
    ck_assert_int_eq(feed_count(feed), 0);
    ck_assert_uint_eq(feed_position(feed).n, 20);
    ck_assert_uint_eq(feed_resets(feed), resets + 1);
    ck_assert_int_eq(after(feed, 5, 11), -1); /* whoever stands there must ask the history */
    ck_assert_uint_eq(moves, 3);              /* live, one message, and to its end */
    end();
}
END_TEST

START_TEST(too_much_to_catch_up_with_is_left_to_the_history) {
    begin();
    struct feed *feed = live_feed();
    say(20);
    fake_answer(commands, reply_page("5-20", false, true, "5-11 1 a|5-12 1 b"));
    ck_assert_int_eq(feed_count(feed), 0);
    ck_assert_uint_eq(feed_position(feed).n, 20);
    ck_assert_str_eq(told, "");
    end();
}
END_TEST

START_TEST(another_epoch_is_a_hole) {
    begin();
    live_feed();
    fake_say(subscriber, LIVE, "6-1 2000 z");
    ck_assert_str_eq(told, "");
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-10 5",
                reply_page("6-1", true, false, "6-1 2000 z"));
    ck_assert_str_eq(told, "");
    fake_say(subscriber, LIVE, "6-2 2001 y");
    ck_assert_str_eq(told, "y");
    end();
}
END_TEST

START_TEST(a_position_from_before_the_channel_takes_its_first_messages_without_a_reset) {
    begin();
    struct feed *feed = feeds_take(feeds, "chat", 4, false);
    fake_confirm(subscriber);
    fake_answer(commands, reply_page("4-0", false, false, "")); /* no channel yet */
    unsigned resets = feed_resets(feed);
    fake_say(subscriber, LIVE, "5-1 2000 a");
    fake_expect(commands, "FCALL_RO halley_read 1 chat 4-0 5",
                reply_page("5-1", false, false, "5-1 2000 a"));
    ck_assert_str_eq(told, "a");
    ck_assert_uint_eq(feed_resets(feed), resets);
    end();
}
END_TEST

START_TEST(a_connection_that_came_back_is_mended_too) {
    begin();
    struct feed *feed = live_feed();
    say(11);
    fake_down(subscriber);
    ck_assert(!feed_live(feed));
    fake_subscriptions(subscriber);
    fake_up(subscriber);
    ck_assert_str_eq(fake_subscriptions(subscriber), "subscribe " LIVE);
    fake_confirm(subscriber);
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-11 5",
                reply_page("5-12", false, false, "5-12 1012 b"));
    ck_assert_str_eq(told, "ab");
    ck_assert_int_eq(after(feed, 5, 10), 0); /* the tail is still whole */
    end();
}
END_TEST

START_TEST(an_answer_from_before_the_connection_was_lost_is_dropped) {
    begin();
    struct feed *feed = feeds_take(feeds, "chat", 4, false);
    fake_confirm(subscriber);
    fake_down(subscriber);
    fake_up(subscriber);
    fake_confirm(subscriber);
    ck_assert_uint_eq(fake_waiting(commands), 2);
    fake_answer(commands, reply_page("5-3", false, false, ""));
    ck_assert(!feed_live(feed));
    fake_answer(commands, reply_page("5-4", false, false, ""));
    ck_assert(feed_live(feed));
    ck_assert_uint_eq(feed_position(feed).n, 4);
    end();
}
END_TEST

START_TEST(a_read_that_failed_is_repeated_when_the_history_is_ready) {
    begin();
    struct feed *feed = feeds_take(feeds, "chat", 4, false);
    fake_confirm(subscriber);
    fake_down(commands);
    library_down(library);
    history_give_up(history, NULL);
    ck_assert(!feed_live(feed));
    fake_up(commands);
    library_up(library);
    fake_library(commands);
    fake_expect(commands, "FCALL_RO halley_read 1 chat now 5", reply_page("5-4", false, false, ""));
    ck_assert(feed_live(feed));
    end();
}
END_TEST

START_TEST(so_many_messages_kept_aside_are_forgotten_and_read_again) {
    begin();
    struct feed *feed = live_feed();
    for (unsigned n = 12; n < 12 + 400; n++)
        say(n); /* a hole, and no answer yet */
    fake_answer(commands, reply_page("5-20", false, true, ""));
    while (fake_waiting(commands) > 0)
        fake_answer(commands, reply_page("5-411", false, false, ""));
    ck_assert(feed_live(feed));
    ck_assert_uint_eq(feed_position(feed).n, 411);
    end();
}
END_TEST

START_TEST(what_history_does_not_hold_is_dropped_and_counted) {
    begin();
    struct feed *feed = live_feed();
    fake_say(subscriber, LIVE, "9007199254740991-1 1 x");
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-10 5",
                reply_page("5-10", false, false, ""));
    ck_assert(feed_live(feed) && feed_sure(feed));
    ck_assert_uint_eq(fake_waiting(commands), 0);
    ck_assert_uint_eq(counts.phantoms, 1);
    say(11);
    ck_assert_str_eq(told, "a");
    end();
}
END_TEST

START_TEST(after_a_read_in_vain_the_next_one_waits_and_messages_do_not) {
    begin();
    struct feed *feed = live_feed();
    fake_say(subscriber, LIVE, "6-7 1 x");
    fake_answer(commands, reply_page("5-10", false, false, ""));
    fake_say(subscriber, LIVE, "6-8 1 x");
    ck_assert_uint_eq(fake_waiting(commands), 0); /* not yet */
    ck_assert(feed_live(feed) && !feed_sure(feed));
    say(11);
    ck_assert_str_eq(told, "a"); /* at once */
    loop_until(loop, fake_waiting(commands) == 1);
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-11 5",
                reply_page("5-11", false, false, ""));
    ck_assert(feed_sure(feed));
    ck_assert_uint_eq(counts.phantoms, 2);
    end();
}
END_TEST

START_TEST(a_doubt_of_a_feed_that_nobody_uses_waits_for_somebody) {
    begin();
    struct feed *feed = live_feed();
    feed_release(feed);
    fake_say(subscriber, LIVE, "6-7 1 x");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    ck_assert_ptr_eq(feeds_take(feeds, "chat", 4, false), feed);
    ck_assert_uint_eq(fake_waiting(commands), 1);
    end();
}
END_TEST

START_TEST(of_two_messages_of_one_id_history_says_which_is_true) {
    begin();
    struct feed *feed = live_feed();
    fake_say(subscriber, LIVE, "5-11 1 forged");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    say(11);
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-10 5",
                reply_page("5-11", false, false, "5-11 1011 a"));
    ck_assert_uint_eq(misled_from.n, 10);
    ck_assert_uint_eq(misled_to.n, 11);
    ck_assert_uint_eq(counts.misled, 1);
    say(12);
    ck_assert_str_eq(told, "forgedb"); /* the first is told by who is led back to it */
    misled_to.n = 0;
    fake_say(subscriber, LIVE, "5-12 1 forged");
    loop_until(loop, fake_waiting(commands) == 1);
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-11 5",
                reply_page("5-12", false, false, "5-12 1012 b"));
    ck_assert_uint_eq(misled_to.n, 0); /* what was told was true */
    ck_assert_uint_eq(counts.phantoms, 1);
    ck_assert(feed_live(feed) && feed_sure(feed));
    end();
}
END_TEST

START_TEST(a_number_without_a_message_has_the_history_read) {
    begin();
    struct feed *feed = live_feed();
    unsigned resets = feed_resets(feed);
    fake_say(subscriber, LIVE, "5-11");
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-10 5",
                reply_page("5-11", true, false, ""));
    ck_assert_uint_eq(feed_resets(feed), resets + 1);
    ck_assert_uint_eq(feed_position(feed).n, 11);
    say(12);
    ck_assert_str_eq(told, "b");
    end();
}
END_TEST

START_TEST(a_channel_that_cannot_be_read_says_why_and_is_tried_again_when_somebody_comes) {
    begin();
    struct feed *feed = feeds_take(feeds, "chat", 4, false);
    fake_confirm(subscriber);
    fake_answer(commands, reply_error("WRONGTYPE no hash script: halley_read, on @x:1."));
    ck_assert_uint_eq(refusals, 1);
    ck_assert_str_eq(feed_refusal(feed), "WRONGTYPE no hash");
    ck_assert_ptr_eq(feeds_take(feeds, "chat", 4, false), feed);
    ck_assert_uint_eq(fake_waiting(commands), 0); /* it has just been refused */
    ev_sleep(0.15);
    ev_now_update(loop);
    ck_assert_ptr_eq(feeds_take(feeds, "chat", 4, false), feed);
    fake_answer(commands, reply_page("5-3", false, false, ""));
    ck_assert_ptr_null(feed_refusal(feed));
    ck_assert(feed_live(feed));
    end();
}
END_TEST

START_TEST(what_others_publish_into_our_name_is_ignored) {
    begin();
    struct feed *feed = live_feed();
    fake_say(subscriber, LIVE, "hello");
    fake_say(subscriber, LIVE, "");
    fake_say(subscriber, "halley.live:{other}", "5-11 1 x");
    fake_say(subscriber, "something", "5-11 1 x");
    ck_assert_str_eq(told, "");
    ck_assert(feed_live(feed));
    end();
}
END_TEST

START_TEST(a_feed_that_nobody_uses_is_left_after_its_linger) {
    begin();
    feed_release(live_feed());
    loop_until(loop, strcmp(fake_subscriptions(subscriber), "unsubscribe " LIVE) == 0);
    fake_confirm(subscriber);
    ck_assert_uint_eq(counts.channels, 0);
    struct feed *feed = feeds_take(feeds, "chat", 4, false); /* a new one */
    ck_assert(!feed_live(feed));
    end();
}
END_TEST

static struct feed *take_number(int i, bool polls) {
    const char *name = keepf("%d", i);
    struct feed *feed = feeds_take(feeds, name, strlen(name), polls);

    fake_subscriptions(subscriber);
    return feed;
}

/* As many feeds as there may be, all live. */
static struct feed **fill_table(void) {
    struct feed **all = keep(calloc(FEEDS_MAX, sizeof *all));

    config.linger = 600;
    for (int i = 0; i < FEEDS_MAX; i++) {
        all[i] = take_number(i, false);
        fake_confirm(subscriber);
        fake_answer(commands, reply_page("5-10", false, false, ""));
        ck_assert(all[i] != NULL && feed_live(all[i]));
    }
    return all;
}

START_TEST(a_full_table_lets_the_oldest_unused_feed_go) {
    begin();
    struct feed **all = fill_table();
    ck_assert_ptr_null(take_number(FEEDS_MAX, false)); /* all are in use */
    ck_assert_ptr_null(take_number(FEEDS_MAX, true));
    for (int i = 100; i < 200; i++)
        feed_release(all[i]);
    ck_assert_ptr_eq(take_number(100, false), all[100]);
    for (int i = 0; i < 99; i++) { /* 101 is the oldest now */
        ck_assert_ptr_nonnull(feeds_take(feeds, keepf("new%d", i), 6 - (i < 10) - 1, false));
        ck_assert_str_eq(
            fake_subscriptions(subscriber),
            keepf("unsubscribe halley.live:{%d}|subscribe halley.live:{new%d}", 101 + i, i));
    }
    ck_assert_uint_eq(counts.channels_dropped, 99);
    fake_confirm(subscriber);
    loop_turn(loop);
    ck_assert_ptr_null(take_number(FEEDS_MAX, false));
    ck_assert_uint_eq(counts.channels, FEEDS_MAX);
    end();
}
END_TEST

START_TEST(names_that_are_polled_or_waited_on_once_never_fill_the_table) {
    begin();
    config.linger = 600;
    for (int i = 0; i < FEEDS_MAX + 20000; i++) {
        struct feed *feed = take_number(i, i % 2 == 0);
        ck_assert_msg(feed != NULL, "the %dth", i);
        ck_assert_int_eq(feed_bare(feed), i % 2 == 0);
        fake_confirm(subscriber);
        if (i % 2 != 0)
            fake_answer(commands, reply_page("5-10", false, false, ""));
        feed_release(feed);
        if (i % 100 == 0)
            loop_turn(loop);
    }
    ck_assert_uint_le(counts.channels, FEEDS_MAX);
    end();
}
END_TEST

START_TEST(a_feed_that_nobody_uses_is_not_subscribed_again_after_a_loss) {
    begin();
    config.linger = 600;
    feed_release(live_feed());
    struct feed *used = take_number(1, false);
    fake_down(subscriber);
    feeds_down(feeds);
    loop_turn(loop);
    fake_up(subscriber);
    ck_assert_str_eq(fake_subscriptions(subscriber), "subscribe halley.live:{1}");
    feed_release(used);
    end();
}
END_TEST

START_TEST(a_feed_taken_again_while_leaving_is_subscribed_again) {
    begin();
    feed_release(live_feed());
    loop_until(loop, strcmp(fake_subscriptions(subscriber), "unsubscribe " LIVE) == 0);
    struct feed *feed = feeds_take(feeds, "chat", 4, false);
    ck_assert_str_eq(fake_subscriptions(subscriber), ""); /* not before Redis has confirmed */
    fake_confirm(subscriber);
    ck_assert_str_eq(fake_subscriptions(subscriber), "subscribe " LIVE);
    fake_confirm(subscriber);
    while (fake_waiting(commands) > 0)
        fake_answer(commands, reply_page("5-10", false, false, ""));
    ck_assert(feed_live(feed));
    end();
}
END_TEST

/* --------------------------------------------------------------------- fetches */

static struct fetches *fetches;
static unsigned fetched;

static void on_fetched(void *ctx, struct fetch *fetch) {
    (void)ctx, (void)fetch;
    fetched++;
}

START_TEST(who_asks_the_same_in_one_turn_shares_one_read) {
    begin();
    struct feed *feed = live_feed();
    fetches = fetches_new(&counts, history, on_fetched, NULL);
    struct fetch *first = fetch_take(fetches, feed, AFTER(1), 10, HISTORY_PAGE, 0);
    ck_assert_ptr_eq(fetch_take(fetches, feed, AFTER(1), 10, HISTORY_PAGE, 0), first);
    struct fetch *other = fetch_take(fetches, feed, AFTER(2), 10, HISTORY_PAGE, 0);
    struct fetch *limit = fetch_take(fetches, feed, AFTER(1), 11, HISTORY_PAGE, 0);
    ck_assert_ptr_ne(other, first);
    ck_assert_ptr_ne(limit, first);
    fetches_send(fetches);
    ck_assert_uint_eq(fake_waiting(commands), 3);
    struct fetch *later = fetch_take(fetches, feed, AFTER(1), 10, HISTORY_PAGE,
                                     0); /* may know more than the sent one */
    ck_assert_ptr_ne(later, first);
    ck_assert_uint_ne(later->serial, first->serial);
    while (fake_waiting(commands) > 0)
        fake_answer(commands, reply_page("5-10", false, false, "5-10 1 x"));
    ck_assert_uint_eq(fetched, 3);
    ck_assert(first->done && first->page.count == 1);
    fetch_release(first);
    fetch_release(first);
    fetch_release(other);
    fetch_release(limit);
    fetch_release(later);
    fetch_release(NULL);
    fetches_free(fetches);
    end();
}
END_TEST

START_TEST(a_read_that_nobody_waits_for_any_more_is_forgotten) {
    begin();
    struct feed *feed = live_feed();
    fetches = fetches_new(&counts, history, on_fetched, NULL);
    fetch_release(fetch_take(fetches, feed, AFTER(1), 10, HISTORY_PAGE, 0));
    fetches_send(fetches);
    ck_assert_uint_eq(fake_waiting(commands), 0);
    struct fetch *sent = fetch_take(fetches, feed, AFTER(1), 10, HISTORY_PAGE, 0);
    fetches_send(fetches);
    fetch_release(sent);
    fake_answer(commands, reply_page("5-10", false, false, "5-10 1 x"));
    ck_assert_uint_eq(fetched, 0);
    fetches_free(fetches);
    end();
}
END_TEST

START_TEST(a_read_that_was_lost_goes_out_again) {
    begin();
    struct feed *feed = live_feed();
    fetches = fetches_new(&counts, history, on_fetched, NULL);
    struct fetch *fetch = fetch_take(fetches, feed, AFTER(1), 10, HISTORY_PAGE, 0);
    fetches_send(fetches);
    fake_down(commands);
    library_down(library);
    history_give_up(history, NULL);
    fetches_send(fetches);
    ck_assert(!fetch->done);
    fake_up(commands);
    library_up(library);
    fake_library(commands);
    fetches_send(fetches);
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-1 10",
                reply_page("5-10", false, false, ""));
    ck_assert(fetch->done);
    fetch_release(fetch);
    fetches_free(fetches);
    end();
}
END_TEST

START_TEST(a_refused_read_is_done_with_its_error) {
    begin();
    struct feed *feed = live_feed();
    fetches = fetches_new(&counts, history, on_fetched, NULL);
    struct fetch *fetch =
        fetch_take(fetches, feed, &(struct since){.kind = SINCE_START}, 10, HISTORY_PAGE, 0);
    fetches_send(fetches);
    log_open("unit", LOG_ERROR);
    fake_answer(commands, reply_error("WRONGTYPE no stream"));
    ck_assert(fetch->done);
    ck_assert_int_eq(fetch->page.err, ERR_REFUSED);
    ck_assert_uint_eq(fetched, 1);
    fetch_release(fetch);
    fetches_free(fetches);
    end();
}
END_TEST

UNIT_MAIN("feed", a_feed_subscribes_first_and_reads_then,
          a_channel_has_one_feed_and_one_subscription, live_messages_are_passed_on_and_kept,
          memory_tells_what_comes_after_a_position_or_that_it_cannot,
          the_tail_keeps_so_many_and_forgets_the_oldest, the_tail_is_bounded_in_bytes_but_keeps_one,
          what_is_known_already_is_dropped,
          messages_that_came_before_the_answer_are_joined_by_their_ids,
          a_hole_is_mended_from_the_history_before_anything_else,
          a_hole_that_cannot_be_mended_empties_the_tail,
          too_much_to_catch_up_with_is_left_to_the_history, another_epoch_is_a_hole,
          a_position_from_before_the_channel_takes_its_first_messages_without_a_reset,
          a_connection_that_came_back_is_mended_too,
          an_answer_from_before_the_connection_was_lost_is_dropped,
          a_read_that_failed_is_repeated_when_the_history_is_ready,
          so_many_messages_kept_aside_are_forgotten_and_read_again,
          what_history_does_not_hold_is_dropped_and_counted,
          after_a_read_in_vain_the_next_one_waits_and_messages_do_not,
          a_doubt_of_a_feed_that_nobody_uses_waits_for_somebody,
          of_two_messages_of_one_id_history_says_which_is_true,
          a_number_without_a_message_has_the_history_read,
          a_channel_that_cannot_be_read_says_why_and_is_tried_again_when_somebody_comes,
          what_others_publish_into_our_name_is_ignored,
          a_feed_that_nobody_uses_is_left_after_its_linger,
          a_full_table_lets_the_oldest_unused_feed_go,
          names_that_are_polled_or_waited_on_once_never_fill_the_table,
          a_feed_that_nobody_uses_is_not_subscribed_again_after_a_loss,
          a_feed_taken_again_while_leaving_is_subscribed_again,
          who_asks_the_same_in_one_turn_shares_one_read,
          a_read_that_nobody_waits_for_any_more_is_forgotten, a_read_that_was_lost_goes_out_again,
          a_refused_read_is_done_with_its_error)

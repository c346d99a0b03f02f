/* worker/station, sequencer, lease and leader, on a Redis that does what the test says. */
#include "worker/station.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/crypto.h"
#include "core/base/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"
#include "worker/ingest.h"
#include "worker/queue.h"

/* One Redis process, its generation; and the barrier at which the worker joins. */
#define GENERATION "7"
#define BARRIER    "100"
#define SECRET     "00112233445566778899aabbccddeeff"

static struct ev_loop *loop;
static struct config config;
static struct redis *commands, *subscriber;
static struct link *link_to_redis;
static void *station;
static int connection; /* the number of the last that joined */

/* The loop does what is due, and what events asked for. */
static void turn(void) {
    ev_run(loop, EVRUN_NOWAIT);
}

/* Turns until Redis is asked something. */
static const char *asked(void) {
    until((turn(), fake_waiting(commands) > 0), "nothing is asked");
    return fake_asked(commands);
}

/* It is not subscribed before Redis says that it would let it join. */
static void may_join(void) {
    ck_assert_str_eq(fake_subscriptions(subscriber), "");
    fake_expect(subscriber, "FCALL halley_join 1 halley.lease:sequencer try halley",
                reply_number(1));
}

/* What main() makes of the link's events. */
static void on_ready(void *ctx) {
    (void)ctx;
    sequencer_job.up(station);
}

static void on_down(void *ctx) {
    (void)ctx;
    sequencer_job.down(station);
}

static void on_refused(void *ctx, const char *why) {
    (void)ctx, (void)why;
}

static const struct library_events library_events = {.ready = on_ready, .refused = on_refused};

static void begin_with(const char *file, const char *digest) {
    char *argv[] = {keepf("unit"), keepf("-f"), keepf("tests/unit/config/valid/%s.conf", file),
                    NULL};
    struct config_command command;
    char problem[CONFIG_PROBLEM];

    log_open("unit", LOG_ERROR);
    ck_assert_int_eq(config_load(&config, &command, 3, argv, problem), 0);
    loop = ev_default_loop(0);
    link_to_redis = link_new(loop, &(struct link_options){.config = &config,
                                                          .name = "halley-worker",
                                                          .live_name = "halley-worker-live",
                                                          .strict = true,
                                                          .down = on_down,
                                                          .library = &library_events});
    station = sequencer_job.new(loop, &config, link_to_redis);
    commands = fake_connection("halley-worker");
    turn();
    ck_assert_ptr_null(fake_find("halley-worker-live")); /* whose the database is, is not settled */
    fake_up(commands);
    fake_library(commands);
    turn();
    subscriber = fake_connection("halley-worker-live");
    fake_up(subscriber);
    ck_assert_str_eq(fake_subscriptions(subscriber), "");
    fake_expect(subscriber,
                keepf("FCALL halley_join 1 halley.lease:sequencer try%s halley", digest),
                reply_number(1));
}

static void begin(void) {
    begin_with("empty", "");
}

static void end(void) {
    link_close(link_to_redis, 0);
    sequencer_job.free(station);
    link_free(link_to_redis);
    config_free(&config);
    ev_loop_destroy(loop);
}

static const char *report(void) {
    struct buf out = buf_make(4096);
    sequencer_job.report(station, &out);
    return keep(out.data);
}

static const char *role(void) {
    const char *state = strstr(report(), "\"state\":\"") + 9;
    return keepf("%.*s", (int)strcspn(state, "\""), state);
}

static unsigned figure(const char *name) {
    const char *at = strstr(report(), keepf("\"%s\":", name));
    ck_assert_ptr_nonnull(at);
    return (unsigned)atoi(at + strlen(name) + 3);
}

/* What Redis answers to a question for the lease. `done`: of what the worker holds oldest. */
static void answer(const char *word, int left, const char *settled, const char *done) {
    const char *question = asked();

    ck_assert_msg(strstr(question, "FCALL halley_lease 1 halley.lease:sequencer ") == question,
                  "%s", question);
    fake_answer(commands, reply_list(7, reply_text(word), reply_number(left), reply_text("0"),
                                     reply_text(GENERATION " " SECRET), reply_text(settled),
                                     reply_text(done), reply_list(1, reply_text("another"))));
}

/* Redis has carried out the transaction by which a worker begins to listen. */
static void join_with(const char *patterns, const char *digest, const char *barrier,
                      const char *count) {
    const char *question = fake_asked(subscriber);

    ck_assert_str_eq(fake_subscriptions(subscriber),
                     keepf("join halley.sequenced halley:*%s", patterns));
    ck_assert_msg(
        strstr(question, keepf("FCALL halley_join 1 halley.lease:sequencer join%s halley ",
                               digest)) == question,
        "%s", question);
    fake_answer(subscriber,
                reply_list(2,
                           reply_list(4, reply_text(barrier), reply_text(count),
                                      reply_text(GENERATION " " SECRET), reply_number(0)),
                           reply_number(++connection)));
}

static void join_at(const char *barrier, const char *count) {
    join_with("", "", barrier, count);
}

static void hear(const char *text) {
    fake_say(subscriber, "halley:chat", text);
}

/* What Redis tells all workers; but "free" it is signed. */
static void tell(const char *word) {
    const char *said = keepf(SECRET " %s", word);
    unsigned char d[CRYPTO_SHA1];

    crypto_sha1(said, strlen(said), d);
    if (strncmp(word, "free", 4) != 0)
        word = keepf("%s %02x%02x%02x%02x%02x%02x%02x%02x", word, d[0], d[1], d[2], d[3], d[4],
                     d[5], d[6], d[7]);
    fake_say(subscriber, "halley.sequenced", word);
}

/* It joins behind number 0, and is granted the lease. */
static void lead(void) {
    join_at(BARRIER, "0");
    answer("granted", 3000, BARRIER, "0");
    ck_assert_str_eq(role(), "leading");
}

static void stand_by(void) {
    join_at(BARRIER, "0");
    answer("held", 60000, "0", "0");
    ck_assert_str_eq(role(), "standby");
}

/* The oldest call is the one that carries `payload` under that name, behind another. */
static void must_sequence(const char *before, const char *name, const char *payload) {
    const char *question = asked();

    ck_assert_msg(strstr(question, "FCALL halley_sequence 1 halley.lease:sequencer ") == question,
                  "%s", question);
    ck_assert_msg(strstr(question, keepf(" %s %s %s ", before, name, payload)) != NULL,
                  "\"%s\" does not carry %s %s %s", question, before, name, payload);
    ck_assert_msg(strstr(question, " 1000 3600 65536 604800 halley ") != NULL, "%s", question);
    ck_assert_msg(strstr(question, " chat ") != NULL, "%s", question);
}

START_TEST(a_worker_begins_to_listen_together_with_its_barrier) {
    begin();
    ck_assert_str_eq(role(), "joining");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    join_at(BARRIER, "5");
    ck_assert_str_eq(role(), "standby");
    const char *question = asked();
    ck_assert_msg(strstr(question, " acquire halley ") != NULL &&
                      strstr(question, " 3000 7 100 5 100 1 100 5 0 0 0 0 0 0 0 0 1") != NULL,
                  "%s", question);
    end();
}
END_TEST

START_TEST(the_leader_sends_what_it_hears_each_behind_the_one_before) {
    begin();
    lead();
    hear("a");
    hear("b");
    tell("begin 200 2"); /* another worker joins: it wants to know what we hold */
    hear("c");
    must_sequence("100 0", "100 1", "a 1");
    fake_answer(commands, reply_text("5-1"));
    must_sequence("100 1", "100 2", "b 0"); /* the channel is noted already */
    fake_answer(commands, reply_text("5-2"));
    ck_assert_uint_eq(figure("queue"), 1);
    answer("renewed", 3000, BARRIER, "0");
    must_sequence("100 2", "200 3", "c 0");
    fake_answer(commands, reply_text("DONE"));
    ck_assert_uint_eq(figure("queue"), 0);
    end();
}
END_TEST

START_TEST(a_standby_drops_what_is_told_to_be_done_by_its_name_and_nothing_else) {
    begin();
    stand_by();
    hear("a");
    hear("b");
    tell("begin 200 2");
    answer("held", 60000, "0", "0");
    hear("c");
    tell("done 7 200 3"); /* of what is behind the barrier, not of what is before it */
    ck_assert_uint_eq(figure("queue"), 2);
    tell("done 6 100 2"); /* said of another process of Redis, or another database */
    tell("done 7 150 9");
    tell("done 7 100");
    tell("done");
    ck_assert_uint_eq(figure("queue"), 2);
    tell("done 7 100 1");
    ck_assert_uint_eq(figure("queue"), 1);
    tell("done 7 100 2");
    ck_assert_uint_eq(figure("queue"), 0);
    end();
}
END_TEST

START_TEST(a_word_that_a_stranger_says_is_not_believed) {
    static const char *const words[] = {"begin 200 2",
                                        "begin 200 2 0123456789abcdef",
                                        "begin 4503599627370495 0 0123456789abcdef",
                                        "done 7 100 1",
                                        "done 7 100 1 0123456789abcdef",
                                        "done 7 100 1 ",
                                        "begin",
                                        ""};
    begin();
    stand_by();
    hear("a");
    for (size_t i = 0; i < ROWS(words); i++)
        fake_say(subscriber, "halley.sequenced", words[i]);
    ck_assert_uint_eq(figure("queue"), 1);
    ck_assert_uint_eq(figure("forged"), 3);
    const char *question = asked(); /* has Redis another secret? Once, for all of them */
    ck_assert_msg(strstr(question, " 100 1 100 1 0 0 ") != NULL, "%s", question);
    answer("held", 60000, "0", "0");
    turn();
    ck_assert_uint_eq(fake_waiting(commands), 0);
    ck_assert_ptr_nonnull(fake_find("halley-worker-live"));
    end();
}
END_TEST

START_TEST(a_worker_that_had_another_secret_listens_anew) {
    begin();
    stand_by();
    fake_say(subscriber, "halley.sequenced", "begin 200 2 0123456789abcdef");
    asked();
    fake_answer(commands, reply_list(7, reply_text("held"), reply_number(60000), reply_text("0"),
                                     reply_text("9 ff112233445566778899aabbccddeeff"),
                                     reply_text("0"), reply_text("0"), reply_list(0)));
    turn();
    ck_assert_str_eq(fake_subscriptions(subscriber), "punsubscribe halley:*");
    ck_assert_uint_eq(figure("astray"), 1);
    fake_confirm(subscriber);
    turn();
    turn();
    subscriber = fake_connection("halley-worker-live");
    fake_up(subscriber);
    may_join();
    end();
}
END_TEST

START_TEST(a_standby_that_is_granted_the_lease_sends_what_is_left) {
    begin();
    stand_by();
    hear("a");
    hear("b");
    tell("done 7 100 1");
    tell("free somebody-else");
    turn();
    ck_assert_uint_eq(fake_waiting(commands), 0);
    tell("free *"); /* the leader goes */
    const char *question = asked();
    ck_assert_msg(strstr(question, " 1 100 2 100 2 0 0 0 0 0 0 1 " SECRET " another") != NULL, "%s",
                  question);
    answer("granted", 3000, BARRIER, "0");
    must_sequence("100 1", "100 2", "b 1");
    end();
}
END_TEST

START_TEST(what_redis_did_before_is_answered_and_not_sent_again) {
    begin();
    stand_by();
    hear("a");
    hear("b");
    tell("free *");
    answer("done", 0, "0", "1"); /* the old leader's last word has not come yet */
    const char *question = asked();
    ck_assert_msg(strstr(question, " acquire ") != NULL && strstr(question, " 100 2 0 0 ") != NULL,
                  "%s", question);
    answer("granted", 3000, BARRIER, "0");
    must_sequence("100 1", "100 2", "b 1");
    end();
}
END_TEST

START_TEST(who_has_to_wait_for_others_asks_again_soon) {
    begin();
    join_at(BARRIER, "0");
    for (int i = 0; i < 3; i++)
        answer("wait", 0, "0", "0"); /* asked() has patience for more than that */
    answer("granted", 3000, BARRIER, "0");
    ck_assert_str_eq(role(), "leading");
    end();
}
END_TEST

START_TEST(a_leader_that_is_refused_begins_anew_with_the_first_that_is_not_done) {
    static const char *const errors[] = {"LEASE is not held by me", "ORDER expects another",
                                         "OOM command not allowed"};
    begin();
    lead();
    for (size_t i = 0; i < ROWS(errors); i++) {
        hear("a");
        hear("b");
        asked();
        fake_answer(commands, reply_error(errors[i]));
        ck_assert_str_eq(role(), "standby");
        asked();
        fake_answer(commands, reply_error("ORDER expects another")); /* what was sent behind it */
        ck_assert_uint_eq(figure("queue"), 2);
        answer("granted", 3000, BARRIER, "0");
        unsigned last = 2 * (unsigned)i;
        must_sequence(keepf("100 %u", last), keepf("100 %u", last + 1), "a 1");
        fake_answer(commands, reply_text("5-1"));
        must_sequence(keepf("100 %u", last + 1), keepf("100 %u", last + 2), "b 0");
        fake_answer(commands, reply_text("5-2"));
    }
    ck_assert_uint_eq(figure("queue"), 0);
    end();
}
END_TEST

START_TEST(what_was_heard_before_a_cut_is_kept_and_goes_first) {
    begin();
    stand_by();
    hear("a");
    fake_down(subscriber);
    ck_assert_uint_eq(figure("cuts"), 1);
    ck_assert_uint_eq(figure("queue"), 1);
    answer("held", 60000, "0", "0");
    fake_up(subscriber);
    may_join();
    const char *question = fake_asked(subscriber);
    ck_assert_msg(strstr(question, " 3000 7 100 0 100 0 100 1 100 1 100 1 100 0 1 0 2 " SECRET
                                   " another") != NULL,
                  "%s", question);
    join_at("200", "9");
    hear("b");
    answer("granted", 3000, BARRIER, "0");
    fake_expect(commands, "CLIENT KILL ID 1", reply_number(1)); /* Redis may not know */
    must_sequence("100 0", "100 1", "a 1");
    fake_answer(commands, reply_text("5-1"));
    question = asked(); /* may it go on behind the next barrier? */
    ck_assert_msg(strstr(question, " acquire ") != NULL &&
                      strstr(question, " 200 9 200 1 200 10 200 10 100 1 100 0 0 1 2 " SECRET
                                       " another") != NULL,
                  "%s", question);
    answer("granted", 3000, "200", "0");
    must_sequence("200 9", "200 10", "b 1");
    end();
}
END_TEST

START_TEST(gaps_are_told_before_it_goes_on_where_publishes_may_be_lost) {
    begin();
    join_at(BARRIER, "0");
    hear("a");
    answer("doubt", 3000, "0", "0");
    ck_assert_str_eq(role(), "standby");
    const char *question = asked();
    ck_assert_msg(strncmp(question, "FCALL halley_doubt 1 halley.lease:sequencer ", 44) == 0, "%s",
                  question);
    fake_answer(commands, reply_list(2, reply_number(100), reply_number(1)));
    ck_assert_msg(strstr(asked(), "halley_doubt") != NULL, "%s", asked());
    ck_assert_uint_eq(figure("doubts"), 0);
    fake_answer(commands, reply_list(2, reply_number(130), reply_number(0)));
    ck_assert_uint_eq(figure("doubts"), 1);
    answer("granted", 3000, BARRIER, "0");
    must_sequence("100 0", "100 1", "a 1");
    end();
}
END_TEST

START_TEST(what_a_newer_library_answers_more_is_left_aside) {
    begin();
    fake_answer(subscriber, reply_list(2,
                                       reply_list(5, reply_text(BARRIER), reply_text("0"),
                                                  reply_text(GENERATION " " SECRET),
                                                  reply_number(0), reply_text("more")),
                                       reply_number(++connection)));
    hear("a");
    answer("doubt", 3000, "0", "0");
    fake_answer(commands, reply_list(3, reply_number(130), reply_number(0), reply_text("more")));
    ck_assert_uint_eq(figure("doubts"), 1);
    asked();
    fake_answer(commands, reply_list(8, reply_text("granted"), reply_number(3000), reply_text("0"),
                                     reply_text(GENERATION " " SECRET), reply_text(BARRIER),
                                     reply_text("0"), reply_list(0), reply_text("more")));
    must_sequence("100 0", "100 1", "a 1");
    end();
}
END_TEST

START_TEST(what_cannot_be_judged_any_more_is_dropped_and_its_readers_are_told) {
    begin();
    stand_by();
    hear("a");
    tell("begin 200 1");
    answer("forgotten", 0, "0", "0");
    fake_expect(commands, "FCALL halley_gap 1 chat halley halley.lease:sequencer",
                reply_text("OK"));
    ck_assert_uint_eq(figure("forgotten"), 1);
    ck_assert_uint_eq(figure("queue"), 0);
    end();
}
END_TEST

START_TEST(what_cannot_become_a_message_is_counted_and_not_queued) {
    begin();
    stand_by();
    fake_say(subscriber, "halley:", "x");
    fake_say(subscriber, "halley:~own", "x");
    fake_say(subscriber, "halley:a{b", "x");
    fake_say(subscriber, "halley:\xff", "x");
    fake_say(subscriber, "other", "x");
    ck_assert_uint_eq(figure("queue"), 0);
    ck_assert_uint_eq(figure("refused"), 4);
    hear("x");
    tell("free *");
    answer("granted", 3000, BARRIER, "0");
    must_sequence("100 4", "100 5", "x 1"); /* all workers count the same */
    end();
}
END_TEST

START_TEST(what_is_too_long_is_a_gap_in_its_place) {
    char large[65538];

    begin();
    lead();
    memset(large, 'x', 65537);
    large[65537] = '\0';
    fake_say(subscriber, "halley:chat", large);
    hear("x");
    ck_assert_uint_eq(figure("refused"), 1);
    must_sequence("100 0", "100 1", " 1"); /* it has no payload */
    ck_assert_msg(strstr(asked(), " 604800 halley  chat 1") != NULL, "%s", asked());
    fake_answer(commands, reply_text("GAP"));
    must_sequence("100 1", "100 2", "x 0");
    ck_assert_msg(strstr(asked(), " 604800 halley 7 chat 0") != NULL, "%s", asked());
    end();
}
END_TEST

START_TEST(what_redis_sets_aside_is_tried_again_and_others_go_on) {
    begin();
    lead();
    hear("a");
    hear("b");
    asked();
    fake_answer(commands, reply_text("ASIDE WRONGTYPE Operation against a key"));
    must_sequence("100 1", "100 2", "b 0");
    fake_answer(commands, reply_text("5-1"));
    ck_assert_uint_eq(figure("aside"), 1);
    ck_assert_uint_eq(figure("queue"), 0);
    for (int left = 2; left >= 0; left--) {
        const char *question = asked();
        ck_assert_msg(strncmp(question, "FCALL halley_aside 1 halley.lease:sequencer ", 44) == 0 &&
                          strstr(question, " halley") != NULL,
                      "%s", question);
        fake_answer(commands,
                    reply_list(3, reply_number(left < 2), reply_number(left), reply_text("why")));
    }
    ck_assert_msg(strncmp(asked(), "FCALL halley_lease ", 19) == 0, "%s", asked()); /* it is over */
    end();
}
END_TEST

START_TEST(who_begins_to_lead_is_told_that_something_is_set_aside) {
    begin();
    join_at(BARRIER, "0");
    asked();
    fake_answer(commands, reply_list(7, reply_text("granted"), reply_number(3000),
                                     reply_text("9 1"), reply_text(GENERATION), reply_text(BARRIER),
                                     reply_text("0"), reply_list(0)));
    ck_assert_uint_eq(figure("total"), 9);
    ck_assert_msg(strncmp(asked(), "FCALL halley_aside ", 19) == 0, "%s", asked());
    fake_answer(commands, reply_error("LEASE is not held by you"));
    ck_assert_msg(strncmp(asked(), "FCALL halley_aside ", 19) == 0, "%s", asked());
    end();
}
END_TEST

START_TEST(so_many_are_on_their_way_at_a_time) {
    begin();
    lead();
    for (int i = 0; i < 1000; i++)
        hear("x");
    turn();
    size_t window = fake_waiting(commands);
    ck_assert_uint_lt(window, 1000);
    ck_assert_uint_gt(window, 100);
    fake_answer(commands, reply_text("5-1"));
    ck_assert_uint_eq(fake_waiting(commands), window); /* one is done, the next goes */
    end();
}
END_TEST

START_TEST(a_full_queue_is_not_listened_to_until_half_of_it_is_done) {
    begin();
    stand_by();
    for (int i = 0; i < QUEUE_ITEMS; i++)
        hear("x");
    turn();
    ck_assert_str_eq(fake_subscriptions(subscriber), "punsubscribe halley:*");
    ck_assert_uint_eq(figure("full"), 1);
    hear("it was on its way");
    ck_assert_uint_eq(figure("queue"), QUEUE_ITEMS + 1);
    fake_confirm(subscriber);
    turn();
    ck_assert_ptr_null(fake_find("halley-worker-live"));
    ck_assert_uint_eq(figure("cuts"), 0); /* nobody was told that it listens */
    answer("held", 60000, "0", keepf("%d", QUEUE_ITEMS / 2));
    turn();
    ck_assert_ptr_null(fake_find("halley-worker-live"));
    for (int done = QUEUE_ITEMS / 2 + 2; fake_find("halley-worker-live") == NULL; done += 2) {
        answer("held", 0, "0", keepf("%d", done));
        turn();
    }
    ck_assert_uint_lt(figure("queue"), QUEUE_ITEMS / 2);
    end();
}
END_TEST

START_TEST(a_worker_that_would_not_be_let_in_does_not_subscribe) {
    begin();
    fake_subscriptions(subscriber);
    fake_down(subscriber);
    for (int i = 0; i < 2; i++) {
        fake_up(subscriber);
        fake_answer(subscriber, reply_error("MISCONF Errors writing to the AOF file"));
        ck_assert_str_eq(fake_subscriptions(subscriber), "");
        turn();
        ck_assert(fake_renewed(subscriber));
        ck_assert_ptr_eq(fake_find("halley-worker-live"), subscriber);
        fake_down(subscriber);
        turn();
    }
    ck_assert_uint_eq(figure("unjoined"), 2);
    fake_up(subscriber);
    may_join();
    lead();
    end();
}
END_TEST

START_TEST(a_worker_that_may_not_join_hangs_up_and_tries_later) {
    begin();
    fake_subscriptions(subscriber);
    ck_assert(!fake_renewed(subscriber));
    fake_answer(subscriber, reply_error("READONLY You can't write against a read only replica."));
    ck_assert(fake_renewed(subscriber));
    turn();
    ck_assert_ptr_eq(fake_find("halley-worker-live"), subscriber); /* which counts its failures */
    fake_down(subscriber);
    turn();
    fake_up(subscriber);
    may_join();
    ck_assert_msg(strstr(fake_asked(subscriber), " 0 0 2 0") != NULL, "%s", fake_asked(subscriber));
    lead();
    end();
}
END_TEST

static void enough(struct ev_loop *of, struct ev_timer *timer, int events) {
    (void)timer, (void)events;
    ev_break(of, EVBREAK_ALL);
}

/* How often the loop turns in `seconds` in which nothing happens. */
static unsigned turns_in(double seconds) {
    unsigned before = ev_iteration(loop);
    struct ev_timer timer;

    ev_timer_init(&timer, enough, seconds, 0);
    ev_now_update(loop);
    ev_timer_start(loop, &timer);
    ev_run(loop, 0);
    return ev_iteration(loop) - before;
}

START_TEST(a_worker_whom_redis_does_not_let_join_rests) {
    begin();
    ck_assert_uint_lt(turns_in(0.1), 10);
    end();
}
END_TEST

START_TEST(a_worker_whom_redis_does_not_answer_rests) {
    begin();
    join_at(BARRIER, "0");
    (void)asked();
    ck_assert_uint_lt(turns_in(config.lease / 3000.0 + 0.2), 10); /* the next question is due */
    end();
}
END_TEST

START_TEST(a_leader_without_its_connection_believes_in_nothing) {
    begin();
    lead();
    hear("a");
    fake_down(commands);
    ck_assert_str_eq(role(), "standby");
    ck_assert_uint_eq(figure("queue"), 1);
    fake_up(commands);
    answer("granted", 3000, BARRIER, "0");
    must_sequence("100 0", "100 1", "a 1");
    end();
}
END_TEST

static unsigned drained;

static void on_drained(void *ctx) {
    (void)ctx;
    drained++;
}

/* From here on publishers are told that nobody listens. */
static void drain(void) {
    sequencer_job.drain(station, on_drained, NULL);
    turn();
    ck_assert_str_eq(fake_subscriptions(subscriber), "punsubscribe halley:*");
    hear("late"); /* it was on its way */
    fake_confirm(subscriber);
}

START_TEST(a_leader_that_drains_finishes_what_it_heard_and_leaves) {
    begin();
    lead();
    drain();
    ck_assert_uint_eq(drained, 0);
    must_sequence("100 0", "100 1", "late 1");
    fake_answer(commands, reply_text("5-1"));
    answer("renewed", 3000, BARRIER, "0");
    ck_assert_uint_eq(drained, 0);
    ck_assert_msg(strstr(asked(), " leave ") != NULL, "%s", asked());
    answer("left", 0, BARRIER, "0");
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

START_TEST(a_standby_that_drains_leaves_when_redis_says_that_the_leader_has_it_all) {
    begin();
    stand_by();
    drain();
    ck_assert_msg(strstr(asked(), " leave ") != NULL, "%s", asked());
    answer("held", 10, "0", "0");
    ck_assert_uint_eq(drained, 0);
    answer("left", 0, "0", "0");
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

START_TEST(a_standby_that_drains_alone_finishes_first) {
    begin();
    stand_by();
    drain();
    answer("granted", 3000, BARRIER, "0");
    must_sequence("100 0", "100 1", "late 1");
    fake_answer(commands, reply_text("5-1"));
    answer("left", 0, BARRIER, "0");
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

START_TEST(a_worker_that_never_listened_drains_at_once) {
    begin();
    fake_subscriptions(subscriber);
    fake_down(subscriber);
    sequencer_job.drain(station, on_drained, NULL);
    ck_assert_uint_eq(drained, 1);
    end();
}
END_TEST

/* ------------------------------------------------------------------------ ingest */

#define OTHERS " laravel_database_* other_* socket.io#* juggernaut asgi__group__* cable\\:[a-z]*"

/* The digest of the patterns of valid/ingest, with a blank before it. */
static const char *digest_of_others(void) {
    char *argv[] = {keepf("unit"), keepf("-f"), keepf("tests/unit/config/valid/ingest.conf"), NULL};
    struct config_command command;
    struct config others;
    char problem[CONFIG_PROBLEM];

    ck_assert_int_eq(config_load(&others, &command, 3, argv, problem), 0);
    struct ingest_table *table = ingest_new(&others);
    const char *digest = keepf(" %s", ingest_digest(table));
    ingest_free(table);
    config_free(&others);
    return digest;
}

static void lead_with_others(void) {
    begin_with("ingest", digest_of_others());
    join_with(OTHERS, digest_of_others(), BARRIER, "0");
    answer("granted", 3000, BARRIER, "0");
}

START_TEST(what_others_publish_is_counted_in_one_order_with_bare_publishes) {
    lead_with_others();
    hear("x");
    fake_say(subscriber, "laravel_database_chat", "{\"event\":\"a\",\"data\":1}");
    fake_say(subscriber, "laravel_database_chat", "nonsense");
    fake_say(subscriber, "cable:chat", "y");
    must_sequence("100 0", "100 1", "x 1");
    fake_answer(commands, reply_text("1-1"));
    must_sequence("100 1", "100 2", "{\"event\":\"a\",\"data\":1} 0");
    fake_answer(commands, reply_text("1-2"));
    ck_assert_msg(strstr(asked(), " 100 2 100 4 y 1 ") != NULL, "%s", asked());
    ck_assert_msg(strstr(asked(), " cable/hat 0") != NULL, "%s", asked());
    ck_assert_uint_eq(figure("ingested"), 3);
    ck_assert_uint_eq(figure("dropped"), 1);
    ck_assert_uint_eq(figure("heard"), 4);
    end();
}
END_TEST

START_TEST(what_goes_to_several_channels_is_one_call) {
    lead_with_others();
    fake_say(subscriber, "juggernaut",
             "{\"channels\":[\"chat\",\"orders-1\",\"{}\",\"b\"],\"data\":7}");
    must_sequence("100 0", "100 1", "7 1");
    const char *lines = "1 5 3600 65536 orders-1\n1 1000 3600 65536 b\n";
    ck_assert_msg(strstr(asked(), keepf(" chat 0 %s", lines)) != NULL, "%s", asked());
    ck_assert_uint_eq(figure("dropped"), 1);
    fake_answer(commands, reply_text("1-1"));
    ck_assert_uint_eq(figure("queue"), 0);
    end();
}
END_TEST

START_TEST(behind_a_barrier_of_other_patterns_it_hears_no_more) {
    lead_with_others();
    hear("x");
    tell(keepf("begin 200 1%s", digest_of_others())); /* of the same it goes on */
    hear("y");
    tell("begin 300 2 0123456789abcdef");
    hear("z");
    ck_assert_uint_eq(figure("foreign"), 1);
    ck_assert_uint_eq(figure("queue"), 2);
    turn();
    ck_assert_msg(strstr(fake_subscriptions(subscriber), "punsubscribe cable") != NULL, "%s",
                  fake_subscriptions(subscriber));
    end();
}
END_TEST

START_TEST(a_worker_of_bare_publishes_alone_hears_none_of_others) {
    begin();
    stand_by();
    hear("x");
    tell("begin 300 1 0123456789abcdef");
    hear("y");
    ck_assert_uint_eq(figure("foreign"), 1);
    ck_assert_uint_eq(figure("queue"), 1);
    end();
}
END_TEST

UNIT_MAIN(
    "sequencer", a_worker_begins_to_listen_together_with_its_barrier,
    the_leader_sends_what_it_hears_each_behind_the_one_before,
    a_standby_drops_what_is_told_to_be_done_by_its_name_and_nothing_else,
    a_word_that_a_stranger_says_is_not_believed, a_worker_that_had_another_secret_listens_anew,
    a_standby_that_is_granted_the_lease_sends_what_is_left,
    what_redis_did_before_is_answered_and_not_sent_again,
    who_has_to_wait_for_others_asks_again_soon,
    a_leader_that_is_refused_begins_anew_with_the_first_that_is_not_done,
    what_was_heard_before_a_cut_is_kept_and_goes_first,
    gaps_are_told_before_it_goes_on_where_publishes_may_be_lost,
    what_a_newer_library_answers_more_is_left_aside,
    what_cannot_be_judged_any_more_is_dropped_and_its_readers_are_told,
    what_cannot_become_a_message_is_counted_and_not_queued, what_is_too_long_is_a_gap_in_its_place,
    what_redis_sets_aside_is_tried_again_and_others_go_on,
    who_begins_to_lead_is_told_that_something_is_set_aside, so_many_are_on_their_way_at_a_time,
    a_full_queue_is_not_listened_to_until_half_of_it_is_done,
    a_worker_that_would_not_be_let_in_does_not_subscribe,
    a_worker_that_may_not_join_hangs_up_and_tries_later,
    a_worker_whom_redis_does_not_let_join_rests, a_worker_whom_redis_does_not_answer_rests,
    a_leader_without_its_connection_believes_in_nothing,
    a_leader_that_drains_finishes_what_it_heard_and_leaves,
    a_standby_that_drains_leaves_when_redis_says_that_the_leader_has_it_all,
    a_standby_that_drains_alone_finishes_first, a_worker_that_never_listened_drains_at_once,
    what_others_publish_is_counted_in_one_order_with_bare_publishes,
    what_goes_to_several_channels_is_one_call, behind_a_barrier_of_other_patterns_it_hears_no_more,
    a_worker_of_bare_publishes_alone_hears_none_of_others)

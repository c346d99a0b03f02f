/* fcgi-app/rights/asked: who is asked after, what is remembered, and whose bounds are whose. */
#include "fcgi-app/rights/asked.h"

#include <stdio.h>
#include <string.h>

#include "fcgi-app/rights/inquiry.h"
#include "tests/lib/keep.h"
#include "tests/unit/site.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

#define END  "Content-Length: 0\r\n\r\n"
#define YES  "HTTP/1.1 200 OK\r\n" END
#define NO   "HTTP/1.1 403 No\r\n" END
#define HELD "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n" END

static struct ev_loop *loop;
static struct site site;
static struct config config;
static struct stats stats;
static struct asker *asker;

static void begin(const char *says) {
    loop = ev_loop_new(0);
    site_open(&site, loop);
    site.says = says;
    char *argv[] = {keepf("unit"),
                    keepf("-f"),
                    keepf("tests/unit/config/valid/open.conf"),
                    keepf("-o"),
                    keepf("authorize=http://127.0.0.1:%d/may", site.port),
                    keepf("-o"),
                    keepf("authorize_timeout=20")};
    struct config_command command;
    char problem[CONFIG_PROBLEM];

    ck_assert_msg(config_load(&config, &command, 7, argv, problem) == 0, "%s", problem);
    stats = (struct stats){0};
    asker = asker_new(loop, &config, &stats);
}

static void end(void) {
    asker_end(asker);
    asker_free(asker);
    site_close(&site);
    ev_loop_destroy(loop);
    config_free(&config);
}

static struct asked *visitor(const char *cookie) {
    return asked_new(asker, cookie, "", "192.0.2.7");
}

static enum verdict verdict_of(struct asked *asked, enum rights_verb verb, const char *channel) {
    return asked_verdict(asked, verb, channel, strlen(channel));
}

static void on_done(void *ctx) {
    ++*(unsigned *)ctx;
}

/* Asks what is not known, and tells what is then. */
static enum verdict judge(struct asked *asked, enum rights_verb verb, const char *channel) {
    unsigned done = 0;

    asked_begin(asked);
    enum verdict verdict = verdict_of(asked, verb, channel);
    if (verdict != VERDICT_UNKNOWN)
        return verdict;
    asked_ask(asked, false, on_done, &done);
    ck_assert_uint_eq(done, 0);
    loop_until(loop, done == 1);
    return verdict_of(asked, verb, channel);
}

START_TEST(an_answer_that_holds_is_for_whoever_brings_the_same_and_for_nobody_else) {
    static const struct {
        const char *cookie, *authorization, *address;
        bool again; /* the site is asked anew */
    } rows[] = {{"a=b; c=d", "", "192.0.2.7", true},
                {"a=b; c=d", "", "192.0.2.7", false},
                {"c=d; a=b", "", "192.0.2.7", true},
                {"a=b; c=d", "x", "192.0.2.7", true},
                {"a=b; c=d", "", "192.0.2.8", true},
                {"", "a=b; c=d", "192.0.2.7", true},
                {"", "", "192.0.2.7", true},
                {"a=b\r\nCookie: c=d", "", "192.0.2.7", false}, /* nothing */
                {"a=b; c=d", "x\ny", "192.0.2.7", false}};

    begin(HELD);
    for (size_t i = 0; i < ROWS(rows); i++) {
        unsigned before = site.asked;
        struct asked *asked =
            asked_new(asker, rows[i].cookie, rows[i].authorization, rows[i].address);
        ck_assert_int_eq(judge(asked, RIGHTS_SUBSCRIBE, "c"), VERDICT_YES);
        ck_assert_msg(site.asked == before + rows[i].again, "row %zu", i);
        asked_free(asked);
    }
    struct asked *asked = visitor("a=b; c=d");
    ck_assert_int_eq(verdict_of(asked, RIGHTS_SUBSCRIBE, "c"), VERDICT_YES);
    ck_assert_int_eq(verdict_of(asked, RIGHTS_PUBLISH, "c"), VERDICT_UNKNOWN);
    ck_assert_int_eq(verdict_of(asked, RIGHTS_SUBSCRIBE, "cc"), VERDICT_UNKNOWN);
    asked_free(asked);
    end();
}
END_TEST

START_TEST(an_answer_that_does_not_say_is_for_who_asked) {
    begin(YES);
    struct asked *one = visitor("a=b"), *other = visitor("a=b");
    ck_assert_int_eq(judge(one, RIGHTS_SUBSCRIBE, "c"), VERDICT_YES);
    ck_assert_int_eq(verdict_of(one, RIGHTS_SUBSCRIBE, "c"), VERDICT_YES);
    ck_assert_int_eq(verdict_of(other, RIGHTS_SUBSCRIBE, "c"), VERDICT_UNKNOWN);
    asked_free(one);
    asked_free(other);
    end();
}
END_TEST

START_TEST(names_stand_encoded_in_the_address) {
    begin(YES);
    struct asked *asked = asked_new(asker, "a=b", "Basic eDp5", "2001:db8::1");
    (void)judge(asked, RIGHTS_PUBLISH, "a&b=c/\xc3\xa4 +%#?");
    ck_assert_ptr_nonnull(
        strstr(site.last, "GET /may?channel=a%26b%3Dc%2F%C3%A4%20%2B%25%23%3F&verb=publish&address="
                          "2001%3Adb8%3A%3A1 HTTP/1.1\r\n"));
    ck_assert_ptr_nonnull(strstr(site.last, "\r\nCookie: a=b\r\n"));
    ck_assert_ptr_nonnull(strstr(site.last, "\r\nAuthorization: Basic eDp5\r\n"));
    asked_free(asked);
    end();
}
END_TEST

START_TEST(what_nobody_asked_is_no_part_of_the_next_decision) {
    begin(YES);
    struct asked *asked = visitor("a=b");
    (void)verdict_of(asked, RIGHTS_SUBSCRIBE, "left over");
    ck_assert(asked_lacks(asked));
    ck_assert_int_eq(asked_known(asked, RIGHTS_SUBSCRIBE, "other", 5), VERDICT_UNKNOWN);
    asked_begin(asked);
    ck_assert(!asked_lacks(asked));
    ck_assert_int_eq(judge(asked, RIGHTS_PUBLISH, "c"), VERDICT_YES);
    ck_assert_uint_eq(site.asked, 1);
    asked_free(asked);
    end();
}
END_TEST

START_TEST(one_question_answers_all_who_ask_it_the_first_one_first) {
    unsigned done[3] = {0};
    struct asked *visitors[3];

    begin(NULL);
    for (int i = 0; i < 3; i++) {
        visitors[i] = visitor("a=b");
        (void)verdict_of(visitors[i], RIGHTS_SUBSCRIBE, "c");
        asked_ask(visitors[i], false, on_done, &done[i]);
    }
    asked_free(visitors[0]); /* who has left is told all the same */
    loop_until(loop, site.held_count == 1);
    site_answer(&site, NO);
    loop_until(loop, done[2] == 1);
    ck_assert_uint_eq(done[0] + done[1], 2);
    ck_assert_uint_eq(site.asked, 1);
    ck_assert_int_eq(verdict_of(visitors[1], RIGHTS_SUBSCRIBE, "c"), VERDICT_NO);
    asked_free(visitors[1]);
    asked_free(visitors[2]);
    end();
}
END_TEST

/* Notes so many channels of a visitor, and asks. */
static void ask_many(struct asked *asked, unsigned count, unsigned *done) {
    asked_begin(asked);
    for (unsigned i = 0; i < count; i++)
        (void)verdict_of(asked, RIGHTS_SUBSCRIBE, keepf("c%u", i));
    asked_ask(asked, false, on_done, done);
}

START_TEST(an_address_at_its_bound_is_refused_alone) {
    unsigned done[3] = {0};

    begin(NULL);
    struct asked *one = visitor("a=b"), *two = visitor("c=d"),
                 *other = asked_new(asker, "a=b", "", "192.0.2.8");
    ask_many(one, ASKED_ADDRESS, &done[0]);
    loop_until(loop, site.held_count == INQUIRY_SHARE);
    ask_many(two, 1, &done[1]);
    loop_until(loop, done[1] == 1);
    ck_assert_int_eq(verdict_of(two, RIGHTS_SUBSCRIBE, "c0"), VERDICT_MISSING);
    ask_many(other, 1, &done[2]);
    loop_until(loop, site.held_count == INQUIRY_SHARE + 1);
    ck_assert_uint_eq(done[0] + done[2], 0);
    asker_end(asker);
    ck_assert_uint_eq(done[0] + done[2], 2);
    asked_free(one);
    asked_free(two);
    asked_free(other);
    end();
}
END_TEST

START_TEST(what_is_asked_meanwhile_leaves_room_for_who_waits) {
    unsigned done = 0;

    begin(NULL);
    struct asked *asked = visitor("a=b");
    for (unsigned i = 0; i < 2 * ASKED_ADDRESS; i++)
        ck_assert(asked_still(asked, RIGHTS_SUBSCRIBE, keepf("m%u", i), strlen(keepf("m%u", i))));
    ck_assert_uint_eq(stats.asked, ASKED_ADDRESS / 2);
    site.says = YES;
    ask_many(asked, 1, &done);
    while (site.held_count > 0)
        site_answer(&site, NO);
    loop_until(loop, done == 1);
    ck_assert_int_eq(verdict_of(asked, RIGHTS_SUBSCRIBE, "c0"), VERDICT_YES);
    asked_free(asked);
    end();
}
END_TEST

START_TEST(a_no_that_was_heard_ends_what_goes_on) {
    begin(NO);
    struct asked *asked = visitor("a=b");
    ck_assert(asked_still(asked, RIGHTS_SUBSCRIBE, "c", 1));
    loop_until(loop, !asked_still(asked, RIGHTS_SUBSCRIBE, "c", 1));
    ck_assert_uint_eq(site.asked, 1);
    asked_free(asked);
    asked = visitor("a=b"); /* who comes back, and has the site break down */
    site.says = "HTTP/1.1 500 No\r\n" END;
    ck_assert_int_eq(judge(asked, RIGHTS_SUBSCRIBE, "c"), VERDICT_MISSING);
    asked_free(asked);
    asked = visitor("a=b");
    ck_assert(!asked_still(asked, RIGHTS_SUBSCRIBE, "c", 1));
    asked_free(asked);
    end();
}
END_TEST

/* Goes on asking, as a list of messages does, when the site will not answer any more. */
static struct asked *restless;
static unsigned rounds;

static void on_restless(void *ctx) {
    if (++rounds == 5)
        return;
    (void)verdict_of(restless, RIGHTS_SUBSCRIBE, keepf("r%u", rounds));
    ck_assert(asked_lacks(restless));
    asked_ask(restless, true, on_restless, ctx);
}

START_TEST(everybody_is_answered_when_the_process_ends) {
    begin(NULL);
    restless = visitor("a=b");
    rounds = 0;
    (void)verdict_of(restless, RIGHTS_SUBSCRIBE, "r");
    asked_ask(restless, false, on_restless, NULL);
    loop_until(loop, site.held_count == 1);
    asker_end(asker);
    ck_assert_uint_eq(rounds, 5);
    asked_free(restless);
    end();
}
END_TEST

UNIT_MAIN("asked", an_answer_that_holds_is_for_whoever_brings_the_same_and_for_nobody_else,
          an_answer_that_does_not_say_is_for_who_asked, names_stand_encoded_in_the_address,
          what_nobody_asked_is_no_part_of_the_next_decision,
          one_question_answers_all_who_ask_it_the_first_one_first,
          an_address_at_its_bound_is_refused_alone,
          what_is_asked_meanwhile_leaves_room_for_who_waits, a_no_that_was_heard_ends_what_goes_on,
          everybody_is_answered_when_the_process_ends)

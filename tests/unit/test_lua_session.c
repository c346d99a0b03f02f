/* core/redis/session.lua: what each of its functions does with a session, in a real Redis. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/lib/keep.h"
#include "tests/lib/proc.h"
#include "tests/unit/server.h"
#include "tests/unit/unit.h"

#define SID "0123456789abcdef0123456789abcdef"
#define KEY "halley.session:{" SID "}"
#define OUT "halley.session.out:{" SID "}"

/* Calls halley_session_<name> of the one session, with words of which none holds a NUL. */
static const char *call_with(const char *name, int count, const char *const *words) {
    const char *argv[40] = {"FCALL", keepf("halley_session_%s", name), "1", SID};
    size_t lens[40];

    for (int i = 0; i < count; i++)
        argv[4 + i] = words[i];
    for (int i = 0; i < 4 + count; i++)
        lens[i] = strlen(argv[i]);
    return ask_bytes(4 + count, argv, lens);
}

#define CALL(name, ...)                                                                            \
    call_with(name, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)),                 \
              (const char *[]){__VA_ARGS__})

static const char *open_at(const char *cursor) {
    return CALL("open", "60000", "sockjs/chat", "state", cursor, "0");
}

/* Process `p` is there: somebody listens to its channel. */
static void live(const char *p) {
    listen_to(keepf("halley.process:%s", p));
    (void)heard(0);
}

static const char *attach(const char *hold, const char *policy, const char *confirm,
                          const char *what) {
    return CALL("attach", hold, "halley", policy, "60000", confirm, what, "both");
}

static const char *next(const char *hold) {
    return attach(hold, "newest", "next", "");
}

static const char *answer(const char *hold, const char *version, const char *frames,
                          const char *request, const char *cursor) {
    return CALL("answer", hold, version, "60000", frames, "done", "0", request, cursor);
}

/* Frames without another change; "" for none of the second. */
static const char *send_frame(const char *frame) {
    return CALL("change", "halley", "0", "60000", "0", "0", "keep", "", "", "", frame);
}

static bool begins(const char *text, const char *with) {
    return strncmp(text, with, strlen(with)) == 0;
}

#define HAS(text, part)                                                                            \
    do {                                                                                           \
        const char *said_ = (text);                                                                \
        ck_assert_msg(strstr(said_, part) != NULL, "%s lacks %s", said_, part);                    \
    } while (0)
#define IS(text, with)                                                                             \
    do {                                                                                           \
        const char *said_ = (text);                                                                \
        ck_assert_msg(begins(said_, with), "%s is not %s", said_, with);                           \
    } while (0)

/* --------------------------------------------------------------------- who its client is */

static int64_t wall_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Opens one whose client is `user` for so many milliseconds. */
static const char *open_for(const char *user, int64_t more) {
    return CALL("open", "60000", "sockjs/chat", "", "a@1-0", "0", "0", user,
                keepf("%" PRId64, wall_ms() + more), "over");
}

static const char *attach_as(const char *hold, const char *user, int64_t more) {
    return CALL("attach", hold, "halley", "newest", "60000", "next", "", "", "", "", "", "", "", "",
                user, keepf("%" PRId64, wall_ms() + more), "over");
}

START_TEST(who_the_client_is_stands_in_every_view) {
    server_start(false);
    live("p");
    open_for("alice", 100000);
    HAS(next("p.1"), " nil nil alice 1");
    HAS(CALL("look", "p.1"), " nil nil alice 1");
    HAS(CALL("change", "halley", "9999", "0", "0", "0", "keep", "", "", ""), " nil nil alice 1");
    HAS(CALL("remove", "halley"), " nil nil alice 1");
}
END_TEST

START_TEST(a_session_is_closed_when_what_opened_it_ends) {
    server_start(false);
    live("p");
    open_for("alice", 150);
    IS(next("p.1"), "[0 ");
    pause_ms(200);
    IS(CALL("look", "p.1"), "[5 over]");
    IS(answer("p.1", "1", "0", "", "a@1-1"), "[5 over]");
    IS(send_frame("x"), "[5 over]");
    IS(CALL("renew", "halley", "alice", "0", ""), "[5 over]");
    IS(CALL("close", "halley", "60000", "each", "bye"), "[2 1]"); /* and whoever holds it is told */
    HAS(heard(1), "wake 1");
    IS(next("p.2"), "[5 over]");
}
END_TEST

START_TEST(a_session_is_renewed_by_its_user_alone) {
    server_start(false);
    live("p");
    open_for("alice", 100000);
    next("p.1");
    ck_assert_str_eq(CALL("renew", "halley", "bob", "0", ""), "[11]");
    ck_assert_str_eq(attach_as("p.2", "bob", 200000), "[11]");
    ck_assert_str_eq(heard(0), ""); /* and does not disturb her */
    ck_assert_str_eq(CALL("renew", "halley", "alice", "77", "over"), "[2 1]");
    HAS(heard(1), "wake 1");
    IS(next("p.3"), "[5 over]");
}
END_TEST

START_TEST(a_request_renews_a_session_by_what_ends_later) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    HAS(attach_as("p.1", "alice", 100000), " alice 1"); /* who nobody was is she */
    IS(attach_as("p.2", "alice", -1000), "[0 ");
    HAS(CALL("look", "p.2"), " alice 1");
}
END_TEST

/* ------------------------------------------------------------------------ open, attach */

START_TEST(what_is_open_is_left_as_it_is) {
    server_start(false);
    ck_assert_str_eq(open_at("a@1-0"), "[1]");
    ck_assert_str_eq(open_at("a@1-9"), "[3]");
    ck_assert_str_eq(next("p.1"), "[0 1 sockjs/chat state a@1-0 0 -1 0 0 0 nil nil]");
}
END_TEST

START_TEST(nothing_is_known_of_a_session_that_is_not_there) {
    server_start(false);
    ck_assert_str_eq(next("p.1"), "[4]");
    ck_assert_str_eq(CALL("look", "p.1"), "[4]");
    ck_assert_str_eq(answer("p.1", "1", "0", "", "a@1-1"), "[4]");
    ck_assert_str_eq(send_frame("x"), "[4]");
    ck_assert_str_eq(CALL("release", "p.1", "0"), "[4]");
    ck_assert_str_eq(CALL("close", "halley", "1000", "each", "why"), "[4]");
    ck_assert_str_eq(CALL("remove", "halley"), "[4]");
    ck_assert_str_eq(must_ask("DBSIZE"), "0");
}
END_TEST

static const char *attach_or_open(const char *hold, const char *policy, const char *how) {
    return CALL("attach", hold, "halley", policy, "60000", "next", "", "", how, "sockjs/chat", "",
                "a@1-0", "0");
}

START_TEST(the_first_request_opens_and_holds_in_one_call) {
    server_start(false);
    live("p");
    IS(attach_or_open("p.1", "first", "hold"), "[1 1 sockjs/chat  a@1-0 0 ");
    ck_assert_str_eq(attach_or_open("p.2", "first", "hold"), "[6]"); /* the other of two at once */
    IS(answer("p.1", "1", "0", "", "a@1-1"), "[2 1]");
}
END_TEST

START_TEST(a_first_request_that_is_answered_at_once_need_not_hold) {
    server_start(false);
    live("p");
    IS(attach_or_open("p.1", "first", "loose"), "[1 ");
    ck_assert_str_eq(CALL("look", "p.1"), "[7]");
    IS(attach_or_open("p.2", "first", "loose"), "[0 "); /* from then on as any other */
    ck_assert_str_eq(attach_or_open("p.3", "first", "loose"), "[6]");
}
END_TEST

START_TEST(the_newest_request_takes_the_hold_and_the_older_is_told) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    next("p.7");
    IS(next("q.1"), "[0 ");
    ck_assert_str_eq(heard(1), "halley.process:p: over 7\n");
    ck_assert_str_eq(answer("p.7", "1", "0", "", "a@1-1"), "[7]");
    ck_assert_str_eq(CALL("release", "p.7", "0"), "[7]");
    IS(answer("q.1", "1", "0", "", "a@1-1"), "[2 ");
}
END_TEST

START_TEST(the_first_request_keeps_the_hold) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    next("p.7");
    ck_assert_str_eq(attach("p.8", "first", "next", ""), "[6]");
    ck_assert_str_eq(heard(1), "halley.process:p: there 7\n"); /* and is not woken by it */
    IS(answer("p.7", "1", "0", "", "a@1-1"), "[2 ");
    IS(attach("p.8", "first", "next", ""), "[0 ");
}
END_TEST

START_TEST(two_at_once_are_the_end_of_both) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    next("p.7");
    ck_assert_str_eq(attach("q.1", "both", "next", ""), "[5 both]");
    ck_assert_str_eq(heard(1), "halley.process:p: over 7\n");
    ck_assert_str_eq(answer("p.7", "1", "0", "", "a@1-1"), "[7]");
    ck_assert_str_eq(attach("q.2", "both", "next", ""), "[5 both]");
}
END_TEST

START_TEST(who_holds_in_a_dead_process_holds_nothing) {
    static const char *const policies[] = {"newest", "first", "both"};

    server_start(false);
    open_at("a@1-0");
    next("dead.1");
    for (int i = 0; i < 3; i++)
        IS(attach(keepf("dead.%d", i + 2), policies[i], "next", ""), "[0 ");
    HAS(CALL("change", "halley", "0", "60000", "0", "0", "keep", "", "", "", "x"), " 0]");
}
END_TEST

START_TEST(names_begin_with_the_installations_prefix) {
    server_start(false);
    listen_to("site.process:p");
    (void)heard(0);
    open_at("a@1-0");
    next("p.7");
    ck_assert_str_eq(
        CALL("attach", "p.8", "site", "first", "60000", "next", "", "", "hold", "d", "", "", "0"),
        "[6]");
    ck_assert_str_eq(heard(1), "site.process:p: there 7\n");
}
END_TEST

START_TEST(a_rule_of_confirmation_that_nobody_knows_is_refused) {
    server_start(false);
    open_at("a@1-0");
    IS(attach("p.1", "newest", "rid", "1"), "!ERR confirm");
}
END_TEST

/* --------------------------------------------------------- when an answer is delivered */

START_TEST(the_next_request_says_that_the_last_answer_came) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    HAS(next("p.1"), " a@1-0 0 -1 0 1 1 [f] ");
    ck_assert_str_eq(answer("p.1", "1", "1", "", "a@1-5"), "[2 1]");
    ck_assert_str_eq(next("p.2"), "[0 1 sockjs/chat state a@1-5 1 -1 0 0 0 nil nil]");
    ck_assert_str_eq(must_ask("EXISTS " OUT), "0");
}
END_TEST

START_TEST(the_same_request_again_is_given_exactly_what_it_was_given) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    attach("p.1", "newest", "id", "one");
    answer("p.1", "1", "1", "one", "a@1-5");
    send_frame("g"); /* that and later messages are not for the copy: either may arrive */
    ck_assert_str_eq(attach("p.2", "newest", "id", "one"),
                     "[0 1 sockjs/chat state a@1-0 1 -1 1 2 2 [f] nil a@1-5]");
    ck_assert_str_eq(CALL("look", "p.2"), "[0 1 sockjs/chat state a@1-0 1 -1 1 2 2 [f] nil a@1-5]");
    ck_assert_str_eq(answer("p.2", "1", "1", "one", "a@1-5"), "[2 1]");
    ck_assert_str_eq(attach("p.3", "newest", "id", "two"),
                     "[0 1 sockjs/chat state a@1-5 1 -1 0 1 1 [g] nil]");
}
END_TEST

START_TEST(a_request_that_was_stuck_and_is_repeated_since_changes_nothing) {
    server_start(false);
    live("q");
    open_at("a@1-0");
    attach("q.1", "newest", "id", "one");
    answer("q.1", "1", "0", "one", "a@1-5");
    attach("q.2", "newest", "id", "two");
    answer("q.2", "1", "0", "two", "a@1-9"); /* in flight */
    ck_assert_str_eq(attach("stuck.1", "newest", "id", "one"), "[7]");
    HAS(attach("q.3", "newest", "id", "two"), " a@1-5 2 -1 1 0 0 nil nil a@1-9]");
}
END_TEST

START_TEST(the_same_request_again_is_told_apart_from_a_newer_one) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    attach("p.1", "newest", "id", "one");
    attach("p.2", "newest", "id", "one");
    ck_assert_str_eq(heard(1), "halley.process:p: copy 1\n");
    attach("p.3", "newest", "id", "two");
    ck_assert_str_eq(heard(1), "halley.process:p: over 2\n");
}
END_TEST

START_TEST(an_answer_is_given_again_until_its_number_is_acknowledged) {
    server_start(false);
    open_at("a@1-0");
    attach("p.1", "newest", "ack", "0");
    answer("p.1", "1", "0", "", "a@1-5");
    HAS(attach("p.2", "newest", "ack", "0"), " a@1-0 1 -1 1 ");
    ck_assert_str_eq(answer("p.2", "1", "0", "", "a@1-6"), "[2 2]");
    HAS(attach("p.3", "newest", "ack", "2"), " a@1-6 2 -1 0 ");
}
END_TEST

START_TEST(an_answer_that_was_taken_for_lost_may_be_acknowledged_later) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    attach("p.1", "newest", "ack", "0");
    answer("p.1", "1", "1", "", "a@1-5"); /* 1, which the client gets */
    send_frame("g");
    HAS(attach("stuck.1", "newest", "ack", "0"), "[f g]");
    answer("stuck.1", "1", "2", "", "a@1-7"); /* 2, to nobody */
    ck_assert_str_eq(attach("p.2", "newest", "ack", "1"),
                     "[0 1 sockjs/chat state a@1-5 2 -1 1 1 1 [g] nil]");
    HAS(attach("stuck.2", "newest", "ack", "0"), " a@1-5 2 ");
    answer("stuck.2", "1", "0", "", "a@1-8");
    HAS(attach("p.3", "newest", "ack", "2"), " a@1-7 3 -1 1 0 0 nil");
}
END_TEST

START_TEST(what_a_stuck_request_released_is_not_given_twice) {
    server_start(false);
    open_at("a@1-0");
    attach("p.1", "newest", "ack", "0");
    answer("p.1", "1", "0", "", "a@1-5");
    attach("stuck.1", "newest", "ack", "0");
    CALL("release", "stuck.1", "60000");
    HAS(attach("p.2", "newest", "ack", "1"), " a@1-5 1 -1 0 ");
}
END_TEST

/* --------------------------------------------------------------- what is kept in memory */

/* Says where the client of a session stands that is kept. */
static const char *write_down(const char *hold, const char *keeping, const char *numbered,
                              const char *cursor, const char *sent, const char *batch,
                              const char *request) {
    return CALL("write", hold, "1", "60000", keeping, numbered, cursor, sent, batch, request);
}

START_TEST(what_is_kept_in_memory_is_asked_for_before_it_is_taken) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    IS(attach("p.1", "keeps", "id", "1"), "[0 ");
    ck_assert_str_eq(attach("q.1", "gentle", "id", "9"), "[12]");
    HAS(heard(1), "back 1");
    ck_assert_str_eq(attach("q.1", "keeps", "id", "9"), "[12]");
    ck_assert_str_eq(write_down("p.1", "done", "plain", "a@1-3", "a@1-4", "7", "8"), "[2 7]");
    HAS(attach("q.1", "gentle", "id", "9"), " a@1-4 7 ");
}
END_TEST

START_TEST(what_is_only_held_from_now_on_is_taken_as_ever) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    attach("p.1", "keeps", "id", "1");
    ck_assert_str_eq(
        CALL("write", "p.1", "1", "60000", "hold", "plain", "a@1-3", "", "7", "", "2", "3"),
        "[2 7]");
    (void)heard(0);
    ck_assert_str_eq(attach("q.1", "gentle", "id", "2"), "[7]"); /* it was stuck */
    IS(attach("q.2", "gentle", "id", "3"), "[0 ");
    HAS(heard(1), "copy 1");
    IS(attach("q.3", "gentle", "id", "4"), "[0 ");
    ck_assert_str_eq(attach("q.4", "gentle", "late", "4"), "[7]"); /* it came once more */
}
END_TEST

START_TEST(who_does_not_give_back_what_he_keeps_loses_it) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    attach("p.1", "keeps", "id", "1");
    IS(attach("q.1", "newest", "id", "2"), "[0 ");
    HAS(heard(1), "over 1");
    ck_assert_str_eq(write_down("p.1", "done", "plain", "a@1-3", "", "7", ""), "[7]");
}
END_TEST

START_TEST(what_was_not_written_down_is_found_by_the_number) {
    server_start(false);
    open_at("a@1-5,b@1-7");
    attach("p.1", "keeps", "ack", "0");
    write_down("p.1", "keep", "numbered", "a@1-5,b@1-7", "a@1-6,b@1-7", "1", "");
    /* nobody hears for `p`: two messages of the first, and three of the second */
    HAS(attach("q.1", "gentle", "ack", keepf("%d", 1 + 2 + 3 * (1 << 12))), " a@1-8,b@1-10 ");
}
END_TEST

START_TEST(a_number_that_was_not_written_down_is_never_given_again) {
    enum { WRITTEN = 4, NUMBERS = 1 << 24 };
    server_start(false);
    open_at("a@1-5");
    attach("p.1", "keeps", "ack", "0");
    write_down("p.1", "keep", "numbered", "a@1-5", "", keepf("%d", WRITTEN), "");
    HAS(attach("q.1", "keeps", "ack", keepf("%d", WRITTEN)), " a@1-5 "); /* it was stuck */
    ck_assert_str_eq(answer("q.1", "1", "0", "", "a@1-9"), keepf("[2 %d]", WRITTEN + NUMBERS + 1));
    HAS(attach("q.2", "keeps", "ack", keepf("%d", WRITTEN + 2)), " a@1-7 ");
    HAS(attach("q.3", "keeps", "ack", keepf("%d", WRITTEN + NUMBERS + 1)), " a@1-9 ");
}
END_TEST

START_TEST(answers_that_are_taken_for_lost_are_kept_to_a_number) {
    server_start(false);
    open_at("a@1-0");
    for (int i = 1; i <= 100; i++) {
        attach(keepf("p.%d", i), "newest", "ack", "0");
        IS(answer(keepf("p.%d", i), "1", "0", "", keepf("a@1-%d", i)), "[2 ");
    }
    ck_assert_int_lt(atoi(must_ask("STRLEN " KEY)), 400);
    HAS(attach("p.200", "newest", "ack", "97"), " a@1-97 ");
}
END_TEST

/* ---------------------------------------------- what real clients broke without */

START_TEST(a_reply_and_its_new_position_become_visible_in_one_atom_the_reply_in_front) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    next("p.7");
    ck_assert_str_eq(
        CALL("change", "halley", "1", "60000", "0", "0", "state", "new", "b@2-3", "", "subscribed"),
        "[2 2 1 10 1]");
    ck_assert_str_eq(heard(1), "halley.process:p: wake 7\n");
    HAS(CALL("look", "p.7"), "[0 2 sockjs/chat new a@1-0,b@2-3 0 -1 0 1 10 [subscribed] nil]");
}
END_TEST

START_TEST(the_number_of_an_answer_is_given_when_it_is_marked) {
    server_start(false);
    open_at("a@1-0");
    attach("killed.1", "newest", "ack", "0"); /* and never answers */
    HAS(attach("p.1", "newest", "ack", "0"), " a@1-0 0 ");
    ck_assert_str_eq(answer("p.1", "1", "0", "", "a@1-1"), "[2 1]");
    ck_assert_str_eq(answer("p.1", "1", "0", "", "a@1-1"), "[7]");
}
END_TEST

START_TEST(an_answer_without_anything_has_no_number) {
    server_start(false);
    open_at("a@1-0");
    next("p.1");
    ck_assert_str_eq(answer("p.1", "1", "0", "", ""), "[2 0]");
    HAS(next("p.2"), " a@1-0 0 ");
}
END_TEST

START_TEST(what_was_rendered_from_an_older_state_is_not_marked) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    next("p.1");
    CALL("change", "halley", "1", "60000", "0", "0", "keep", "", "a@1-8", "a@0-0");
    ck_assert_str_eq(answer("p.1", "1", "0", "", "a@1-3"),
                     "[8 2 sockjs/chat state a@1-8 0 -1 0 0 0 nil nil]");
    ck_assert_str_eq(answer("p.1", "2", "0", "", "a@1-9"), "[2 1]");
}
END_TEST

START_TEST(a_holder_is_asked_for_no_more_frames_than_there_are) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    next("p.1");
    IS(answer("p.1", "1", "2", "", ""), "!ERR frames");
    IS(answer("p.1", "1", "1", "", ""), "[2 1]");
}
END_TEST

START_TEST(a_stream_keeps_its_hold_and_goes_on_behind_what_it_sent) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    send_frame("f");
    next("p.1");
    ck_assert_str_eq(CALL("answer", "p.1", "1", "60000", "1", "keep", "0", "", "a@1-2"), "[2 1]");
    send_frame("g");
    HAS(CALL("look", "p.1"), " a@1-2 1 -1 0 2 2 [g] nil]");
    ck_assert_str_eq(CALL("answer", "p.1", "1", "60000", "1", "keep", "0", "", "a@1-3"), "[2 2]");
    CALL("release", "p.1", "60000");
    HAS(next("p.2"), " a@1-3 2 -1 0 0 0 nil nil]");
}
END_TEST

START_TEST(a_release_says_nothing_of_what_is_in_flight) {
    server_start(false);
    open_at("a@1-0");
    attach("p.1", "newest", "ack", "0");
    ck_assert_str_eq(CALL("release", "p.1", "60000"), "[2]");
    ck_assert_str_eq(CALL("release", "p.1", "60000"), "[7]");
    HAS(attach("p.2", "newest", "ack", "0"), " a@1-0 0 -1 0 ");
}
END_TEST

/* ------------------------------------------------------------------------------ changes */

START_TEST(a_change_of_an_older_state_is_a_conflict) {
    server_start(false);
    open_at("a@1-0");
    IS(CALL("change", "halley", "1", "60000", "0", "0", "state", "two", "", ""), "[2 2 ");
    ck_assert_str_eq(
        CALL("change", "halley", "1", "60000", "0", "0", "state", "three", "", "", "x"),
        "[9 2 sockjs/chat two a@1-0 0 -1 0 0 0 nil nil]");
    ck_assert_str_eq(must_ask("EXISTS " OUT), "0");
    IS(CALL("change", "halley", "18446744073709551615", "0", "0", "0", "keep", "", "", ""),
       "[9 2 ");
}
END_TEST

START_TEST(frames_alone_change_no_version) {
    server_start(false);
    open_at("a@1-0");
    next("p.1");
    ck_assert_str_eq(send_frame("echo"), "[2 1 1 4 0]");
    IS(answer("p.1", "1", "0", "", "a@1-1"), "[7]"); /* p is dead, as the change found */
    HAS(next("p.2"), " a@1-0 0 -1 0 1 4 [echo] ");
}
END_TEST

START_TEST(positions_are_added_set_and_dropped_in_what_is_in_flight_too) {
    server_start(false);
    live("p");
    open_at("a@1-0,b@1-0");
    attach("p.1", "newest", "ack", "0");
    answer("p.1", "1", "0", "", "a@1-4,b@1-4");
    CALL("change", "halley", "0", "60000", "0", "0", "keep", "", "c@3-3,b@9-9", "a@0-0");
    HAS(attach("p.2", "newest", "ack", "1"), " c@3-3,b@9-9 1 ");
    CALL("change", "halley", "0", "60000", "0", "0", "keep", "", "", "c@0-0,b@0-0");
    HAS(CALL("look", "p.2"), " state  1 ");
}
END_TEST

START_TEST(names_of_channels_are_taken_as_they_stand_in_a_cursor) {
    server_start(false);
    open_at("a.b@1-0,a-b@1-0,a~2Cb@1-1,~25@1-2");
    CALL("change", "halley", "0", "60000", "0", "0", "keep", "", "~25@5-5", "a.b@0-0");
    HAS(next("p.1"), " a-b@1-0,a~2Cb@1-1,~25@5-5 ");
}
END_TEST

START_TEST(frames_beyond_the_backlog_are_not_taken) {
    server_start(false);
    open_at("a@1-0");
    IS(CALL("change", "halley", "0", "60000", "10", "0", "keep", "", "", "", "12345", "67890"),
       "[2 1 2 10 ");
    ck_assert_str_eq(CALL("change", "halley", "0", "60000", "10", "0", "state", "x", "", "", "1"),
                     "[10]");
    HAS(next("p.1"), "[0 1 sockjs/chat state a@1-0 0 -1 0 2 10 [12345 67890]");
    answer("p.1", "1", "1", "", "");
    HAS(next("p.2"), " 1 5 [67890]");
    IS(CALL("change", "halley", "0", "60000", "10", "0", "keep", "", "", "", "12345"),
       "[2 1 2 10 ");
}
END_TEST

START_TEST(frames_and_states_are_any_bytes) {
    static const char words[] = "\x93\x00\xc1\xff";
    const char *argv[] = {"FCALL",  "halley_session_change",
                          "1",      SID,
                          "halley", "1",
                          "60000",  "0",
                          "0",      "state",
                          words,    "",
                          "",       words};
    size_t lens[14];

    server_start(false);
    open_at("a@1-0");
    for (int i = 0; i < 14; i++)
        lens[i] = argv[i] == words ? 4 : strlen(argv[i]);
    IS(ask_bytes(14, argv, lens), "[2 2 1 4 ");
    static const char expected[] =
        "[0 2 sockjs/chat \x93\x00\xc1\xff a@1-0 0 -1 0 1 4 [\x93\x00\xc1\xff] nil]";
    ck_assert_int_eq(memcmp(next("p.1"), expected, sizeof expected), 0);
}
END_TEST

START_TEST(a_session_whose_frames_are_gone_is_gone) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    must_ask("DEL " OUT);
    ck_assert_str_eq(next("p.1"), "[4]");
    ck_assert_str_eq(must_ask("EXISTS " KEY), "0");
}
END_TEST

START_TEST(frames_of_an_earlier_session_are_not_those_of_a_later) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    must_ask("DEL " KEY);
    open_at("a@1-0");
    HAS(next("p.1"), " 0 0 nil ");
}
END_TEST

/* -------------------------------------------------------------------------------- close */

START_TEST(a_close_wakes_the_holder_and_stays_for_later_requests) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    next("p.7");
    ck_assert_str_eq(CALL("close", "halley", "60000", "each", "c[3000,\"Go away!\"]"), "[2 1]");
    ck_assert_str_eq(heard(1), "halley.process:p: wake 7\n");
    ck_assert_str_eq(CALL("look", "p.7"), "[5 c[3000,\"Go away!\"]]");
    ck_assert_str_eq(answer("p.7", "1", "0", "", "a@1-1"), "[5 c[3000,\"Go away!\"]]");
    for (int i = 0; i < 3; i++)
        ck_assert_str_eq(next("p.8"), "[5 c[3000,\"Go away!\"]]");
    ck_assert_str_eq(send_frame("x"), "[5 c[3000,\"Go away!\"]]");
    ck_assert_str_eq(CALL("close", "halley", "60000", "each", "again"), "[5 c[3000,\"Go away!\"]]");
}
END_TEST

START_TEST(a_closed_session_says_so_beside_its_holder_too) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    next("p.7");
    CALL("close", "halley", "60000", "each", "why"); /* by the one that holds it, say */
    ck_assert_str_eq(attach("p.8", "first", "next", ""), "[5 why]");
    ck_assert_str_eq(attach("p.9", "newest", "next", ""), "[5 why]");
    must_ask("DEL " KEY);
    open_at("a@1-0");
    next("p.7");
    send_frame("f");
    CALL("close", "halley", "60000", "each", "why");
    ck_assert_str_eq(attach("p.8", "first", "next", ""), "[6]"); /* who holds it has the frame */
}
END_TEST

START_TEST(a_close_that_comes_before_the_poll_is_told_it) {
    server_start(false);
    open_at("a@1-0");
    ck_assert_str_eq(CALL("close", "halley", "60000", "once", "6"), "[2 0]");
    ck_assert_str_eq(send_frame("x"), "[5 6]"); /* who brings something uses it up not */
    ck_assert_str_eq(next("p.1"), "[5 6]");
    ck_assert_str_eq(next("p.2"), "[4]");
}
END_TEST

START_TEST(frames_are_told_before_the_close) {
    server_start(false);
    open_at("a@1-0");
    send_frame("last");
    CALL("close", "halley", "60000", "each", "bye");
    ck_assert_str_eq(next("p.1"), "[0 2 sockjs/chat state  0 -1 0 1 4 [last] bye]");
    IS(answer("p.1", "2", "1", "", ""), "[2 1]");
    ck_assert_str_eq(next("p.2"), "[5 bye]");
    ck_assert_str_eq(must_ask("EXISTS " OUT), "0");
}
END_TEST

START_TEST(requests_do_not_keep_a_closed_session) {
    server_start(false);
    open_at("a@1-0");
    CALL("close", "halley", "400", "each", "bye");
    until(begins(next("p.1"), "[4]"), "%s", next("p.1"));
}
END_TEST

START_TEST(what_is_removed_leaves_nothing_and_its_holder_is_told) {
    server_start(false);
    live("p");
    open_at("a@1-0");
    send_frame("f");
    send_frame("g");
    next("p.6");
    answer("p.6", "1", "1", "", "a@1-3");
    next("p.7");
    const char *seen = CALL("remove", "halley");
    ck_assert_msg(begins(seen, "[0 1 ") && strstr(seen, " a@1-3 ") && strstr(seen, "[g]"), "%s",
                  seen);
    ck_assert_str_eq(heard(1), "halley.process:p: over 7\n");
    ck_assert_str_eq(must_ask("KEYS *"), "[halley.sessions]"); /* which is nobody's */
}
END_TEST

START_TEST(who_removes_a_session_has_what_was_answered_last) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    next("p.6");
    answer("p.6", "1", "1", "", "a@1-3");
    const char *seen = CALL("remove", "halley");
    ck_assert_msg(strstr(seen, " a@1-3 ") && strstr(seen, " nil "), "%s", seen);
    ck_assert_str_eq(must_ask("KEYS *"), "[halley.sessions]");
}
END_TEST

START_TEST(what_is_closed_is_not_removed) {
    server_start(false);
    open_at("a@1-0");
    CALL("close", "halley", "60000", "once", "bye");
    ck_assert_str_eq(CALL("remove", "halley"), "[5 bye]");
    ck_assert_str_eq(next("p.1"), "[5 bye]");
}
END_TEST

/* ------------------------------------------------------------------------------- time */

static int64_t number(const char *text) {
    return strtoll(text, NULL, 10);
}

static int64_t redis_ms(void) {
    const char *text = must_ask("TIME");
    int64_t seconds = 0, micros = 0;

    ck_assert_int_eq(sscanf(text, "[%" SCNd64 " %" SCNd64, &seconds, &micros), 2);
    return seconds * 1000 + micros / 1000;
}

START_TEST(a_session_is_there_for_exactly_its_time) {
    server_start(false);
    for (int i = 0; i < 20; i++) {
        int64_t before = redis_ms();
        must_ask("DEL " KEY);
        CALL("open", "300", "d", "", "a@1-0", "0");
        int64_t end = number(must_ask("PEXPIRETIME " KEY)), after = redis_ms();
        /* Redis has a key through the millisecond that is its last */
        ck_assert_int_ge(end, before + 299);
        ck_assert_int_le(end, after + 299);
    }
}
END_TEST

START_TEST(each_request_begins_the_time_anew_and_the_frames_outlive_it) {
    server_start(false);
    live("p");
    CALL("open", "1000", "d", "", "a@1-0", "0");
    send_frame("f");
    ck_assert_int_gt(number(must_ask("PTTL " KEY)), 2000);
    CALL("attach", "p.1", "halley", "newest", "500000", "next", "", "");
    ck_assert_int_gt(number(must_ask("PTTL " KEY)), 100000);
    ck_assert_int_gt(number(must_ask("PTTL " OUT)), number(must_ask("PTTL " KEY)));
    CALL("change", "halley", "0", "0", "0", "0", "keep", "", "", "", "g"); /* its time stays */
    ck_assert_int_gt(number(must_ask("PTTL " KEY)), 100000);
    CALL("release", "p.1", "20000");
    ck_assert_int_le(number(must_ask("PTTL " KEY)), 20000);
}
END_TEST

START_TEST(a_ping_falls_due_by_the_clock_of_redis) {
    server_start(false);
    CALL("open", "600000", "d", "", "a@1-0", "100000");
    int64_t due = 0;
    ck_assert_int_eq(sscanf(next("p.1"), "[0 1 d  a@1-0 0 %" SCNd64, &due), 1);
    ck_assert(due > 50000 && due <= 100000);
    must_ask("DEL " KEY);
    CALL("open", "600000", "d", "", "a@1-0", "1");
    until(begins(next("p.1"), "[0 1 d  a@1-0 0 0 "), "%s", next("p.1"));
}
END_TEST

START_TEST(without_its_pong_a_session_is_gone_whatever_else_comes) {
    server_start(false);
    CALL("open", "600000", "d", "", "a@1-0", "1");
    next("p.1");
    IS(CALL("answer", "p.1", "1", "600000", "0", "done", "500", "", ""), "[2 0]");
    until(begins(next("p.2"), "[4]"), "%s", next("p.2"));
}
END_TEST

START_TEST(a_pong_brings_the_next_ping_and_wakes_the_holder) {
    server_start(false);
    live("p");
    CALL("open", "600000", "d", "", "a@1-0", "1");
    next("p.1");
    CALL("answer", "p.1", "1", "600000", "0", "done", "100000", "", "");
    HAS(next("p.2"), " a@1-0 0 -1 ");
    ck_assert_int_le(number(must_ask("PTTL " KEY)), 100000);
    HAS(CALL("change", "halley", "0", "600000", "0", "50000", "keep", "", "", ""), " 1]");
    ck_assert_str_eq(heard(1), "halley.process:p: wake 2\n");
    ck_assert_int_gt(number(must_ask("PTTL " KEY)), 100000);
    ck_assert_ptr_null(strstr(CALL("look", "p.2"), " -1 "));
}
END_TEST

START_TEST(several_are_answered_at_once_as_each_by_itself) {
    static const char other[] = "f123456789abcdef0123456789abcdef";
    static const char gone[] = "e123456789abcdef0123456789abcdef";

    server_start(false);
    live("p");
    CALL("open", "60000", "d", "", "a@1-0", "0");
    must_ask("FCALL halley_session_open 1 %s 60000 d s a@1-0 0 0", other);
    next("p.1");
    must_ask("FCALL halley_session_attach 1 %s p.2 halley newest 60000 next - -", other);
    for (int again = 0; again < 2; again++)
        ck_assert_str_eq(must_ask("FCALL halley_session_answers 3 " SID " %s %s 500000 a@1-7 p.1 1 "
                                  "p.9 1 p.2 1",
                                  gone, other),
                         again ? "[[7] [4] [7]]" : "[1 [4] 1]"); /* nobody holds them then */
    ck_assert_int_gt(number(must_ask("PTTL " KEY)), 400000);
    IS(next("p.3"), "[0 1 d  a@1-7 1 ");
    send_frame("f");
    ck_assert_str_eq(must_ask("FCALL halley_session_answers 1 " SID " 60000 a@1-8 p.3 1"), "[2]");
    IS(next("p.4"), "[0 1 d  a@1-8 2 ");
    HAS(next("p.5"), "[f]"); /* which was in none of them */
    CALL("change", "halley", "0", "0", "0", "0", "state", "new", "", "");
    IS(must_ask("FCALL halley_session_answers 1 " SID " 60000 a@1-9 p.5 1"), "[[8 2 d new a@1-8 ");
}
END_TEST

/* --------------------------------------------------------------------------- how many */

static const char *count(void) {
    return must_ask("FCALL halley_session_count 1 halley.sessions");
}

static const char *sid(char digit) {
    return keepf("%c%s", digit, &SID[1]);
}

/* Opens session `digit`, of which there may be `most`. */
static const char *open_one(char digit, const char *ttl, const char *most) {
    return must_ask("FCALL halley_session_open 1 %s %s d s a@1-0 0 %s", sid(digit), ttl, most);
}

static const char *attach_one(char digit, const char *ttl, const char *most) {
    return must_ask(
        "FCALL halley_session_attach 1 %s p.1 halley newest %s next - - hold d s a@1-0 0 "
        "%s",
        sid(digit), ttl, most);
}

START_TEST(no_more_sessions_are_made_than_there_may_be) {
    server_start(false);
    ck_assert_str_eq(open_one('a', "60000", "2"), "[1]");
    IS(attach_one('b', "60000", "2"), "[1 ");
    ck_assert_str_eq(count(), "[2 2]");
    ck_assert_str_eq(open_one('c', "60000", "2"), "[10]");
    ck_assert_str_eq(attach_one('c', "60000", "2"), "[10]");
    IS(attach_one('a', "60000", "2"), "[0 "); /* what is there goes on */
    ck_assert_str_eq(open_one('b', "60000", "2"), "[3]");
    ck_assert_str_eq(open_one('c', "60000", "0"), "[1]"); /* no limit */
    ck_assert_str_eq(open_one('d', "60000", "4"), "[1]");
    ck_assert_str_eq(count(), "[2 4]");
}
END_TEST

START_TEST(a_session_counts_until_it_ends_however_it_does) {
    server_start(false);
    must_ask("FCALL halley_session_open 1 " SID " 60000 d s a@1-0 0 0");
    open_one('a', "60000", "0");
    open_one('b', "300", "0");
    open_one('c', "60000", "0");
    ck_assert_str_eq(count(), "[2 4]");
    CALL("remove", "halley");
    ck_assert_str_eq(count(), "[2 3]");
    until(strcmp(count(), "[2 2]") == 0, "%s", count()); /* b has expired */
    IS(attach_one('a', "90000", "0"), "[0 ");
    IS(attach_one('c', "300", "0"), "[0 ");
    ck_assert_str_eq(count(), "[2 2]");
    until(strcmp(count(), "[2 1]") == 0, "%s", count()); /* c, whose end was moved nearer */
    must_ask("FCALL halley_session_close 1 %s halley 300 once why", sid('a'));
    until(strcmp(count(), "[2 0]") == 0, "%s", count());
}
END_TEST

START_TEST(sessions_are_counted_anew_where_redis_began_anew) {
    extern const char session_lua[];
    extern const size_t session_lua_len;

    server_start(false);
    open_one('a', "60000", "0");
    open_one('b', "60000", "0");
    const char *load[] = {"FUNCTION", "LOAD", "REPLACE", session_lua};
    const size_t lens[] = {8, 4, 7, session_lua_len};
    ck_assert_str_eq(ask_bytes(4, load, lens), "halley_session");
    ck_assert_str_eq(count(), "[2 0]");
    IS(attach_one('a', "90000", "0"), "[0 ");
    ck_assert_str_eq(count(), "[2 1]"); /* once it is used */
    IS(attach_one('a', "300", "0"), "[0 ");
    until(strcmp(count(), "[2 0]") == 0, "%s", count());
    must_ask("FLUSHDB");
    open_one('c', "60000", "0");
    ck_assert_str_eq(count(), "[2 1]");
    must_ask("FLUSHDB");
    ck_assert_str_eq(count(), "[2 0]");
}
END_TEST

START_TEST(pings_and_ends_are_right_with_and_without_the_key_that_tells_the_time) {
    server_start(false);
    for (int i = 0; i < 3; i++) {
        int64_t due = 0, before = redis_ms();

        CALL("open", "600000", "d", "", "a@1-0", "100000");
        if (i == 0)
            ck_assert_int_gt(number(must_ask("PEXPIRETIME halley.sessions")), before);
        if (i == 1)
            must_ask("DEL halley.sessions"); /* evicted */
        if (i == 2)
            must_ask("PERSIST halley.sessions"); /* as earlier versions kept it */
        ck_assert_int_eq(sscanf(next("p.1"), "[0 1 d  a@1-0 0 %" SCNd64, &due), 1);
        ck_assert_int_le(due, 100000);
        ck_assert_int_ge(due, 100000 - (redis_ms() - before) - 1);
        ck_assert_int_le(number(must_ask("PEXPIRETIME " KEY)), redis_ms() + 600000);
        must_ask("FLUSHDB");
        ck_assert_str_eq(count(), "[2 0]");
    }
}
END_TEST

START_TEST(a_session_that_is_never_polled_ends_soon) {
    server_start(false);
    CALL("attach", "p.1", "halley", "first", "60000", "next", "", "", "loose", "d", "", "a@1-0",
         "0");
    ck_assert_int_le(number(must_ask("PTTL " KEY)), 10000);
    IS(next("p.1"), "[0 ");
    ck_assert_int_gt(number(must_ask("PTTL " KEY)), 10000);
}
END_TEST

/* ------------------------------------------------------------------------------- cost */

START_TEST(a_sleeping_session_with_one_channel_takes_at_most_300_bytes) {
    server_start(false);
    CALL("open", "60000", "sockjs/chat", "", "chat@1795219200000-12345", "0");
    next("0123456789abcdef.123456");
    answer("0123456789abcdef.123456", "1", "0", "", "chat@1795219200000-12350");
    ck_assert_int_le(number(must_ask("MEMORY USAGE " KEY)), 300);
    CALL("attach", "0123456789abcdef.123457", "halley", "newest", "60000", "id", "a7", "");
    answer("0123456789abcdef.123457", "1", "0", "a7", "chat@1795219200000-12351");
    ck_assert_int_le(number(must_ask("MEMORY USAGE " KEY)), 300);
}
END_TEST

START_TEST(a_full_redis_lets_a_session_end) {
    server_start(false);
    open_at("a@1-0");
    send_frame("f");
    next("p.1");
    must_ask("CONFIG SET maxmemory 1");
    IS(send_frame("g"), "!OOM");
    ck_assert_str_eq(CALL("release", "p.1", "60000"), "[2]");
    IS(CALL("close", "halley", "60000", "each", "bye"), "[2 0]");
    ck_assert_str_eq(CALL("remove", "halley"), "[5 bye]");
}
END_TEST

START_TEST(the_library_says_its_version_and_digest) {
    extern const char session_lua_digest[];

    server_start(false);
    HAS(must_ask("FCALL_RO halley_session_version 0"), session_lua_digest);
}
END_TEST

UNIT_MAIN(
    "lua_session", who_the_client_is_stands_in_every_view,
    a_session_is_closed_when_what_opened_it_ends, a_session_is_renewed_by_its_user_alone,
    a_request_renews_a_session_by_what_ends_later, what_is_open_is_left_as_it_is,
    nothing_is_known_of_a_session_that_is_not_there, the_first_request_opens_and_holds_in_one_call,
    a_first_request_that_is_answered_at_once_need_not_hold,
    the_newest_request_takes_the_hold_and_the_older_is_told, the_first_request_keeps_the_hold,
    two_at_once_are_the_end_of_both, who_holds_in_a_dead_process_holds_nothing,
    names_begin_with_the_installations_prefix, a_rule_of_confirmation_that_nobody_knows_is_refused,
    the_next_request_says_that_the_last_answer_came,
    the_same_request_again_is_given_exactly_what_it_was_given,
    a_request_that_was_stuck_and_is_repeated_since_changes_nothing,
    the_same_request_again_is_told_apart_from_a_newer_one,
    an_answer_is_given_again_until_its_number_is_acknowledged,
    an_answer_that_was_taken_for_lost_may_be_acknowledged_later,
    what_a_stuck_request_released_is_not_given_twice,
    what_is_kept_in_memory_is_asked_for_before_it_is_taken,
    what_is_only_held_from_now_on_is_taken_as_ever, who_does_not_give_back_what_he_keeps_loses_it,
    what_was_not_written_down_is_found_by_the_number,
    a_number_that_was_not_written_down_is_never_given_again,
    answers_that_are_taken_for_lost_are_kept_to_a_number,
    a_reply_and_its_new_position_become_visible_in_one_atom_the_reply_in_front,
    the_number_of_an_answer_is_given_when_it_is_marked, an_answer_without_anything_has_no_number,
    what_was_rendered_from_an_older_state_is_not_marked,
    a_holder_is_asked_for_no_more_frames_than_there_are,
    a_stream_keeps_its_hold_and_goes_on_behind_what_it_sent,
    a_release_says_nothing_of_what_is_in_flight, a_change_of_an_older_state_is_a_conflict,
    frames_alone_change_no_version, positions_are_added_set_and_dropped_in_what_is_in_flight_too,
    names_of_channels_are_taken_as_they_stand_in_a_cursor, frames_beyond_the_backlog_are_not_taken,
    frames_and_states_are_any_bytes, a_session_whose_frames_are_gone_is_gone,
    frames_of_an_earlier_session_are_not_those_of_a_later,
    a_close_wakes_the_holder_and_stays_for_later_requests,
    a_closed_session_says_so_beside_its_holder_too, a_close_that_comes_before_the_poll_is_told_it,
    frames_are_told_before_the_close, requests_do_not_keep_a_closed_session,
    what_is_removed_leaves_nothing_and_its_holder_is_told,
    who_removes_a_session_has_what_was_answered_last, what_is_closed_is_not_removed,
    a_session_is_there_for_exactly_its_time,
    each_request_begins_the_time_anew_and_the_frames_outlive_it,
    a_ping_falls_due_by_the_clock_of_redis, without_its_pong_a_session_is_gone_whatever_else_comes,
    a_pong_brings_the_next_ping_and_wakes_the_holder, no_more_sessions_are_made_than_there_may_be,
    a_session_counts_until_it_ends_however_it_does,
    sessions_are_counted_anew_where_redis_began_anew,
    pings_and_ends_are_right_with_and_without_the_key_that_tells_the_time,
    a_session_that_is_never_polled_ends_soon, several_are_answered_at_once_as_each_by_itself,
    a_sleeping_session_with_one_channel_takes_at_most_300_bytes, a_full_redis_lets_a_session_end,
    the_library_says_its_version_and_digest)

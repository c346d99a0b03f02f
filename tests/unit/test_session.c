/* core/redis/session: the words of each call, what is made of answers, and calls that fail. */
#include "core/redis/session.h"

#include <string.h>

#include "core/base/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

#define MISSING "ERR Function not found"
#define ID      "0123456789abcdef0123456789abcdef"
#define BYTES(text)                                                                                \
    (struct session_bytes) {                                                                       \
        text, sizeof(text) - 1                                                                     \
    }

static struct ev_loop *loop;
static struct redis *redis;
static struct library *library;
static struct sessions *sessions;
static const char *process;

static void on_ready(void *ctx) {
    (void)ctx;
    sessions_resume(sessions);
}

static void on_refused(void *ctx, const char *why) {
    (void)ctx, (void)why;
    sessions_give_up(sessions);
}

static const struct library_events events = {.ready = on_ready, .refused = on_refused};

/* Redis says that both libraries are there. */
static void be_ready(void) {
    fake_expect(redis, "FCALL_RO halley_session_version 0",
                reply_list(2, reply_number(1000000), reply_text("")));
    fake_expect(redis, "FCALL_RO halley_installation 0 site 0",
                reply_list(8, reply_number(1000000), reply_text(""), reply_text("site"),
                           reply_text("0"), reply_text("1"), reply_text(""), reply_text(""),
                           reply_number(0)));
}

static void begin(void) {
    log_open("unit", LOG_ERROR);
    loop = ev_loop_new(0);
    redis = fake_new("commands");
    library = library_new(
        loop, redis,
        &(struct library_options){.prefix = "site", .sessions = true, .events = &events});
    sessions = sessions_new(redis, library, "site");
    process = strchr(session_channel(sessions), ':') + 1;
    fake_up(redis);
    library_up(library);
}

static void begin_ready(void) {
    begin();
    be_ready();
    ck_assert(sessions_ready(sessions));
}

static void end(void) {
    redis_free(redis);
    sessions_free(sessions);
    library_free(library);
    ev_loop_destroy(loop);
}

/* What the last call was told. */
static struct {
    unsigned calls;
    struct session_view view;
    const char *texts; /* dialect|state|cursor|until|reason|frame|frame... */
    const char *why;
} told;

static const char *shown(struct session_bytes bytes) {
    return bytes.at == NULL ? "-" : keepf("%.*s", (int)bytes.len, bytes.at);
}

static void on_told(void *ctx, const struct session_view *view) {
    ck_assert_ptr_eq(ctx, &told);
    told.calls++;
    told.view = *view;
    told.why = view->why != NULL ? keepf("%s", view->why) : NULL;
    told.texts = keepf("%s|%s|%s|%s|%s", shown(view->dialect), shown(view->state),
                       shown(view->cursor), shown(view->until), shown(view->reason));
    for (size_t i = 0; i < view->frame_count; i++)
        told.texts = keepf("%s|%s", told.texts, shown(view->frames[i]));
}

static redis_reply *view_reply(int status, const char *reason, redis_reply *frames) {
    return reply_list(12, reply_number(status), reply_number(3), reply_text("dialect"),
                      reply_text("state"), reply_text("a@1-2"), reply_number(7), reply_number(250),
                      reply_number(1), reply_number(2), reply_number(9), frames,
                      reply_text(reason));
}

static enum err attach_as(uint64_t number) {
    return session_attach(sessions, ID, &(struct session_attach){.number = number, .ttl = 5000},
                          on_told, &told);
}

static enum err answer_as(uint64_t number) {
    return session_answer(
        sessions, ID,
        &(struct session_answer){.number = number, .version = 1, .cursor = BYTES("a@1-1")}, on_told,
        &told);
}

/* ---------------------------------------------------------------------------- words */

START_TEST(each_call_has_the_words_of_its_function) {
    const struct session_bytes frames[] = {BYTES("f"), BYTES("g")};
    const struct session_birth birth = {.dialect = BYTES("d"),
                                        .state = BYTES("s"),
                                        .cursor = BYTES("a@1-0"),
                                        .first_pulse = 250,
                                        .most = 70};

    begin_ready();
    ck_assert_int_eq(session_open(sessions, ID, &birth, 300, on_told, &told), ERR_OK);
    fake_expect(redis, "FCALL halley_session_open 1 " ID " 300 d s a@1-0 250 70",
                reply_list(1, reply_number(SESSION_OPENED)));
    ck_assert_int_eq(told.view.status, SESSION_OPENED);

    struct session_attach attach = {.number = 9,
                                    .policy = SESSION_BOTH,
                                    .confirm = SESSION_SAME,
                                    .request = BYTES("r"),
                                    .reason = BYTES("two"),
                                    .ttl = 300,
                                    .birth = &birth};
    ck_assert_int_eq(session_attach(sessions, ID, &attach, on_told, &told), ERR_OK);
    fake_expect(redis,
                keepf("FCALL halley_session_attach 1 " ID
                      " %s.9 site both 300 id r two hold d s a@1-0 250 70",
                      process),
                reply_list(1, reply_number(SESSION_BUSY)));
    ck_assert_int_eq(told.view.status, SESSION_BUSY);

    attach = (struct session_attach){
        .number = 10, .policy = SESSION_FIRST, .confirm = SESSION_ACK, .ack = 4, .ttl = 1};
    ck_assert_int_eq(session_attach(sessions, ID, &attach, on_told, &told), ERR_OK);
    fake_expect(redis,
                keepf("FCALL halley_session_attach 1 " ID " %s.10 site first 1 ack 4 ", process),
                reply_list(1, reply_number(SESSION_GONE)));
    ck_assert_int_eq(told.view.status, SESSION_GONE);

    ck_assert_int_eq(session_look(sessions, ID, 9, on_told, &told), ERR_OK);
    fake_expect(redis, keepf("FCALL halley_session_look 1 " ID " %s.9", process),
                reply_list(1, reply_number(SESSION_LOST)));
    ck_assert_int_eq(told.view.status, SESSION_LOST);

    const struct session_answer answer = {.number = 9,
                                          .version = 3,
                                          .cursor = BYTES("a@1-5"),
                                          .frames = 2,
                                          .request = BYTES("r"),
                                          .keep = true,
                                          .ttl = 60,
                                          .pong_within = 200};
    ck_assert_int_eq(session_answer(sessions, ID, &answer, on_told, &told), ERR_OK);
    fake_expect(redis,
                keepf("FCALL halley_session_answer 1 " ID " %s.9 3 60 2 keep 200 r a@1-5", process),
                reply_list(2, reply_number(SESSION_OK), reply_number(12)));
    ck_assert_int_eq(told.view.status, SESSION_OK);
    ck_assert_uint_eq(told.view.batch, 12);

    const struct session_change change = {.version = 3,
                                          .state = BYTES("new"),
                                          .add = BYTES("b@1-0"),
                                          .drop = BYTES("a@0-0"),
                                          .frames = frames,
                                          .frame_count = 2,
                                          .max_backlog = 1000,
                                          .pulse = 300,
                                          .ttl = 500};
    ck_assert_int_eq(session_change(sessions, ID, &change, on_told, &told), ERR_OK);
    fake_expect(
        redis, "FCALL halley_session_change 1 " ID " site 3 500 1000 300 state new b@1-0 a@0-0 f g",
        reply_list(5, reply_number(SESSION_OK), reply_number(4), reply_number(2), reply_number(20),
                   reply_number(1)));
    ck_assert_uint_eq(told.view.version, 4);
    ck_assert_uint_eq(told.view.waiting, 2);
    ck_assert_uint_eq(told.view.waiting_bytes, 20);
    ck_assert(told.view.holder);

    session_release(sessions, ID, 9, 500, on_told, &told);
    fake_expect(redis, keepf("FCALL halley_session_release 1 " ID " %s.9 500", process),
                reply_list(1, reply_number(SESSION_OK)));
    ck_assert_int_eq(session_close(sessions, ID, BYTES("why"), true, 500, on_told, &told), ERR_OK);
    fake_expect(redis, "FCALL halley_session_close 1 " ID " site 500 once why",
                reply_list(2, reply_number(SESSION_CLOSED), reply_text("earlier")));
    ck_assert_str_eq(told.texts, "-|-|-|-|earlier");
    ck_assert_int_eq(session_remove(sessions, ID, on_told, &told), ERR_OK);
    fake_expect(redis, "FCALL halley_session_remove 1 " ID " site",
                view_reply(SESSION_HELD, "r", reply_list(1, reply_text("f"))));
    ck_assert_str_eq(told.texts, "dialect|state|a@1-2|-|r|f");
    ck_assert_int_eq(session_count(sessions, on_told, &told), ERR_OK);
    fake_expect(redis, "FCALL halley_session_count 1 halley.sessions",
                reply_list(2, reply_number(SESSION_OK), reply_number(17)));
    ck_assert_uint_eq(told.view.sessions, 17);
    ck_assert_uint_eq(told.calls, 10);
    end();
}
END_TEST

START_TEST(a_view_is_taken_apart) {
    begin_ready();
    ck_assert_int_eq(attach_as(1), ERR_OK);
    fake_answer(redis,
                view_reply(SESSION_HELD, "bye", reply_list(2, reply_text("f"), reply_text("g"))));
    ck_assert_str_eq(told.texts, "dialect|state|a@1-2|-|bye|f|g");
    ck_assert_uint_eq(told.view.version, 3);
    ck_assert_uint_eq(told.view.batch, 7);
    ck_assert_int_eq(told.view.ping, 250);
    ck_assert(told.view.again);
    ck_assert_uint_eq(told.view.waiting, 2);
    ck_assert_uint_eq(told.view.waiting_bytes, 9);
    end();
}
END_TEST

static void expect_refused(redis_reply *reply) {
    ck_assert_int_eq(session_look(sessions, ID, 1, on_told, &told), ERR_OK);
    fake_answer(redis, reply);
    ck_assert_int_eq(told.view.err, ERR_REFUSED);
    ck_assert_str_eq(told.why, "its answer is not understood");
}

START_TEST(an_answer_of_another_shape_is_refused) {
    begin_ready();
    expect_refused(reply_text("x"));
    expect_refused(reply_number(0));
    expect_refused(reply_list(1, reply_text("0")));
    expect_refused(reply_list(1, reply_number(99)));
    expect_refused(reply_list(1, reply_number(-1)));
    end();
}
END_TEST

START_TEST(what_is_longer_than_it_may_be_is_not_sent) {
    static char big[SESSION_CURSOR_MAX + 1];
    static struct session_bytes many[SESSION_FRAMES_MAX + 1];
    const struct session_bytes long_ones[] = {
        {big, SESSION_STATE_MAX + 1}, {big, SESSION_CURSOR_MAX + 1}, {big, SESSION_REASON_MAX + 1}};

    begin_ready();
    ck_assert_int_eq(session_change(sessions, ID, &(struct session_change){.state = long_ones[0]},
                                    on_told, &told),
                     ERR_RANGE);
    ck_assert_int_eq(
        session_change(sessions, ID, &(struct session_change){.add = long_ones[1]}, on_told, &told),
        ERR_RANGE);
    ck_assert_int_eq(session_close(sessions, ID, long_ones[2], false, 1, on_told, &told),
                     ERR_RANGE);
    ck_assert_int_eq(session_change(sessions, ID,
                                    &(struct session_change){.frames = many,
                                                             .frame_count = SESSION_FRAMES_MAX + 1},
                                    on_told, &told),
                     ERR_RANGE);
    ck_assert_int_eq(
        session_change(sessions, ID,
                       &(struct session_change){.frames = many, .frame_count = SESSION_FRAMES_MAX},
                       on_told, &told),
        ERR_OK);
    ck_assert_uint_eq(fake_waiting(redis), 1);
    ck_assert_uint_eq(told.calls, 0);
    end();
}
END_TEST

/* -------------------------------------------------------------------- names and words */

START_TEST(a_session_has_another_name_at_another_service) {
    char a[SESSION_ID_TEXT], b[SESSION_ID_TEXT];

    session_id(a, "echo", 4, "x", 1); /* printf 'echo\0x' | sha256sum */
    ck_assert_str_eq(a, "f42f3ce1c84258aea1f83383f648d8b3");
    session_id(b, "ech", 3, "ox", 2);
    ck_assert_str_ne(a, b);
    session_id(b, "echo", 4, "x\0", 2);
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(processes_have_names_of_their_own_and_numbers_never_repeat) {
    begin();
    struct sessions *other = sessions_new(redis, library, "site");
    ck_assert_str_ne(session_channel(sessions), session_channel(other));
    ck_assert_int_eq(strncmp(session_channel(other), "site.process:", 13), 0);
    ck_assert_uint_eq(strlen(session_channel(other)), 13 + 16);
    ck_assert_uint_eq(session_number(other), 1);
    ck_assert_uint_eq(session_number(other), 2);
    sessions_free(other);
    end();
}
END_TEST

START_TEST(words_of_other_processes_are_understood) {
    static const struct {
        const char *text;
        enum session_word word;
        uint64_t number;
    } rows[] = {{"wake 1", SESSION_WORD_WAKE, 1},
                {"over 18446744073709551599", SESSION_WORD_OVER, 18446744073709551599U},
                {"copy 12", SESSION_WORD_COPY, 12},
                {"there 1", SESSION_WORD_NONE, 0},
                {"wake 0", SESSION_WORD_NONE, 0},
                {"wake", SESSION_WORD_NONE, 0},
                {"wake ", SESSION_WORD_NONE, 0},
                {"wake -1", SESSION_WORD_NONE, 0},
                {"wake 1 ", SESSION_WORD_NONE, 0},
                {"wake 99999999999999999999", SESSION_WORD_NONE, 0},
                {"woke 1", SESSION_WORD_NONE, 0},
                {"", SESSION_WORD_NONE, 0}};

    begin();
    const char *channel = session_channel(sessions);
    for (size_t i = 0; i < ROWS(rows); i++) {
        uint64_t number;
        enum session_word word = session_hear(sessions, channel, strlen(channel), rows[i].text,
                                              strlen(rows[i].text), &number);
        ck_assert_msg(word == rows[i].word, "%s: %d", rows[i].text, word);
        ck_assert_msg(word == SESSION_WORD_NONE || number == rows[i].number, "%s", rows[i].text);
        ck_assert_int_eq(session_hear(sessions, channel, strlen(channel) - 1, rows[i].text,
                                      strlen(rows[i].text), &number),
                         SESSION_WORD_NONE);
    }
    end();
}
END_TEST

/* ---------------------------------------------------------------------------- failures */

START_TEST(nothing_is_sent_before_both_libraries_are_there) {
    begin();
    ck_assert(!sessions_ready(sessions));
    ck_assert_int_eq(attach_as(1), ERR_REDIS);
    ck_assert_uint_eq(told.calls, 0);
    end();
}
END_TEST

START_TEST(a_call_that_finds_no_function_is_done_once_the_library_is_back) {
    begin_ready();
    ck_assert_int_eq(answer_as(1), ERR_OK);
    fake_answer(redis, reply_error(MISSING));
    ck_assert_uint_eq(told.calls, 0);
    be_ready();
    ck_assert_int_eq(strncmp(fake_asked(redis), "FCALL halley_session_answer", 27), 0);
    fake_answer(redis, reply_list(2, reply_number(SESSION_OK), reply_number(1)));
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.view.err, ERR_OK);
    end();
}
END_TEST

START_TEST(a_call_that_finds_no_function_twice_is_given_up) {
    begin_ready();
    ck_assert_int_eq(answer_as(1), ERR_OK);
    fake_answer(redis, reply_error(MISSING));
    be_ready();
    fake_answer(redis, reply_error(MISSING));
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.view.err, ERR_REDIS);
    ck_assert(!told.view.sent);
    end();
}
END_TEST

START_TEST(who_waits_for_the_library_is_told_that_it_does_not_come) {
    begin_ready();
    ck_assert_int_eq(answer_as(1), ERR_OK);
    fake_answer(redis, reply_error(MISSING));
    sessions_give_up(sessions);
    ck_assert_uint_eq(told.calls, 1);
    ck_assert_int_eq(told.view.err, ERR_REDIS);
    end();
}
END_TEST

START_TEST(an_error_is_told_in_the_words_of_redis) {
    begin_ready();
    ck_assert_int_eq(session_look(sessions, ID, 1, on_told, &told), ERR_OK);
    fake_answer(redis, reply_error("WRONGTYPE Operation against a key script: x, on @user:1."));
    ck_assert_int_eq(told.view.err, ERR_REFUSED);
    ck_assert_str_eq(told.why, "WRONGTYPE Operation against a key");
    ck_assert(sessions_ready(sessions));
    ck_assert_int_eq(session_look(sessions, ID, 1, on_told, &told), ERR_OK);
    fake_answer(redis, reply_error("OOM command not allowed"));
    ck_assert_int_eq(told.view.err, ERR_REDIS);
    ck_assert(!told.view.sent);
    ck_assert(!sessions_ready(sessions)); /* until Redis serves again */
    end();
}
END_TEST

static void lose_connection(void) {
    library_down(library);
    fake_down(redis);
}

static void expect_release(uint64_t number) {
    fake_expect(redis,
                keepf("FCALL halley_session_release 1 " ID " %s.%llu 0", process,
                      (unsigned long long)number),
                reply_list(1, reply_number(SESSION_LOST)));
}

START_TEST(a_hold_of_which_nobody_knows_is_released_when_redis_is_back) {
    begin_ready();
    ck_assert_int_eq(attach_as(5), ERR_OK);
    ck_assert_int_eq(answer_as(6), ERR_OK);
    ck_assert_int_eq(session_look(sessions, ID, 7, on_told, &told), ERR_OK);
    lose_connection();
    ck_assert_uint_eq(told.calls, 3);
    ck_assert_int_eq(told.view.err, ERR_REDIS);
    ck_assert(told.view.sent);
    fake_up(redis);
    library_up(library);
    be_ready();
    expect_release(5);
    expect_release(6);
    ck_assert_uint_eq(fake_waiting(redis), 0); /* a look holds nothing, a hold that is had stays */
    end();
}
END_TEST

/* --------------------------------------------------------------------- several at once */

enum { IDS = 70 };

static const char *id_of(unsigned i) {
    return keepf("%032u", i);
}

/* An answer that may be sent with others, to session `i`, which its request holds by number `i`. */
static void answer_together(unsigned i, const char *cursor) {
    const struct session_answer answer = {
        .number = i, .version = 1, .cursor = {cursor, strlen(cursor)}, .ttl = 60, .together = true};
    ck_assert_int_eq(session_answer(sessions, id_of(i), &answer, on_told, &told), ERR_OK);
}

START_TEST(answers_with_one_cursor_are_one_call_and_each_is_told_its_own) {
    begin_ready();
    told.calls = 0;
    answer_together(1, "a@1-5");
    answer_together(2, "a@1-5");
    ck_assert_uint_eq(fake_waiting(redis), 0);
    sessions_flush(sessions);
    ck_assert_str_eq(fake_asked(redis),
                     keepf("FCALL halley_session_answers 2 %s %s 60 a@1-5 %s.1 1 %s.2 1", id_of(1),
                           id_of(2), process, process));
    fake_answer(redis, reply_list(2, reply_list(1, reply_number(SESSION_LOST)), reply_number(8)));
    ck_assert_uint_eq(told.calls, 2);
    ck_assert_int_eq(told.view.status, SESSION_OK);
    ck_assert_uint_eq(told.view.batch, 8);
    answer_together(1, "a@1-5");
    answer_together(2, "a@1-5");
    sessions_flush(sessions);
    fake_answer(redis, reply_list(2, reply_number(8), view_reply(SESSION_CHANGED, "", NULL)));
    ck_assert_uint_eq(told.calls, 4);
    ck_assert_int_eq(told.view.status, SESSION_CHANGED);
    ck_assert_str_eq(told.texts, "dialect|state|a@1-2|-|");
    ck_assert_uint_eq(fake_waiting(redis), 0);
    end();
}
END_TEST

START_TEST(an_answer_that_is_alone_is_the_usual_call) {
    begin_ready();
    answer_together(1, "a@1-5");
    sessions_flush(sessions);
    fake_expect(
        redis,
        keepf("FCALL halley_session_answer 1 %s %s.1 1 60 0 done 0  a@1-5", id_of(1), process),
        reply_list(2, reply_number(SESSION_OK), reply_number(1)));
    end();
}
END_TEST

START_TEST(what_differs_is_sent_apart_and_in_order) {
    begin_ready();
    answer_together(1, "a@1-5");
    answer_together(2, "a@1-6");
    session_release(sessions, id_of(2), 2, 0, NULL, NULL);
    ck_assert_ptr_nonnull(strstr(fake_asked(redis), " a@1-5"));
    fake_answer(redis, reply_list(2, reply_number(SESSION_OK), reply_number(1)));
    ck_assert_ptr_nonnull(strstr(fake_asked(redis), " a@1-6"));
    fake_answer(redis, reply_list(2, reply_number(SESSION_OK), reply_number(1)));
    ck_assert_ptr_nonnull(strstr(fake_asked(redis), "_release "));
    end();
}
END_TEST

START_TEST(a_crowd_is_sent_in_pieces_without_waiting) {
    begin_ready();
    for (unsigned i = 0; i < IDS; i++)
        answer_together(i, "a@1-5");
    ck_assert_uint_eq(fake_waiting(redis), 2);
    sessions_flush(sessions);
    ck_assert_uint_eq(fake_waiting(redis), 3);
    ck_assert_ptr_nonnull(strstr(fake_asked(redis), "FCALL halley_session_answers 32 "));
    end();
}
END_TEST

START_TEST(of_several_at_once_that_find_no_function_each_is_done_by_itself) {
    begin_ready();
    told.calls = 0;
    answer_together(1, "a@1-5");
    answer_together(2, "a@1-5");
    sessions_flush(sessions);
    fake_answer(redis, reply_error(MISSING));
    ck_assert_uint_eq(told.calls, 0);
    be_ready();
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_ptr_nonnull(strstr(fake_asked(redis), keepf("_answer 1 %s ", id_of(i))));
        fake_answer(redis, reply_list(2, reply_number(SESSION_OK), reply_number(1)));
        ck_assert_uint_eq(told.calls, i);
    }
    end();
}
END_TEST

static void expect_two_releases(void) {
    for (unsigned i = 1; i <= 2; i++) {
        ck_assert_ptr_nonnull(
            strstr(fake_asked(redis), keepf("_release 1 %s %s.%u ", id_of(i), process, i)));
        fake_answer(redis, reply_list(1, reply_number(SESSION_OK)));
    }
    ck_assert_uint_eq(fake_waiting(redis), 0);
}

START_TEST(of_several_at_once_that_are_lost_or_refused_each_hold_is_released) {
    begin_ready();
    told.calls = 0;
    for (int refused = 0; refused < 3; refused++) {
        answer_together(1, "a@1-5");
        answer_together(2, "a@1-5");
        if (refused < 2)
            sessions_flush(sessions);
        if (refused == 1) {
            fake_answer(redis, reply_error("ERR no"));
        } else {
            lose_connection(); /* on their way, or not even sent */
            sessions_give_up(sessions);
            fake_up(redis);
            library_up(library);
            be_ready();
        }
        ck_assert_uint_eq(told.calls, 2U * (unsigned)(refused + 1));
        ck_assert_int_ne(told.view.err, ERR_OK);
        expect_two_releases();
    }
    end();
}
END_TEST

START_TEST(several_at_once_whose_answer_is_of_another_shape_count_as_lost) {
    begin_ready();
    told.calls = 0;
    answer_together(1, "a@1-5");
    answer_together(2, "a@1-5");
    sessions_flush(sessions);
    fake_answer(redis, reply_list(1, reply_number(4)));
    ck_assert_uint_eq(told.calls, 2);
    ck_assert_int_eq(told.view.err, ERR_REDIS);
    expect_two_releases();
    end();
}
END_TEST

START_TEST(a_hold_that_redis_refused_is_released_at_once) {
    begin_ready();
    ck_assert_int_eq(answer_as(6), ERR_OK);
    fake_answer(redis, reply_error("ERR frames: there are not so many"));
    ck_assert_int_eq(told.view.err, ERR_REFUSED);
    expect_release(6);
    end();
}
END_TEST

START_TEST(a_release_comes_through_sometime) {
    begin_ready();
    lose_connection();
    session_release(sessions, ID, 3, 0, NULL, NULL); /* Redis is away */
    fake_up(redis);
    library_up(library);
    be_ready();
    lose_connection(); /* it is on its way */
    sessions_give_up(sessions);
    fake_up(redis);
    library_up(library);
    be_ready();
    fake_answer(redis, reply_error("LOADING Redis is loading"));
    loop_until(loop, fake_waiting(redis) > 0);
    be_ready();
    expect_release(3);
    ck_assert_uint_eq(fake_waiting(redis), 0);
    end();
}
END_TEST

START_TEST(who_asked_for_a_release_is_told_once) {
    begin_ready();
    session_release(sessions, ID, 3, 0, on_told, &told);
    lose_connection();
    ck_assert_uint_eq(told.calls, 1);
    fake_up(redis);
    library_up(library);
    be_ready();
    expect_release(3);
    ck_assert_uint_eq(told.calls, 1);
    end();
}
END_TEST

START_TEST(what_is_asked_while_it_ends_is_forgotten) {
    begin_ready();
    session_release(sessions, ID, 3, 0, NULL, NULL);
    ck_assert_int_eq(attach_as(4), ERR_OK);
    end(); /* the sanitizers say whether all of it is freed */
    ck_assert_uint_eq(told.calls, 1);
}
END_TEST

UNIT_MAIN("session", each_call_has_the_words_of_its_function, a_view_is_taken_apart,
          an_answer_of_another_shape_is_refused, what_is_longer_than_it_may_be_is_not_sent,
          a_session_has_another_name_at_another_service,
          processes_have_names_of_their_own_and_numbers_never_repeat,
          words_of_other_processes_are_understood, nothing_is_sent_before_both_libraries_are_there,
          a_call_that_finds_no_function_is_done_once_the_library_is_back,
          a_call_that_finds_no_function_twice_is_given_up,
          who_waits_for_the_library_is_told_that_it_does_not_come,
          an_error_is_told_in_the_words_of_redis,
          a_hold_of_which_nobody_knows_is_released_when_redis_is_back,
          a_hold_that_redis_refused_is_released_at_once, a_release_comes_through_sometime,
          answers_with_one_cursor_are_one_call_and_each_is_told_its_own,
          an_answer_that_is_alone_is_the_usual_call, what_differs_is_sent_apart_and_in_order,
          a_crowd_is_sent_in_pieces_without_waiting,
          of_several_at_once_that_find_no_function_each_is_done_by_itself,
          of_several_at_once_that_are_lost_or_refused_each_hold_is_released,
          several_at_once_whose_answer_is_of_another_shape_count_as_lost,
          who_asked_for_a_release_is_told_once, what_is_asked_while_it_ends_is_forgotten)

/* core/redis/history: the conversation with the function library, and live messages. */
#include "core/redis/history.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

#define ASKS    "FCALL_RO halley_installation 0 halley 0"
#define MISSING "ERR Function not found"

static struct ev_loop *loop;
static struct redis *redis;
static struct library *library;
static struct history *history;

static void on_ready(void *ctx) {
    (void)ctx;
    history_resume(history);
}

static void on_refused(void *ctx, const char *why) {
    (void)ctx;
    history_give_up(history, why);
}

static const struct library_events events = {.ready = on_ready, .refused = on_refused};

static void begin(void) {
    log_open("unit", LOG_ERROR);
    loop = ev_loop_new(0);
    redis = fake_new("commands");
    library =
        library_new(loop, redis, &(struct library_options){.prefix = "halley", .events = &events});
    history = history_new(loop, redis, library, "halley");
    fake_up(redis);
    library_up(library);
}

static void begin_ready(void) {
    begin();
    fake_expect(redis, ASKS, reply_library("1"));
    ck_assert(history_ready(history));
}

static void end(void) {
    redis_free(redis);
    history_free(history);
    library_free(library);
    ev_loop_destroy(loop);
}

/* --------------------------------------------------------------------- reading */

static struct {
    unsigned calls;
    enum err err;
    struct position tail;
    bool gap, more, unread;
    size_t count;
    const char *payloads;
} page;

static void on_page(void *ctx, const struct history_page *got) {
    (void)ctx;
    page.calls++;
    page.err = got->err;
    page.tail = got->tail;
    page.gap = got->gap;
    page.more = got->more;
    page.unread = got->unread;
    page.count = got->count;
    page.payloads = keepf("%s", "");
    for (size_t i = 0; i < got->count; i++)
        page.payloads = keepf("%s%.*s", page.payloads, (int)got->messages[i]->payload_len,
                              got->messages[i]->payload);
}

static enum err read_chat(void) {
    return history_read(history, "chat", 4, "5-1", 10, HISTORY_PAGE, 0, on_page, NULL);
}

START_TEST(a_page_is_parsed) {
    begin_ready();
    ck_assert_int_eq(read_chat(), ERR_OK);
    ck_assert_uint_eq(page.calls, 0);
    fake_expect(redis, "FCALL_RO halley_read 1 chat 5-1 10",
                reply_page("5-9", true, true, "5-3 100 a|5-4 101 b"));
    ck_assert_uint_eq(page.calls, 1);
    ck_assert_int_eq(page.err, ERR_OK);
    ck_assert_uint_eq(page.tail.n, 9);
    ck_assert(page.gap && page.more);
    ck_assert_str_eq(page.payloads, "ab");
    end();
}
END_TEST

START_TEST(entries_that_halley_did_not_write_are_left_out) {
    begin_ready();
    ck_assert_int_eq(read_chat(), ERR_OK);
    fake_answer(redis,
                reply_page("5-9", false, false, "5-3 100 a|99999999999999999-1 5 x|5-4 x b"));
    ck_assert_str_eq(page.payloads, "ab");
    end();
}
END_TEST

START_TEST(a_message_that_is_only_named_is_the_last_of_its_page) {
    begin_ready();
    ck_assert_int_eq(history_read(history, "chat", 4, "5-1", 10, 1000, 100, on_page, NULL), ERR_OK);
    fake_expect(redis, "FCALL_RO halley_read 1 chat 5-1 10 1000 100",
                reply_page("5-9", false, false, "5-3 100 a|5-4 101 #5000|5-5 102 c"));
    ck_assert_str_eq(page.payloads, "a");
    ck_assert_uint_eq(page.count, 2);
    ck_assert(page.unread && page.more);
    end();
}
END_TEST

START_TEST(errors_are_told_apart_by_whom_they_concern) {
    static const struct {
        const char *answer;
        enum err err;
        bool ready; /* afterwards */
    } rows[] = {
        {"WRONGTYPE Operation against a key holding the wrong kind of value", ERR_REFUSED, true},
        {"ERR something else", ERR_REFUSED, true},
        {"LOADING Redis is loading", ERR_REDIS, false},
        {"OOM command not allowed", ERR_REDIS, false},
        {"BUSY Redis is busy running a script", ERR_REDIS, false}};

    for (size_t i = 0; i < ROWS(rows); i++) {
        begin_ready();
        page.calls = 0;
        ck_assert_int_eq(read_chat(), ERR_OK);
        fake_answer(redis, reply_error(rows[i].answer));
        ck_assert_msg(page.calls == 1 && page.err == rows[i].err, "%s: %d", rows[i].answer,
                      page.err);
        ck_assert_msg(history_ready(history) == rows[i].ready, "%s", rows[i].answer);
        end();
    }
}
END_TEST

START_TEST(replies_of_another_shape_are_no_pages) {
    begin_ready();
    redis_reply *rows[] = {
        reply_list(0),
        reply_number(5),
        reply_text("x"),
        reply_list(1, reply_text("not a position")),
        reply_list(4, reply_number(1), reply_number(0), reply_number(0), reply_list(0)),
        NULL};
    for (size_t i = 0; i < ROWS(rows); i++) {
        bool last = i + 1 == ROWS(rows); /* the connection was lost: it may be asked again */
        page.calls = 0;
        ck_assert_int_eq(read_chat(), ERR_OK);
        fake_answer(redis, rows[i]);
        ck_assert_msg(page.calls == 1 && page.err == (last ? ERR_REDIS : ERR_REFUSED),
                      "row %zu: %d", i, page.err);
        ck_assert_str_eq(page.payloads, "");
    }
    end();
}
END_TEST

START_TEST(nothing_is_asked_before_the_library_is_there) {
    begin();
    ck_assert_int_eq(read_chat(), ERR_REDIS);
    ck_assert_uint_eq(fake_waiting(redis), 1); /* the question for the version */
    end();
    ck_assert_uint_eq(page.calls, 0);
}
END_TEST

/* The library is found missing, loaded, and there again. */
static void load_again(void) {
    fake_expect(redis, ASKS, reply_error(MISSING));
    fake_expect(redis, "SET halley.prefix halley 0 0 NX", reply_number(0));
    ck_assert_int_eq(strncmp(fake_asked(redis), "FUNCTION LOAD #!lua", 19), 0);
    fake_answer(redis, reply_text("halley"));
    fake_expect(redis, ASKS, reply_library("1"));
}

START_TEST(a_read_that_finds_no_function_is_repeated_when_it_is_back) {
    begin_ready();
    ck_assert_int_eq(read_chat(), ERR_OK);
    fake_expect(redis, "FCALL_RO halley_read 1 chat 5-1 10", reply_error(MISSING));
    ck_assert(!history_ready(history));
    load_again();
    ck_assert_uint_eq(page.calls, 0);
    fake_expect(redis, "FCALL_RO halley_read 1 chat 5-1 10",
                reply_page("5-9", false, false, "5-3 100 a"));
    ck_assert_uint_eq(page.calls, 1);
    ck_assert_str_eq(page.payloads, "a");
    ck_assert_int_eq(page.err, ERR_OK);
    end();
}
END_TEST

START_TEST(a_read_is_repeated_once) {
    begin_ready();
    ck_assert_int_eq(read_chat(), ERR_OK);
    fake_answer(redis, reply_error(MISSING));
    load_again();
    fake_answer(redis, reply_error(MISSING));
    ck_assert_uint_eq(page.calls, 1);
    ck_assert_int_eq(page.err, ERR_REFUSED);
    end();
}
END_TEST

START_TEST(what_waits_for_the_library_is_told_that_it_is_not_to_be_had) {
    begin_ready();
    ck_assert_int_eq(read_chat(), ERR_OK);
    fake_answer(redis, reply_error(MISSING));
    fake_expect(redis, ASKS, reply_error("NOPERM this user has no permissions"));
    ck_assert_uint_eq(page.calls, 1);
    ck_assert_int_eq(page.err, ERR_REDIS);
    ck_assert_str_eq(library_trouble(library), "NOPERM this user has no permissions");
    end();
}
END_TEST

/* ------------------------------------------------------------------ publishing */

static struct history_posted posted;
static unsigned posts;

static void on_posted(void *ctx, const struct history_posted *got) {
    (void)ctx;
    posts++;
    posted = *got;
    posted.id = got->id != NULL ? keepf("%.*s", (int)got->id_len, got->id) : NULL;
    posted.detail = got->detail != NULL ? keepf("%s", got->detail) : NULL;
}

#define POST "FCALL halley_post 1 chat hello 10 60 100 1000 key 300 192.0.2.1 over:2500  halley"

static void post_hello(void) {
    static const struct channel_policy policy = {.history = 10, .ttl = 60, .max_message = 100};
    const struct history_post what = {.channel = "chat",
                                      .channel_len = 4,
                                      .payload = "hello",
                                      .payload_len = 5,
                                      .idempotency = "key",
                                      .who = "192.0.2.1",
                                      .over = 2500,
                                      .policy = &policy,
                                      .meta_ttl = 1000,
                                      .idempotency_ttl = 300};
    posts = 0;
    ck_assert_int_eq(history_publish(history, &what, on_posted, NULL), ERR_OK);
}

static void post(redis_reply *reply) {
    post_hello();
    fake_expect(redis, POST, reply);
    ck_assert_uint_eq(posts, 1);
}

START_TEST(what_became_of_a_post_is_told) {
    begin_ready();
    post(reply_list(2, reply_text("5-7"), reply_number(1795219203111)));
    ck_assert_int_eq(posted.err, ERR_OK);
    ck_assert_str_eq(posted.id, "5-7");
    ck_assert_uint_eq(posted.at, 1795219203111);
    ck_assert(!posted.repeated);
    post(reply_list(3, reply_text("5-7"), reply_number(1795219203111), reply_number(1)));
    ck_assert(posted.repeated);
    post(reply_error("RATE 2500"));
    ck_assert_int_eq(posted.err, ERR_RATE);
    ck_assert_uint_eq(posted.wait, 2500);
    post(reply_error("ERR payload: too long"));
    ck_assert_int_eq(posted.err, ERR_REFUSED);
    ck_assert_str_eq(posted.detail, "payload: too long");
    post(reply_error("WRONGTYPE Operation"));
    ck_assert_int_eq(posted.err, ERR_REFUSED);
    post(reply_error("MISCONF Redis is configured to save"));
    ck_assert_int_eq(posted.err, ERR_REDIS);
    ck_assert(!posted.sent);
    post(reply_list(0));
    ck_assert_int_eq(posted.err, ERR_REDIS);
    end();
}
END_TEST

START_TEST(a_post_whose_answer_was_lost_may_have_been_done) {
    begin_ready();
    post(NULL);
    ck_assert_int_eq(posted.err, ERR_REDIS);
    ck_assert(posted.sent);
    end();
}
END_TEST

START_TEST(a_post_that_finds_no_function_is_repeated_when_it_is_back) {
    begin_ready();
    post_hello();
    fake_expect(redis, POST, reply_error(MISSING));
    load_again();
    ck_assert_uint_eq(posts, 0);
    fake_expect(redis, POST, reply_list(2, reply_text("5-7"), reply_number(1)));
    ck_assert_uint_eq(posts, 1);
    ck_assert_int_eq(posted.err, ERR_OK);
    end();
}
END_TEST

START_TEST(posts_that_find_no_function_are_repeated_in_their_order) {
    begin_ready();
    post_hello();
    ck_assert_int_eq(read_chat(), ERR_OK);
    fake_expect(redis, POST, reply_error(MISSING));
    fake_expect(redis, "FCALL_RO halley_read 1 chat 5-1 10", reply_error(MISSING));
    load_again();
    fake_expect(redis, POST, reply_list(2, reply_text("5-7"), reply_number(1)));
    fake_expect(redis, "FCALL_RO halley_read 1 chat 5-1 10", reply_page("5-7", false, false, ""));
    ck_assert_int_eq(page.err, ERR_OK);
    end();
}
END_TEST

START_TEST(a_post_that_waits_for_the_library_was_surely_not_done) {
    begin_ready();
    post_hello();
    fake_expect(redis, POST, reply_error(MISSING));
    fake_expect(redis, ASKS, reply_error("OOM command not allowed"));
    ck_assert_uint_eq(posts, 1);
    ck_assert_int_eq(posted.err, ERR_REDIS);
    ck_assert_str_eq(posted.detail, "OOM command not allowed");
    ck_assert(!posted.sent);
    end();
}
END_TEST

/* --------------------------------------------------------------- the live feed */

START_TEST(live_messages_are_parsed) {
    static const struct {
        const char *text;
        const char *payload; /* NULL: no live message */
    } rows[] = {{"5-1 1795219203111 hello there", "hello there"},
                {"5-1 0 x", "x"},
                {"5-1 1795219203111 ", ""},
                {"5-1 1795219203111  two", " two"},
                {"0-0 1 x", "x"},
                {"", NULL},
                {"hello", NULL},
                {"5-1 ", NULL},
                {"5-1 179521", NULL},
                {"5-1  x", NULL},
                {"5-1 12a x", NULL},
                {"5-1 -1 x", NULL},
                {"5-1 99999999999999999 x", NULL},
                {"x 1 y", NULL},
                {"5 1 y", NULL},
                {"05-1 1 y", NULL},
                {" 5-1 1 y", NULL}};
    struct page_live live;

    for (size_t i = 0; i < ROWS(rows); i++) {
        enum err err = page_parse_live(rows[i].text, strlen(rows[i].text), &live);
        ck_assert_msg((err == ERR_OK) == (rows[i].payload != NULL), "%s", rows[i].text);
        if (err == ERR_OK)
            assert_bytes(live.payload, live.payload_len, rows[i].payload, rows[i].text);
    }
    ck_assert_int_eq(page_parse_live("17-3 1795219203111 x", 20, &live), ERR_OK);
    ck_assert_uint_eq(live.id.epoch, 17);
    ck_assert_uint_eq(live.id.n, 3);
    ck_assert_uint_eq(live.at, 1795219203111);
    ck_assert_int_eq(page_parse_live("17-3", 4, &live), ERR_OK); /* a number without a message */
    ck_assert_uint_eq(live.id.n, 3);
    ck_assert_ptr_null(live.payload);
}
END_TEST

UNIT_MAIN("history", a_page_is_parsed, a_message_that_is_only_named_is_the_last_of_its_page,
          entries_that_halley_did_not_write_are_left_out,
          errors_are_told_apart_by_whom_they_concern, replies_of_another_shape_are_no_pages,
          nothing_is_asked_before_the_library_is_there,
          a_read_that_finds_no_function_is_repeated_when_it_is_back, a_read_is_repeated_once,
          what_waits_for_the_library_is_told_that_it_is_not_to_be_had,
          what_became_of_a_post_is_told, a_post_whose_answer_was_lost_may_have_been_done,
          a_post_that_finds_no_function_is_repeated_when_it_is_back,
          posts_that_find_no_function_are_repeated_in_their_order,
          a_post_that_waits_for_the_library_was_surely_not_done, live_messages_are_parsed)

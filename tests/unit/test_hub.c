/* fcgi-app/endpoints/route, read, hub and waiter: whole requests go in, answers come out, and
 * between them stands a Redis that does only what the test says.
 */
#include "core/follow/heat.h"
#include "fcgi-app/hub/hub.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/cgi.h"
#include "fcgi-app/door/fcgi/client_fcgi.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/hub/holder.h"
#include "fcgi-app/hub/waiter.h"
#include "fcgi-app/rights/revoked.h"
#include "fcgi-app/transports/sockjs.h"
#include "tests/lib/keep.h"
#include "tests/unit/fake_redis.h"
#include "tests/unit/records.h"
#include "tests/unit/sockets.h"
#include "tests/unit/unit.h"

enum { BODY_MAX = 70000 };

static struct app app;
static struct config config;
static struct stats stats;
static struct redis *commands, *subscriber;
static struct connections *connections;

/* Options beside the defaults, as -o takes them; NULL behind the last. */
static void begin_with(const char *const *options) {
    char *argv[16] = {keepf("unit"), keepf("-f"), keepf("tests/unit/config/valid/open.conf")};
    struct config_command command;
    char problem[CONFIG_PROBLEM];
    int argc = 3;

    for (; options != NULL && *options != NULL; options++) {
        argv[argc++] = keepf("-o");
        argv[argc++] = keepf("%s", *options);
    }
    ck_assert_msg(config_load(&config, &command, argc, argv, problem) == 0, "%s", problem);
    log_open("unit", LOG_ERROR);
    ck_assert_int_eq(cgi_init(), ERR_OK);
    app.config = &config;
    app.stats = &stats;
    app.loop = ev_default_loop(0);
    app.hub = hub_new(app.loop, &config, &stats);
    connections = connections_new(app.loop, &stats, BODY_MAX);
    commands = fake_connection("halley.fcgi");
    subscriber = fake_connection("halley.fcgi-live");
}

static void up(void) {
    fake_up(commands);
    fake_up(subscriber);
    fake_library(commands);
}

static void begin(void) {
    begin_with(NULL);
    up();
    ck_assert_str_eq(fake_subscriptions(subscriber), "subscribe halley.census");
}

static void end(void) {
    hub_free(app.hub);
    app_forget(&app);
    connections_free(connections);
    ck_assert_uint_eq(stats.waiters, 0);
    ck_assert_uint_eq(stats.clients, 0);
    ck_assert_uint_eq(stats.connections, 0);
    ck_assert_uint_eq(stats.follow.channels, 0);
    ev_loop_destroy(app.loop);
    config_free(&config);
}

/* A request goes in; the web server's end of its connection comes back. */
static int ask_with(const char *method, const char *uri, const char *const *names,
                    const char *body) {
    struct buf text = buf_make(RECORDS_MAX);
    struct request *request;
    int ends[2];

    socket_pair(ends);
    record_request(&text, 1, method, uri, names, body, strlen(body));
    socket_send(ends[0], text.data, text.len);
    const struct request_taker taker = {app_take, app_wants, &app};
    ck_assert_int_eq(cgi_read(ends[1], BODY_MAX, &taker, &request), ERR_OK);
    app_take(&app, request, client_fcgi_new(connections, ends[1], 1));
    buf_free(&text);
    return ends[0];
}

static int ask(const char *uri) {
    return ask_with("GET", uri, NULL, "");
}

/* Some turns of the loop, in which fences pass that Redis is asked for: the
 * hub puts one off for a turn, for others to join. */
static void turn(void) {
    for (int i = 0; i < 3; i++) {
        loop_turn(app.loop);
        fake_pulse(subscriber);
    }
    loop_turn(app.loop);
}

static bool answered(int fd) {
    char byte;
    turn();
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0;
}

/* The whole answer; it comes when it comes. */
static const char *answer(int fd) {
    struct buf bytes = buf_make(RECORDS_MAX);

    turn();
    socket_take_all(app.loop, fd, &bytes);
    close(fd);
    ck_assert_msg(bytes.len > 0, "closed without an answer");
    const char *text = record_answer(bytes.data, bytes.len, 1, NULL);
    buf_free(&bytes);
    return text;
}

/* The batch in a 200: what stands behind the header. */
static const char *batch(int fd) {
    const char *text = answer(fd);
    ck_assert_msg(strncmp(text, "Status: 200 OK\r\n", 16) == 0, "%s", text);
    return strstr(text, "\r\n\r\n") + 4;
}

static void must_refuse(int fd, int status, const char *says) {
    const char *text = answer(fd);
    ck_assert_msg(strncmp(text, keepf("Status: %d ", status), 12) == 0, "%d: %s", status, text);
    ck_assert_msg(strstr(text, says) != NULL, "%s: %s", says, text);
    ck_assert_ptr_nonnull(strstr(text, "application/problem+json"));
}

/* What the programs say first of channel `name`: it is subscribed and stands at `at`. */
static void go_live(const char *name, const char *at) {
    fake_confirm(subscriber);
    fake_expect(commands, keepf("FCALL_RO halley_read 1 %s now %d", name, config.tail),
                reply_page(at, false, false, ""));
}

/* From now on `name`, which stands at `at`, is followed, as it is where somebody has waited. */
static void follow(const char *name, const char *at) {
    int fd = ask(keepf("/comet/wait?channel=%s&timeout=20", name));
    go_live(name, at);
    turn();
    ck_assert_uint_eq(fake_waiting(commands), 0);
    close(fd);
    until((turn(), stats.waiters == 0), "who has left is held");
    stats.gone = 0;
}

/* The answer to a read of a channel that nobody follows, from now on. */
static void expect_now(const char *name, const char *at) {
    turn();
    fake_expect(commands, keepf("FCALL_RO halley_read 1 %s now 100", name),
                reply_page(at, false, false, ""));
}

static void say(const char *channel, const char *text) {
    fake_say(subscriber, keepf("halley.live:{%s}", channel), text);
}

/* A batch as "chat:1 news:2|gap chat|retry|cursor", to be compared at a glance. */
static const char *brief(const char *json) {
    json_t *root = json_loads(json, 0, NULL), *each;
    struct buf out = buf_make(100000);
    size_t i;

    ck_assert_msg(root != NULL, "%s", json);
    json_array_foreach (json_object_get(root, "messages"), i, each) {
        buf_printf(&out, "%s%s:%s", i > 0 ? " " : "",
                   json_string_value(json_object_get(each, "channel")),
                   json_string_value(json_object_get(each, "data")));
    }
    json_array_foreach (json_object_get(root, "gap"), i, each) {
        buf_printf(&out, "|gap %s", json_string_value(each));
    }
    buf_text(&out, json_object_get(root, "retry") != NULL ? "|retry" : "");
    buf_printf(&out, "|%s", json_string_value(json_object_get(root, "cursor")));
    json_decref(root);
    return keep(out.data);
}

/* ------------------------------------------------------------------ polling */

START_TEST(a_poll_of_a_channel_that_nobody_waits_on_reads_and_subscribes_to_nothing) {
    begin();
    int fd = ask("/comet/poll?channel=chat&since=start");
    ck_assert(!answered(fd));
    fake_expect(commands, "FCALL_RO halley_read 1 chat start 100",
                reply_page("5-2", false, false, "5-1 100 a|5-2 101 b"));
    ck_assert_str_eq(brief(batch(fd)), "chat:a chat:b|chat@5-2");
    ck_assert_str_eq(fake_subscriptions(subscriber), "");
    ck_assert_uint_eq(stats.follow.pulses, 0); /* Redis was asked after the request came */
    end();
}
END_TEST

START_TEST(a_poll_from_now_asks_nothing_more) {
    begin();
    int fd = ask("/comet/poll?channel=chat");
    expect_now("chat", "5-2");
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    end();
}
END_TEST

START_TEST(a_channel_that_is_polled_often_is_followed) {
    begin();
    int fd = -1;
    for (int i = 0; i < 10 * HEAT_ENOUGH; i++) {
        fd = ask("/comet/poll?channel=chat&since=chat@5-2");
        turn();
        if (fake_waiting(commands) == 0)
            break;
        fake_expect(commands, "FCALL_RO halley_read 1 chat 5-2 100",
                    reply_page("5-2", false, false, ""));
        ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    }
    go_live("chat", "5-2");
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    ck_assert_str_eq(brief(batch(ask("/comet/poll?channel=chat&since=chat@5-2"))), "|chat@5-2");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    end();
}
END_TEST

START_TEST(polls_of_names_that_nobody_waits_on_leave_nothing_behind) {
    begin();
    for (int i = 0; i < 300; i++) {
        int fd = ask(keepf("/comet/poll?channel=a%d&channel=b%d", i, i));
        turn();
        while (fake_waiting(commands) > 0)
            fake_answer(commands, reply_page("5-2", false, false, ""));
        batch(fd);
    }
    ck_assert_str_eq(fake_subscriptions(subscriber), "");
    ck_assert_uint_eq(stats.follow.channels, 0);
    end();
}
END_TEST

START_TEST(a_cursor_in_the_tail_is_answered_from_memory) {
    begin();
    follow("chat", "5-2");
    say("chat", "5-3 100 a");
    say("chat", "5-4 101 b");
    ck_assert_str_eq(brief(batch(ask("/comet/poll?channel=chat&since=chat@5-3"))),
                     "chat:b|chat@5-4");
    ck_assert_str_eq(brief(batch(ask("/comet/poll?channel=chat&since=chat@5-2"))),
                     "chat:a chat:b|chat@5-4");
    ck_assert_str_eq(brief(batch(ask("/comet/poll?channel=chat&since=chat@5-4"))), "|chat@5-4");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    end();
}
END_TEST

START_TEST(a_cursor_older_than_the_tail_is_read_from_the_history) {
    begin();
    follow("chat", "5-9");
    int fd = ask("/comet/poll?channel=chat&since=chat@5-1");
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-1 100",
                reply_page("5-9", true, false, "5-8 100 a|5-9 101 b"));
    ck_assert_str_eq(brief(batch(fd)), "chat:a chat:b|gap chat|chat@5-9");
    ck_assert_uint_eq(stats.gaps, 1);
    end();
}
END_TEST

START_TEST(a_channel_that_the_cursor_does_not_know_starts_now) {
    begin();
    int fd = ask("/comet/poll?channel=chat&channel=news&since=chat@5-2,other@1-1");
    turn();
    while (fake_waiting(commands) > 0)
        fake_answer(commands, reply_page("5-2", false, false, ""));
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2,news@5-2");
    end();
}
END_TEST

START_TEST(a_read_sees_what_redis_had_sent_before_it_began) {
    begin();
    follow("chat", "5-2");
    fake_say_later(subscriber, "halley.live:{chat}", "5-3 100 a"); /* in the socket's buffer */
    ck_assert_str_eq(brief(batch(ask("/comet/poll?channel=chat&since=chat@5-2"))),
                     "chat:a|chat@5-3");
    end();
}
END_TEST

START_TEST(a_poll_waits_for_a_sign_of_life) {
    begin();
    follow("chat", "5-2");
    int fd = ask("/comet/poll?channel=chat&since=chat@5-2");
    loop_turn(app.loop);
    loop_turn(app.loop);
    ck_assert_uint_eq(stats.clients, 1);
    say("chat", "5-3 100 a"); /* was published before the request, and comes before the sign */
    fake_pulse(subscriber);
    ck_assert_str_eq(brief(batch(fd)), "chat:a|chat@5-3");
    end();
}
END_TEST

START_TEST(last_event_id_wins_over_since) {
    static const char *const names[] = {"HTTP_LAST_EVENT_ID", "chat@5-3", NULL};

    begin();
    follow("chat", "5-3");
    say("chat", "5-4 100 a");
    ck_assert_str_eq(brief(batch(ask_with("GET", "/comet/poll?channel=chat&since=now", names, ""))),
                     "chat:a|chat@5-4");
    end();
}
END_TEST

START_TEST(what_is_asked_again_is_answered_anew) {
    static const char *const names[] = {"HTTP_LAST_EVENT_ID", "chat@5-3", NULL};
    const char *again = "/comet/poll?channel=chat&since=chat@5-2&tag=me";

    begin();
    follow("chat", "5-2");
    ck_assert_str_eq(brief(batch(ask(again))), "|chat@5-2");
    say("chat", "5-3 100 a");
    ck_assert_str_eq(brief(batch(ask(again))), "chat:a|chat@5-3");
    ck_assert_str_eq(brief(batch(ask_with("GET", again, names, ""))), "|chat@5-3");
    must_refuse(
        ask_with("GET", "/comet/wait?channel=chat&since=chat@5-2&tag=me&timeout=x", NULL, ""), 400,
        "timeout");
    must_refuse(ask_with("POST", again, NULL, "channel=news"), 400, "Content-Type");
    must_refuse(ask_with("PUT", again, NULL, ""), 405, "method");
    ck_assert_str_eq(brief(batch(ask(again))), "chat:a|chat@5-3");
    int fd = ask("/comet/wait?channel=chat&since=chat@5-2&tag=me"); /* another endpoint */
    ck_assert_str_eq(brief(batch(fd)), "chat:a|chat@5-3");
    end();
}
END_TEST

START_TEST(parameters_may_come_in_a_form) {
    static const char *const names[] = {"CONTENT_TYPE",
                                        "application/x-www-form-urlencoded; charset=utf-8", NULL};

    begin();
    int fd = ask_with("POST", "/comet/poll?channel=chat", names, "channel=news&since=now");
    turn();
    while (fake_waiting(commands) > 0)
        fake_answer(commands, reply_page("5-2", false, false, ""));
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2,news@5-2");
    end();
}
END_TEST

/* --------------------------------------------------------- several channels */

/* Two channels that stand at 5-0 and 6-0, and a cursor for both. */
static void two_channels(void) {
    follow("a", "5-0");
    follow("b", "6-0");
}

START_TEST(channels_are_merged_by_time_and_each_stays_in_the_order_of_its_ids) {
    begin();
    two_channels();
    say("a", "5-1 100 w");
    say("a", "5-2 300 y");
    say("a", "5-3 250 z"); /* a clock that went back does not reorder a channel */
    say("b", "6-1 200 x");
    ck_assert_str_eq(brief(batch(ask("/comet/poll?channel=a&channel=b&since=a@5-0,b@6-0"))),
                     "a:w b:x a:y a:z|a@5-3,b@6-1");
    end();
}
END_TEST

START_TEST(what_the_limit_leaves_over_comes_with_the_next_cursor) {
    static const char *const steps[] = {"a:1 b:2|a@5-1,b@6-1", "a:3 a:4|a@5-3,b@6-1",
                                        "b:5|a@5-3,b@6-2", "|a@5-3,b@6-2"};

    begin();
    two_channels();
    say("a", "5-1 100 \"1\"");
    say("b", "6-1 200 \"2\"");
    say("a", "5-2 300 \"3\"");
    say("a", "5-3 400 \"4\"");
    say("b", "6-2 500 \"5\"");
    const char *cursor = "a@5-0,b@6-0";
    for (size_t i = 0; i < ROWS(steps); i++) {
        const char *got =
            brief(batch(ask(keepf("/comet/poll?channel=a&channel=b&limit=2&since=%s", cursor))));
        ck_assert_msg(strcmp(got, steps[i]) == 0, "step %zu: %s", i, got);
        cursor = strrchr(got, '|') + 1;
    }
    end();
}
END_TEST

START_TEST(a_gap_is_told_when_its_channel_advances_and_not_before) {
    begin();
    int fd = ask("/comet/poll?channel=a&channel=b&limit=1&since=a@5-1,b@6-1");
    turn();
    while (fake_waiting(commands) > 0) {
        bool first = strstr(fake_asked(commands), " 1 a ") != NULL;
        fake_answer(commands, first ? reply_page("5-9", true, false, "5-9 100 x")
                                    : reply_page("6-9", true, false, "6-9 200 y"));
    }
    const char *got = brief(batch(fd));
    ck_assert_str_eq(got, "a:x|gap a|a@5-9,b@6-1"); /* b is still owed its gap */
    fd = ask("/comet/poll?channel=a&channel=b&limit=1&since=a@5-9,b@6-1");
    turn();
    while (fake_waiting(commands) > 0) {
        bool first = strstr(fake_asked(commands), " 1 a ") != NULL;
        fake_answer(commands, first ? reply_page("5-9", false, false, "")
                                    : reply_page("6-9", true, false, "6-9 200 y"));
    }
    ck_assert_str_eq(brief(batch(fd)), "b:y|gap b|a@5-9,b@6-9");
    end();
}
END_TEST

START_TEST(a_gap_inside_a_page_is_told_with_the_messages_behind_it) {
    begin();
    int fd = ask("/comet/poll?channel=chat&limit=2&since=chat@5-1");
    turn();
    fake_answer(commands, reply_page("6-2", 3, true, "5-2 100 b|5-3 101 c"));
    ck_assert_str_eq(brief(batch(fd)), "chat:b chat:c|chat@5-3");
    fd = ask("/comet/poll?channel=chat&limit=3&since=chat@5-2");
    turn();
    fake_answer(commands, reply_page("6-2", 2, false, "5-3 101 c|6-1 200 x|6-2 201 y"));
    ck_assert_str_eq(brief(batch(fd)), "chat:c chat:x chat:y|gap chat|chat@6-2");
    end();
}
END_TEST

START_TEST(a_stream_is_told_of_a_gap_behind_what_is_in_front_of_the_hole) {
    struct buf bytes = buf_make(RECORDS_MAX);

    begin();
    int fd = ask("/comet/events?channel=chat&since=chat@5-1");
    go_live("chat", "6-2");
    turn();
    fake_answer(commands, reply_page("6-2", 3, false, "5-2 100 b|5-3 101 c|6-1 200 x|6-3 202 z"));
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-3 100 262144",
                reply_page("6-3", 1, false, "6-1 200 x|6-3 202 z"));
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 6-1 100 262144",
                reply_page("6-3", 1, false, "6-3 202 z"));
    turn();
    ck_assert(socket_take(fd, &bytes));
    const char *text = keepf("%.*s", (int)bytes.len, bytes.data);
    const char *b = memmem(bytes.data, bytes.len, "data: b", 7);
    ck_assert_msg(b != NULL, "%s", text);
    size_t left = bytes.len - (size_t)(b - bytes.data);
    static const char *const order[] = {"data: c", "event: gap", "data: x", "event: gap",
                                        "data: z"};
    for (size_t i = 0; i < ROWS(order); i++) {
        const char *next = memmem(b, left, order[i], strlen(order[i]));
        ck_assert_msg(next != NULL, "%s is not behind what comes first", order[i]);
        left -= (size_t)(next + 1 - b);
        b = next + 1;
    }
    buf_free(&bytes);
    close(fd);
    end();
}
END_TEST

START_TEST(what_is_read_for_many_channels_is_bounded_and_stays_in_order) {
    begin();
    int fd = ask("/comet/poll?channel=a&channel=b&since=a@5-1,b@6-1");
    turn();
    while (fake_waiting(commands) > 0) {
        const char *asked = fake_asked(commands);
        ck_assert_msg(strstr(asked, " 100 524288 262144") != NULL, "%s",
                      asked); /* half of a page each */
        fake_answer(commands, strstr(asked, " 1 a ") != NULL
                                  ? reply_page("5-9", false, true, "5-2 100 x")
                                  : reply_page("6-9", false, false, "6-2 90 u|6-9 300 y"));
    }
    /* the next of `a`, which was not read, may be older than y */
    ck_assert_str_eq(brief(batch(fd)), "b:u a:x|a@5-2,b@6-2");
    end();
}
END_TEST

/* Answers the oldest read, which must be of this channel, and end with these words. */
static void expect_read(const char *channel, const char *ends, redis_reply *reply) {
    turn();
    const char *asked = fake_asked(commands);
    const char *head = keepf("FCALL_RO halley_read 1 %s ", channel);
    ck_assert_msg(strncmp(asked, head, strlen(head)) == 0 && strlen(asked) > strlen(ends) &&
                      strcmp(asked + strlen(asked) - strlen(ends), ends) == 0,
                  "%s", asked);
    fake_answer(commands, reply);
}

START_TEST(of_many_long_messages_the_one_that_comes_first_is_read) {
    static const char named[] = " 100 349525 262144", whole[] = " 100 349525";
    begin();
    int fd = ask("/comet/poll?channel=a&channel=b&channel=c&since=a@5-1,b@6-1,c@7-1");
    turn();
    ck_assert_uint_eq(fake_waiting(commands), 3);
    for (int i = 0; i < 3; i++) {
        const char *asked = fake_asked(commands);
        ck_assert_msg(strstr(asked, named) != NULL, "%s", asked);
        fake_answer(commands, strstr(asked, " 1 a ") ? reply_page("5-9", 0, true, "5-2 200 #999999")
                              : strstr(asked, " 1 b ")
                                  ? reply_page("6-2", 0, false, "6-2 100 #999999")
                                  : reply_page("7-2", 0, false, "7-2 300 c"));
    }
    expect_read("b", whole, reply_page("6-2", 0, false, "6-2 100 b"));
    /* that of `a` is the next one: it stands where it stood */
    ck_assert_str_eq(brief(batch(fd)), "b:b|a@5-1,b@6-2,c@7-1");
    ck_assert_uint_eq(fake_waiting(commands), 0);

    fd = ask("/comet/poll?channel=a&channel=b&since=start"); /* nor has who begins a place yet */
    turn();
    for (int i = 0; i < 2; i++)
        fake_answer(commands, strstr(fake_asked(commands), " 1 a ")
                                  ? reply_page("5-9", 0, true, "5-2 200 #999999")
                                  : reply_page("6-2", 0, false, "6-2 100 b"));
    ck_assert_str_eq(brief(batch(fd)), "b:b|a@5-1,b@6-2");
    end();
}
END_TEST

START_TEST(a_long_message_that_has_gone_meanwhile_holds_nobody_up) {
    begin();
    int fd = ask("/comet/poll?channel=a&channel=b&since=a@5-1,b@6-1");
    turn();
    for (int i = 0; i < 2; i++)
        fake_answer(commands, strstr(fake_asked(commands), " 1 a ")
                                  ? reply_page("5-2", 0, false, "5-2 100 #999999")
                                  : reply_page("6-2", 0, false, "6-2 200 b"));
    expect_read("a", " 100 524288", reply_page("5-2", 1, false, ""));
    ck_assert_str_eq(brief(batch(fd)), "b:b|gap a|a@5-2,b@6-2");
    end();
}
END_TEST

START_TEST(a_gap_without_a_message_is_told_at_once) {
    begin();
    int fd = ask("/comet/wait?channel=chat&since=chat@5-1&timeout=20");
    go_live("chat", "5-9");
    turn();
    fake_answer(commands, reply_page("5-9", true, false, ""));
    ck_assert_str_eq(brief(batch(fd)), "|gap chat|chat@5-9");
    end();
}
END_TEST

/* ------------------------------------------------------------------ waiting */

/* A wait that is parked on a channel, whose end was 5-2 when it was first asked for. */
static int parked_on(const char *channel, const char *since) {
    int fd = ask(keepf("/comet/wait?channel=%s&timeout=20&since=%s", channel, since));
    if (fake_waiting(commands) == 0)
        fake_confirm(subscriber);
    if (fake_waiting(commands) > 0)
        fake_answer(commands, reply_page("5-2", false, false, ""));
    turn();
    return fd;
}

/* A wait that is parked at the end of "chat", 5-2. */
static int parked(void) {
    return parked_on("chat", "now");
}

START_TEST(a_waiter_is_answered_as_soon_as_there_is_a_message) {
    begin();
    int fd = parked();
    ck_assert_uint_eq(stats.waiters, 1);
    say("chat", "5-3 100 a");
    ck_assert_str_eq(brief(batch(fd)), "chat:a|chat@5-3");
    ck_assert_uint_eq(stats.waiters, 0);
    end();
}
END_TEST

/* What is published while a waiter's place is read is heard before the page is there, which knows
 * nothing of it. The page of a channel that is not yet there says where the waiter stood. */
START_TEST(what_overtakes_a_read_is_not_left_until_the_next_message) {
    begin();
    follow("chat", "5-0");
    int fd = ask("/comet/wait?channel=chat&timeout=20&since=chat@4-0");
    turn();
    say("chat", "5-1 100 a");
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 4-0 100",
                reply_page("4-0", false, false, ""));
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 4-0 100",
                reply_page("5-1", false, false, "5-1 100 a"));
    ck_assert_str_eq(brief(batch(fd)), "chat:a|chat@5-1");
    end();
}
END_TEST

START_TEST(who_comes_from_ahead_is_overtaken_too) {
    begin();
    follow("chat", "5-2");
    int fd = ask("/comet/wait?channel=chat&timeout=20&since=chat@5-4");
    turn();
    say("chat", "5-3 100 a");
    say("chat", "5-4 100 b");
    say("chat", "5-5 100 c");
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-4 100",
                reply_page("5-4", false, false, ""));
    ck_assert_str_eq(brief(batch(fd)), "chat:c|chat@5-5");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    end();
}
END_TEST

START_TEST(a_place_in_front_of_a_channel_is_read_once_and_then_waited_at) {
    begin();
    follow("chat", "5-0");
    int fd = ask("/comet/wait?channel=chat&timeout=20&since=chat@4-0");
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 4-0 100",
                reply_page("4-0", false, false, ""));
    turn();
    ck_assert_uint_eq(fake_waiting(commands), 0);
    ck_assert_uint_eq(stats.waiters, 1);
    close(fd);
    until((turn(), stats.waiters == 0), "who has left is held");
    end();
}
END_TEST

START_TEST(messages_that_arrive_together_leave_together) {
    begin();
    int fd = parked();
    say("chat", "5-3 100 a");
    say("chat", "5-4 100 b");
    ck_assert_str_eq(brief(batch(fd)), "chat:a chat:b|chat@5-4");
    ck_assert_uint_eq(stats.batches, 1);
    end();
}
END_TEST

/* "busy" is a channel whose messages are gathered: tests/unit/config/valid/open.conf, 1500 ms. */
START_TEST(a_busy_channel_gathers_what_follows_its_first_message) {
    begin();
    int fd = parked_on("busy", "now");
    say("busy", "5-3 100 a");
    ck_assert_str_eq(brief(batch(fd)), "busy:a|busy@5-3"); /* it was quiet: at once */
    fd = parked_on("busy", "busy@5-3");
    say("busy", "5-4 100 b");
    say("busy", "5-5 100 c");
    ck_assert(!answered(fd));
    ck_assert_str_eq(brief(batch(ask("/comet/poll?channel=busy&since=busy@5-3"))),
                     "busy:b busy:c|busy@5-5"); /* a poll does not wait */
    ck_assert_str_eq(brief(batch(ask("/comet/wait?channel=busy&since=busy@5-2"))),
                     "busy:a|busy@5-3"); /* nor does who is behind */
    ck_assert_str_eq(brief(batch(fd)), "busy:b busy:c|busy@5-5");
    ck_assert_uint_eq(stats.requests_saved, 1);
    end();
}
END_TEST

START_TEST(a_channel_that_is_not_told_to_gathers_nothing) {
    begin();
    int fd = parked();
    say("chat", "5-3 100 a");
    ck_assert_str_eq(brief(batch(fd)), "chat:a|chat@5-3");
    fd = ask("/comet/wait?channel=chat&timeout=20&since=chat@5-3");
    turn();
    say("chat", "5-4 100 b");
    ck_assert(answered(fd));
    ck_assert_str_eq(brief(batch(fd)), "chat:b|chat@5-4");
    end();
}
END_TEST

START_TEST(a_crowd_has_its_turns_and_everybody_is_answered_once) {
    enum { CROWD = 300 };
    int fds[CROWD], quiet;

    begin();
    fds[0] = parked();
    for (int i = 1; i < CROWD; i++)
        fds[i] = ask("/comet/wait?channel=chat&timeout=20&since=chat@5-2");
    turn();
    loop_until(app.loop, stats.waiters == CROWD);
    quiet = ask("/comet/wait?channel=quiet&timeout=20");
    go_live("quiet", "7-1");
    turn();
    fake_say(subscriber, "halley.live:{chat}", "5-3 100 a");
    fake_say(subscriber, "halley.live:{quiet}", "7-2 100 q");
    ev_run(app.loop, EVRUN_NOWAIT); /* one turn: some of the crowd, and the quiet one */
    char byte;
    ck_assert_int_eq(recv(quiet, &byte, 1, MSG_PEEK | MSG_DONTWAIT), 1);
    ck_assert_uint_gt(stats.waiters, 0);
    ck_assert_str_eq(brief(batch(quiet)), "quiet:q|quiet@7-2");
    for (int i = 0; i < CROWD; i++)
        ck_assert_str_eq(brief(batch(fds[i])), "chat:a|chat@5-3");
    ck_assert_uint_eq(stats.messages, CROWD + 1);
    end();
}
END_TEST

START_TEST(waiter_times_out_with_an_empty_batch) {
    begin();
    int fd = ask("/comet/wait?channel=chat&timeout=1");
    go_live("chat", "5-2");
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    ck_assert_uint_eq(stats.batches_empty, 1);
    end();
}
END_TEST

START_TEST(a_wait_of_no_time_is_a_poll) {
    begin();
    int fd = ask("/comet/wait?channel=chat&timeout=0");
    expect_now("chat", "5-2");
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    end();
}
END_TEST

START_TEST(many_waiters_are_all_answered_once) {
    enum { MANY = 300 };
    int fds[MANY];

    begin();
    for (int i = 0; i < MANY; i++)
        fds[i] = parked();
    ck_assert_uint_eq(stats.waiters, MANY);
    ck_assert_uint_eq(stats.follow.channels, 1);
    say("chat", "5-3 100 a");
    for (int i = 0; i < MANY; i++)
        ck_assert_str_eq(brief(batch(fds[i])), "chat:a|chat@5-3");
    ck_assert_uint_eq(stats.messages, MANY);
    end();
}
END_TEST

START_TEST(a_browser_that_leaves_is_freed_at_once) {
    begin();
    int fd = parked();
    close(fd);
    turn();
    ck_assert_uint_eq(stats.waiters, 0);
    ck_assert_uint_eq(stats.gone, 1);
    say("chat", "5-3 100 a");
    turn();
    end();
}
END_TEST

START_TEST(draining_answers_the_parked_with_their_cursors_and_new_ones_at_once) {
    begin();
    int fd = parked();
    hub_drain(app.hub);
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    const char *const rows[] = {"wait", "poll", "stream"};
    for (size_t i = 0; i < ROWS(rows); i++) {
        int late = ask(keepf("/comet/%s?channel=chat", rows[i]));
        ck_assert_str_eq(brief(batch(late)), "|retry|chat@5-2");
    }
    ck_assert_uint_eq(stats.answers_503, 0);
    end();
}
END_TEST

START_TEST(near_the_limit_waits_become_polls) {
    static const char *const options[] = {"max_waiters=10", NULL};
    int fds[10];

    begin_with(options);
    up();
    for (int i = 0; i < 9; i++)
        fds[i] = parked();
    fds[9] = ask("/comet/wait?channel=chat");
    ck_assert_str_eq(brief(batch(fds[9])), "|retry|chat@5-2");
    ck_assert_uint_eq(stats.answers_retry, 1);
    for (int i = 0; i < 9; i++)
        close(fds[i]);
    turn();
    end();
}
END_TEST

START_TEST(a_stream_beyond_the_limit_is_told_to_poll_and_ends) {
    static const char *const options[] = {"max_waiters=2", NULL};
    int fds[2];

    begin_with(options);
    up();
    for (int i = 0; i < 2; i++)
        fds[i] = parked();
    ck_assert_str_eq(brief(batch(ask("/comet/stream?channel=chat"))), "|retry|chat@5-2");
    ck_assert_uint_eq(stats.answers_503, 0);
    ck_assert_uint_eq(stats.waiters, 2);
    for (int i = 0; i < 2; i++)
        close(fds[i]);
    turn();
    end();
}
END_TEST

START_TEST(a_held_wait_sends_white_space_in_front_of_its_batch) {
    begin();
    follow("chat", "5-2");
    int fd = ask("/comet/wait?channel=chat&heartbeat=1&timeout=20");
    struct buf early = buf_make(RECORDS_MAX);
    char byte;

    until((turn(), recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0), "nothing is sent ahead");
    ck_assert_uint_eq(stats.waiters, 1);
    say("chat", "5-3 100 a");
    const char *body = batch(fd);
    ck_assert_msg(body[0] == ' ' && body[strspn(body, " ")] == '{', "%s", body);
    ck_assert_str_eq(brief(body), "chat:a|chat@5-3");
    buf_free(&early);
    must_refuse(ask("/comet/wait?channel=chat&heartbeat=61"), 400, "heartbeat");
    end();
}
END_TEST

START_TEST(whose_header_is_out_is_told_an_error_in_a_batch) {
    begin();
    follow("chat", "5-2");
    int fd = ask("/comet/wait?channel=chat&heartbeat=1&timeout=20");
    char byte;

    until((turn(), recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0), "nothing is sent ahead");
    say("chat", "5-9 100 a"); /* some are missing: they are read */
    turn();
    fake_answer(commands, reply_error("NOPERM no such key"));
    const char *body = batch(fd);
    ck_assert_msg(strstr(body, "\"error\":{") && strstr(body, "NOPERM") &&
                      strstr(body, "\"cursor\":\"chat@5-2\""),
                  "%s", body);
    end();
}
END_TEST

/* -------------------------------------------------------------- Redis is away */

START_TEST(a_request_before_redis_is_up_waits_for_it) {
    begin_with(NULL);
    int fd = ask("/comet/poll?channel=chat");
    ck_assert(!answered(fd));
    up();
    expect_now("chat", "5-2");
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    end();
}
END_TEST

START_TEST(a_redis_that_refuses_connections_keeps_nobody_waiting) {
    begin_with(NULL);
    int fd = ask("/comet/wait?channel=chat");
    fake_away(commands);
    must_refuse(fd, 503, "Redis is away");
    must_refuse(ask("/comet/poll?channel=chat"), 503, "Redis is away");
    must_refuse(ask("/comet/health"), 503, "Redis is away");
    end();
}
END_TEST

static void become_ready(void) {
    fake_library(commands);
}

START_TEST(a_process_may_end_while_redis_becomes_ready) {
    begin_with(NULL);
    fake_up(commands);
    fake_up(subscriber);
    fake_at_finish(become_ready);
    end();
}
END_TEST

START_TEST(a_redis_that_does_not_answer_is_given_so_long) {
    static const char *const options[] = {"redis_timeout=1", NULL};

    begin_with(options);
    up();
    int fd = ask("/comet/wait?channel=chat&timeout=20");
    must_refuse(fd, 503, "Redis does not answer");
    end();
}
END_TEST

START_TEST(who_is_refused_late_is_told_what_redis_said) {
    static const char *const options[] = {"redis_timeout=1", NULL};

    begin_with(options);
    up();
    fake_trouble(subscriber, "NOPERM no channels");
    int fd = ask("/comet/wait?channel=chat&timeout=20");
    must_refuse(fd, 503, "Redis: NOPERM no channels");
    end();
}
END_TEST

START_TEST(whoever_comes_while_redis_is_away_is_told_why) {
    static const char *const nobody[] = {"REMOTE_ADDR", "192.0.2.1", NULL};

    begin_with(NULL);
    int fd = ask("/comet/wait?channel=chat");
    fake_trouble(commands, "AUTH: WRONGPASS no");
    fake_away(commands);
    must_refuse(fd, 503, "Redis is away: AUTH: WRONGPASS no");
    must_refuse(ask("/comet/poll?channel=chat"), 503, "Redis is away: AUTH: WRONGPASS no");
    fd = ask_with("POST", "/comet/publish?channel=rated", nobody, "hi");
    must_refuse(fd, 503, "Redis is away: AUTH: WRONGPASS no");
    must_refuse(ask("/comet/health"), 503, "Redis is away: AUTH: WRONGPASS no");
    end();
}
END_TEST

START_TEST(the_parked_keep_waiting_through_a_loss_and_miss_nothing) {
    begin();
    int fd = parked();
    fake_down(subscriber);
    fake_down(commands);
    turn();
    ck_assert_uint_eq(stats.waiters, 1);
    up();
    fake_confirm(subscriber);
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-2 100",
                reply_page("5-4", false, false, "5-3 100 a|5-4 101 b"));
    ck_assert_str_eq(brief(batch(fd)), "chat:a chat:b|chat@5-4");
    end();
}
END_TEST

START_TEST(the_parked_are_told_of_a_gap_when_redis_came_back_without_its_memory) {
    begin();
    int fd = parked();
    fake_down(subscriber);
    fake_down(commands);
    up();
    fake_confirm(subscriber);
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-2 100",
                reply_page("9-0", true, false, "")); /* the feed learns of it */
    turn();
    fake_expect(commands, "FCALL_RO halley_read 1 chat 5-2 100",
                reply_page("9-0", true, false, "")); /* and then the waiter, for itself */
    ck_assert_str_eq(brief(batch(fd)), "|gap chat|chat@9-0");
    end();
}
END_TEST

START_TEST(a_channel_that_redis_refuses_to_read_is_answered_with_503) {
    begin();
    int fd = ask("/comet/poll?channel=chat&since=start");
    turn();
    fake_answer(commands, reply_error("WRONGTYPE Operation against a key"));
    must_refuse(fd, 503, "refuses");
    end();
}
END_TEST

/* ------------------------------------------------------------------ refusals */

START_TEST(wrong_requests_are_refused_with_what_is_allowed) {
    const char *long_query = keepf("/comet/poll?channel=chat&x=%0*d", 8200, 0);
    const struct {
        const char *uri;
        int status;
        const char *says;
    } rows[] = {{"/comet/nothing?channel=chat", 404, "no such endpoint"},
                {"/comet/", 404, "no such endpoint"},
                {"/comet/jsonp?channel=chat&callback=f", 404, "no such endpoint"},
                {"/comet/publish?channel=chat", 405, "\r\nAllow: POST, OPTIONS\r\n"},
                {long_query, 413, "8192"},
                {"/comet/poll?channel=%zz", 400, "hexadecimal"},
                {"/comet/poll", 400, "channel: at least one"},
                {"/comet/poll?channel=", 400, "channel: must be"},
                {"/comet/poll?channel=a%00b", 400, "channel: must be"},
                {"/comet/poll?channel=a%2a", 400, "channel: must be"},
                {"/comet/poll?channel=%ff", 400, "channel: must be"},
                {"/comet/poll?channel=secret", 403, "not allowed"},
                {"/comet/poll?channel=a&channel=b&channel=c", 400, "max_channels"},
                {"/comet/poll?channel=a&since=yesterday", 400, "since: must be"},
                {"/comet/poll?channel=a&since=", 400, "since: must be"},
                {"/comet/poll?channel=a&since=-0", 400, "since: must be"},
                {"/comet/poll?channel=a&since=-1000001", 400, "since: must be"},
                {"/comet/poll?channel=a&since=-1x", 400, "since: must be"},
                {"/comet/poll?channel=a&since=now&since=now", 400, "since: must be"},
                {"/comet/poll?channel=a&limit=0", 400, "limit: must be"},
                {"/comet/poll?channel=a&limit=1001", 400, "limit: must be"},
                {"/comet/poll?channel=a&limit=", 400, "limit: must be"},
                {"/comet/poll?channel=a&limit=1e2", 400, "limit: must be"},
                {"/comet/poll?channel=a&limit=9999999999", 400, "limit: must be"},
                {"/comet/wait?channel=a&timeout=56", 400, "timeout: must be"},
                {"/comet/wait?channel=a&timeout=-1", 400, "timeout: must be"},
                {"/comet/wait?channel=a&timeout=1.5", 400, "timeout: must be"},
                {"/comet/iframe?channel=a", 400, "callback"},
                {"/comet/iframe?channel=a&callback=a(b", 400, "callback"}};
    static const char *const options[] = {"max_channels=2", NULL};

    begin_with(options);
    up();
    (void)fake_subscriptions(subscriber); /* of the hub itself */
    for (size_t i = 0; i < ROWS(rows); i++) {
        const char *text = answer(ask(rows[i].uri));
        ck_assert_msg(strncmp(text, keepf("Status: %d ", rows[i].status), 12) == 0, "%.60s: %s",
                      rows[i].uri, text);
        ck_assert_msg(strstr(text, rows[i].says) != NULL, "%.60s: %s", rows[i].uri, text);
    }
    ck_assert_uint_eq(fake_waiting(commands), 0); /* nothing is half done */
    ck_assert_str_eq(fake_subscriptions(subscriber), "");
    end();
}
END_TEST

START_TEST(a_channel_that_is_named_twice_is_one) {
    begin();
    int fd = ask("/comet/poll?channel=chat&channel=chat");
    expect_now("chat", "5-2");
    ck_assert_str_eq(brief(batch(fd)), "|chat@5-2");
    end();
}
END_TEST

START_TEST(a_posted_body_that_is_no_form_is_refused) {
    static const char *const names[] = {"CONTENT_TYPE", "application/json", NULL};

    begin();
    must_refuse(ask_with("POST", "/comet/poll?channel=chat", names, "{}"), 400, "Content-Type");
    must_refuse(ask_with("PUT", "/comet/poll?channel=chat", NULL, ""), 405, "GET, HEAD, POST");
    must_refuse(ask_with("GET,", "/comet/poll?channel=chat", NULL, ""), 405, "GET, HEAD, POST");
    must_refuse(ask_with("", "/comet/poll?channel=chat", NULL, ""), 405, "GET, HEAD, POST");
    end();
}
END_TEST

/* ---------------------------------------------------------------- publishing */

static int post(const char *channel, const char *key, const char *body) {
    const char *const names[] = {"HTTP_IDEMPOTENCY_KEY", key, "REMOTE_ADDR", "192.0.2.1", NULL};
    return ask_with("POST", keepf("/comet/publish?channel=%s", channel), names, body);
}

START_TEST(a_publish_is_answered_when_redis_holds_it) {
    begin();
    int fd = post("chat", "", "hello");
    ck_assert(!answered(fd));
    fake_expect(commands,
                "FCALL halley_post 1 chat hello 1000 3600 65536 604800  300 192.0.2.1   halley",
                reply_list(2, reply_text("5-7"), reply_number(1795219203111)));
    ck_assert_str_eq(batch(fd), "{\"id\":\"5-7\",\"at\":1795219203111}");
    ck_assert_uint_eq(stats.published, 1);
    end();
}
END_TEST

/* One with a key, from an address. */
static int post_from(const char *address, const char *channel, const char *key) {
    const char *const names[] = {"HTTP_IDEMPOTENCY_KEY", key, "REMOTE_ADDR", address, NULL};
    return ask_with("POST", keepf("/comet/publish?channel=%s", channel), names, "hi");
}

static redis_reply *posted(int repeated) {
    return reply_list(3, reply_text("5-7"), reply_number(1795219203111), reply_number(repeated));
}

START_TEST(a_rate_is_asked_once_for_all_channels_of_its_section) {
    begin();
    int fd = post_from("2001:db8:1:2::7", "rated-1", "");
    fake_expect(commands, "FCALL halley_rate 1 halley.rate:rated*:2001:db8:1:2::/64 3 600 1",
                reply_number(0));
    fake_expect(
        commands,
        "FCALL halley_post 1 rated-1 hi 1000 3600 65536 604800  300 2001:db8:1:2::7   halley",
        posted(0));
    ck_assert_ptr_nonnull(strstr(batch(fd), "5-7"));
    fd = post_from("2001:db8:1:2::8", "rated-2", "");
    fake_expect(commands, "FCALL halley_rate 1 halley.rate:rated*:2001:db8:1:2::/64 3 600 1",
                reply_number(2500));
    must_refuse(fd, 429, "\r\nRetry-After: 3\r\n");
    ck_assert_uint_eq(stats.answers_429, 1);
    end();
}
END_TEST

START_TEST(a_repetition_is_answered_over_its_rate_and_does_not_count) {
    begin();
    int fd = post_from("192.0.2.1", "rated", "key");
    fake_expect(commands, "FCALL halley_rate 1 halley.rate:rated*:192.0.2.1 3 600 1",
                reply_number(0));
    fake_expect(commands,
                "FCALL halley_post 1 rated hi 1000 3600 65536 604800 key 300 192.0.2.1   halley",
                posted(1));
    fake_expect(commands, "FCALL halley_rate 1 halley.rate:rated*:192.0.2.1 3 600 -1",
                reply_number(0));
    ck_assert_ptr_nonnull(strstr(batch(fd), "5-7"));
    fd = post_from("192.0.2.1", "rated", "key");
    fake_expect(commands, "FCALL halley_rate 1 halley.rate:rated*:192.0.2.1 3 600 1",
                reply_number(900));
    fake_expect(
        commands,
        "FCALL halley_post 1 rated hi 1000 3600 65536 604800 key 300 192.0.2.1 over:900  halley",
        posted(1));
    ck_assert_ptr_nonnull(strstr(batch(fd), "5-7"));
    ck_assert_uint_eq(fake_waiting(commands), 0);
    ck_assert_uint_eq(stats.published, 0); /* by others before */
    end();
}
END_TEST

START_TEST(a_rate_that_cannot_be_asked_refuses_and_publishes_nothing) {
    begin();
    int fd = post_from("192.0.2.1", "rated", "key");
    fake_answer(commands, reply_error("WRONGTYPE Operation against a key"));
    must_refuse(fd, 503, "WRONGTYPE");
    fd = post_from("192.0.2.1", "rated", "key");
    fake_answer(commands, NULL);
    must_refuse(fd, 503, "Redis is away");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    end();
}
END_TEST

START_TEST(a_publish_that_fails_says_why) {
    static const struct {
        const char *answer; /* NULL: the connection is lost */
        int status;
        const char *says;
    } rows[] = {{"RATE 2500", 429, "\r\nRetry-After: 3\r\n"},
                {"WRONGTYPE Operation against a key", 503, "\r\nRetry-After: "},
                {"OOM command not allowed", 503, "\r\nRetry-After: "},
                {NULL, 503, "Idempotency-Key"}};

    begin();
    for (size_t i = 0; i < ROWS(rows); i++) {
        int fd = post("chat", "key", "hello");
        fake_answer(commands, rows[i].answer ? reply_error(rows[i].answer) : NULL);
        must_refuse(fd, rows[i].status, rows[i].says);
    }
    end();
}
END_TEST

START_TEST(what_may_not_be_published_never_reaches_redis) {
    begin();
    must_refuse(post("secret", "", "x"), 403, "not allowed");
    must_refuse(post("~own", "", "x"), 403, "~");
    must_refuse(post("a%7b", "", "x"), 400, "channel: must be");
    must_refuse(post("chat&channel=b", "", "x"), 400, "exactly one");
    must_refuse(post("chat", "two words", "x"), 400, "Idempotency-Key");
    must_refuse(post("chat", keepf("%0*d", 201, 0), "x"), 400, "Idempotency-Key");
    must_refuse(post("small", "", "12345"), 413, "4 bytes");
    must_refuse(ask_with("POST", "/comet/publish", NULL, "x"), 400, "exactly one");
    ck_assert_uint_eq(fake_waiting(commands), 0);
    end();
}
END_TEST

/* ------------------------------------------------------------------- streams */

START_TEST(a_slow_reader_is_cut_off_at_its_backlog_and_delays_nobody) {
    static const char *const options[] = {"max_backlog=4096", NULL};
    char *payload = keep(malloc(60001));

    begin_with(options);
    up();
    int slow = ask("/comet/stream?channel=chat"), quick = ask("/comet/stream?channel=chat");
    go_live("chat", "5-0");
    turn();
    memset(payload, 'x', 60000);
    payload[60000] = '\0';
    struct buf taken = buf_make(RECORDS_MAX);
    unsigned n = 0;
    while (stats.cut_off == 0 && n < 200) {
        n++;
        say("chat", keepf("5-%u %u %s", n, n, payload));
        turn();
        ck_assert(socket_take(quick, &taken));
    }
    ck_assert_uint_eq(stats.cut_off, 1);
    ck_assert_uint_eq(stats.waiters, 1);
    turn();
    socket_take(quick, &taken);
    ck_assert_ptr_nonnull(strstr(record_output(taken.data, taken.len, 1, NULL), keepf("5-%u", n)));
    close(slow);
    close(quick);
    turn();
    buf_free(&taken);
    end();
}
END_TEST

static bool taken; /* a wait that a holder holds was given back, with nothing */

static void on_begun(struct hub_holder *holder) {
    (void)holder;
}

static void on_taken(struct hub_holder *holder, struct batch *batch, struct hub_places *places) {
    (void)holder;
    taken = batch != NULL && batch_size(batch) == 0;
    hub_places_free(places);
}

/* Somebody of whom a channel was taken away. */
static struct identity *without(struct revoked *revoked, const char *channel) {
    struct identity *who = identity_new("alice", "");
    const char *word = keepf("1 0 channel\nalice\n%s", channel);

    who->expires = ev_now(app.loop) + 1000;
    revoked_take(revoked, word, strlen(word), 1);
    revoked_heed(revoked, who, 1);
    return who;
}

/* Between the look at his session and its wait here: nobody would tell him afterwards. */
START_TEST(who_may_not_read_a_channel_any_more_does_not_wait_for_it) {
    const struct hub_channel channel = {.name = "lost", .len = 4};
    struct hub_holder holder = {.begun = on_begun, .taken = on_taken};
    struct revoked *revoked = revoked_new();
    struct problem problem;
    int ends[2];

    begin();
    struct channel_policy users = *config_channel(&config, "lost", 4); /* what is anyone's stays */
    users.pattern = (char[]){"lost"};
    users.subscribe = (struct access){.kinds = ACCESS_USER};
    struct channel_policy *sections = config.channels;
    size_t section_count = config.channel_count;
    config.channels = &users;
    config.channel_count = 1;
    struct identity *who = without(revoked, "lost");
    const struct hub_read read = {.transport = &transport_sockjs_poll,
                                  .options.config = &config,
                                  .channels = &channel,
                                  .channel_count = 1,
                                  .limit = 1,
                                  .timeout = 1000,
                                  .who = who};
    socket_pair(ends);
    struct client *client = client_fcgi_new(connections, ends[1], 1);
    ck_assert(hub_hold(app.hub, client, &read, &holder, &problem));
    go_live("lost", "1-1");
    until((turn(), taken), "it waits");
    client_drop(client);
    close(ends[0]);
    identity_free(who);
    revoked_free(revoked);
    config.channels = sections;
    config.channel_count = section_count;
    end();
}
END_TEST

UNIT_MAIN(
    "hub", a_poll_of_a_channel_that_nobody_waits_on_reads_and_subscribes_to_nothing,
    a_channel_that_is_polled_often_is_followed,
    polls_of_names_that_nobody_waits_on_leave_nothing_behind, a_poll_from_now_asks_nothing_more,
    a_cursor_in_the_tail_is_answered_from_memory,
    a_cursor_older_than_the_tail_is_read_from_the_history,
    a_channel_that_the_cursor_does_not_know_starts_now,
    a_read_sees_what_redis_had_sent_before_it_began, a_poll_waits_for_a_sign_of_life,
    last_event_id_wins_over_since, what_is_asked_again_is_answered_anew,
    parameters_may_come_in_a_form,
    channels_are_merged_by_time_and_each_stays_in_the_order_of_its_ids,
    what_the_limit_leaves_over_comes_with_the_next_cursor,
    a_gap_is_told_when_its_channel_advances_and_not_before,
    a_gap_inside_a_page_is_told_with_the_messages_behind_it,
    a_stream_is_told_of_a_gap_behind_what_is_in_front_of_the_hole,
    what_is_read_for_many_channels_is_bounded_and_stays_in_order,
    of_many_long_messages_the_one_that_comes_first_is_read,
    a_long_message_that_has_gone_meanwhile_holds_nobody_up, a_gap_without_a_message_is_told_at_once,
    a_waiter_is_answered_as_soon_as_there_is_a_message,
    messages_that_arrive_together_leave_together,
    what_overtakes_a_read_is_not_left_until_the_next_message, who_comes_from_ahead_is_overtaken_too,
    a_place_in_front_of_a_channel_is_read_once_and_then_waited_at,
    a_busy_channel_gathers_what_follows_its_first_message,
    a_channel_that_is_not_told_to_gathers_nothing,
    a_crowd_has_its_turns_and_everybody_is_answered_once, waiter_times_out_with_an_empty_batch,
    a_wait_of_no_time_is_a_poll, many_waiters_are_all_answered_once,
    a_browser_that_leaves_is_freed_at_once,
    draining_answers_the_parked_with_their_cursors_and_new_ones_at_once,
    near_the_limit_waits_become_polls, a_stream_beyond_the_limit_is_told_to_poll_and_ends,
    a_held_wait_sends_white_space_in_front_of_its_batch,
    whose_header_is_out_is_told_an_error_in_a_batch, a_request_before_redis_is_up_waits_for_it,
    a_redis_that_refuses_connections_keeps_nobody_waiting,
    a_process_may_end_while_redis_becomes_ready, a_redis_that_does_not_answer_is_given_so_long,
    who_is_refused_late_is_told_what_redis_said, whoever_comes_while_redis_is_away_is_told_why,
    the_parked_keep_waiting_through_a_loss_and_miss_nothing,
    the_parked_are_told_of_a_gap_when_redis_came_back_without_its_memory,
    a_channel_that_redis_refuses_to_read_is_answered_with_503,
    wrong_requests_are_refused_with_what_is_allowed, a_channel_that_is_named_twice_is_one,
    a_posted_body_that_is_no_form_is_refused, a_publish_is_answered_when_redis_holds_it,
    a_rate_is_asked_once_for_all_channels_of_its_section,
    a_repetition_is_answered_over_its_rate_and_does_not_count,
    a_rate_that_cannot_be_asked_refuses_and_publishes_nothing, a_publish_that_fails_says_why,
    what_may_not_be_published_never_reaches_redis,
    a_slow_reader_is_cut_off_at_its_backlog_and_delays_nobody,
    who_may_not_read_a_channel_any_more_does_not_wait_for_it)

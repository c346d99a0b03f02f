/* Channels whose section says `ask`: the site is asked who may, by a request with the visitor's own
 * cookies. The site is PHP's own web server (site.php); what it was asked stands in its log.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/site.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const servers[] = {"http", "lighttpd-socket", "nginx", "apache"};
enum { SERVERS = sizeof servers / sizeof *servers };

static const char sections[] =
    "[channel open*]\npublish = anyone\n"
    "[channel staff]\nsubscribe = user, ask\n"
    "[channel *]\nsubscribe = ask\npublish = ask\n"
    "[service sockjs/talk]\n[service sockjs/one]\nprotocol = channel one\n"
    "[service socket.io]\n[service bayeux]\n";

static struct lab lab;
static struct proc site;

/* ------------------------------------------------------------------------ the site */

static int site_port;

/* How many of the questions have these words in them. */
static size_t asked(const char *words) {
    FILE *file = fopen(site_log(&lab), "r");
    char line[4096];
    size_t count = 0;

    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        count += strstr(line, words) != NULL;
    if (file != NULL)
        fclose(file);
    return count;
}

static void open_lab(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "ask");
    lab_conf(&lab, sections);
    lab_set(&lab, "AUTHORIZE_TIMEOUT", "3");
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "ORIGINS", "https://listed.example");
    lab_websockets(&lab);
    site_port = site_begin(&lab, &site);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
}

static void begin_on(const char *server) {
    open_lab();
    lab_web(&lab, server, 2);
}

static void setup(void) {
    begin_on("http");
}

static void teardown(void) {
    proc_kill(&site);
    lab_close(&lab);
}

/* ------------------------------------------------------------------------ visitors */

/* A request of whoever has that session; "" of nobody. `more` is a header field, or NULL. */
static const struct answer *ask_as(const char *session, const char *method, const char *path,
                                   const char *body, const char *more) {
    const struct request request = {.method = method,
                                    .path = path,
                                    .body = body,
                                    .length = strlen(body),
                                    .kept_open = true,
                                    .headers = {keepf("Cookie: a=b; session=%s", session), more}};
    return http_send(&lab, &request);
}

static int get_as(const char *session, const char *path) {
    return ask_as(session, "GET", path, "", NULL)->status;
}

static const char *post_as(const char *session, const char *path, const char *body) {
    const struct answer *answer = ask_as(session, "POST", path, body, NULL);
    ck_assert_msg(answer->status == 200 || answer->status == 204, "%s on %s", answer_text(answer),
                  lab.server);
    return answer->body;
}

static int publish_as(const char *session, const char *channel) {
    return ask_as(session, "POST", keepf("/comet/publish?channel=%s", channel), "1", NULL)->status;
}

static struct websock *socket_as(const char *session, const char *path) {
    struct websock *socket =
        websock_on(wire_tcp(lab.port), path, keepf("Cookie: session=%s\r\n", session));
    ck_assert_ptr_nonnull(socket);
    return socket;
}

static void must_have(const char *text, const char *part) {
    ck_assert_msg(strstr(text, part) != NULL, "\"%s\" instead of \"%s\" on %s", text, part,
                  lab.server);
}

/* --------------------------------------------------------------------------- tests */

static void must_ask_of_requests(void) {
    static const char *const reads[] = {"poll?", "wait?timeout=0&", "history?"};

    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        const char *path = keepf("/comet/%schannel=r%zu", reads[i], i);
        ck_assert_int_eq(get_as("alice", path), 200);
        ck_assert_int_eq(get_as("bob", path), 200);
        ck_assert_int_eq(get_as("mallory", path), 403);
        ck_assert_int_eq(get_as("", path), 401);
    }
    ck_assert_int_eq(get_as("mallory", "/comet/events?channel=e"), 403);
    ck_assert_int_eq(publish_as("alice", "p"), 200);
    ck_assert_int_eq(publish_as("bob", "p"), 403);
    ck_assert_int_eq(publish_as("", "p"), 401);
    ck_assert_int_eq(get_as("", "/comet/poll?channel=open"), 200);
    ck_assert_int_eq(get_as("bob", "/comet/poll?channel=open&channel=a&channel=b"), 200);
    must_be_problem(ask_as("mallory", "GET", "/comet/poll?channel=open&channel=a", "", NULL), 403,
                    "a");
}

static void must_ask_on_sockets(void) {
    struct websock *socket = socket_as("bob", "/comet/ws?channel=s");

    websock_reach(socket, "s@");
    ck_assert(websock_say(socket, "{\"subscribe\":[\"t\",\"u\"],\"ref\":1}"));
    websock_reach(socket, "u@");
    ck_assert(websock_say(socket, "{\"publish\":{\"channel\":\"s\",\"data\":1},\"ref\":2}"));
    must_have(websock_reach(socket, "\"ref\":2"), "403");
    ck_assert_int_eq(publish_as("alice", "t"), 200);
    websock_reach(socket, "\"data\":1");
    websock_close(socket);
    socket = socket_as("mallory", "/comet/ws?channel=open1");
    websock_reach(socket, "open1@");
    ck_assert(websock_say(socket, "{\"subscribe\":[\"t\"],\"ref\":3}"));
    must_have(websock_reach(socket, "\"ref\":3"), "403");
    websock_close(socket);
    ck_assert_int_eq(websock_reach_status(socket_as("mallory", "/comet/ws?channel=s")), 403);
}

static void must_ask_in_sockjs(void) {
    static const char subscribe[] = "[\"{\\\"subscribe\\\":[\\\"x\\\"]}\"]";

    must_have(post_as("bob", "/sockjs/talk/0/bob/xhr", ""), "o");
    (void)post_as("bob", "/sockjs/talk/0/bob/xhr_send", subscribe);
    must_have(post_as("bob", "/sockjs/talk/0/bob/xhr", ""), "x@");
    must_have(post_as("mallory", "/sockjs/talk/0/mallory/xhr", ""), "o");
    (void)post_as("mallory", "/sockjs/talk/0/mallory/xhr_send", subscribe);
    must_have(post_as("mallory", "/sockjs/talk/0/mallory/xhr", ""), "403");
    must_have(post_as("bob", "/sockjs/one/0/bob/xhr", ""), "o");
    must_have(post_as("mallory", "/sockjs/one/0/mallory/xhr", ""), "o");
    must_have(post_as("mallory", "/sockjs/one/0/mallory/xhr", ""), "c[4403");
}

/* From some moment on. */
static void must_hear(struct websock *socket, const char *channel) {
    until(({
              ck_assert_int_eq(publish_as("alice", channel), 200);
              websock_turn(socket, 100);
              websock_next(socket) && strstr(socket->text, "42[\"message\",1") != NULL;
          }),
          "nothing is heard of %s", channel);
}

static void must_ask_in_socketio(void) {
    static const char path[] = "/socket.io/?EIO=4&transport=websocket";

    for (int i = 0; i < 2; i++) {
        struct websock *socket = socket_as(i == 0 ? "bob" : "mallory", path);
        websock_reach(socket, "\"sid\"");
        ck_assert(websock_say(socket, "40"));
        websock_reach(socket, "40{");
        ck_assert(websock_say(socket, "421[\"subscribe\",\"io\"]"));
        if (i == 0)
            must_hear(socket, "io");
        else
            must_have(websock_reach(socket, "431["), "403");
        websock_close(socket);
    }
}

static void must_ask_in_bayeux(void) {
    static const char *const who[] = {"bob", "mallory"};

    for (int i = 0; i < 2; i++) {
        const struct answer *welcome =
            ask_as(who[i], "POST", "/bayeux",
                   "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                   "\"supportedConnectionTypes\":[\"long-polling\"]}]",
                   "Content-Type: application/json");
        const char *client =
            json_string_value(json_object_get(json_array_get(welcome->json, 0), "clientId"));
        const char *body = keepf("[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                                 "\"subscription\":[\"/f\",\"/g\"]}]",
                                 client);
        const struct answer *reply =
            ask_as(who[i], "POST", "/bayeux", body, "Content-Type: application/json");
        must_have(reply->body, i == 0 ? "\"successful\":true" : "403:/f,/g:");
    }
}

START_TEST(everybody_asks_the_site_wherever_it_is) {
    begin_on(servers[_i]);
    must_ask_of_requests();
    must_ask_on_sockets();
    must_ask_in_sockjs();
    must_ask_in_socketio();
    must_ask_in_bayeux();
    teardown();
}
END_TEST

START_TEST(the_site_hears_who_what_and_from_where) {
    ck_assert_int_eq(ask_as("alice", "GET", "/comet/poll?channel=a%26verb%3Dpublish%2F%C3%A4", "",
                            "Authorization: Basic eDp5")
                         ->status,
                     200);
    ck_assert_uint_eq(asked("/may.php?channel=a%26verb%3Dpublish%2F%C3%A4&verb=subscribe&address="
                            "127.0.0.1 [alice] Basic eDp5"),
                      1);
    ck_assert_int_eq(publish_as("alice", "a"), 200);
    ck_assert_uint_eq(asked("channel=a&verb=publish&"), 1);
}
END_TEST

START_TEST(other_alternatives_go_first) {
    ck_assert_int_eq(get_as("", "/comet/poll?channel=open"), 200);
    ck_assert_uint_eq(asked("channel="), 0);
    ck_assert_int_eq(get_as("bob", "/comet/poll?channel=staff"), 200);
    ck_assert_uint_eq(asked("channel=staff"), 1);
    ck_assert_int_eq(publish_as("alice", "staff"), 403); /* nobody may */
    ck_assert_uint_eq(asked("verb=publish"), 0);
}
END_TEST

START_TEST(an_answer_holds_for_as_long_as_it_says_for_who_and_what_it_was) {
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(get_as("bob", "/comet/poll?channel=held"), 200);
        ck_assert_int_eq(get_as("mallory", "/comet/poll?channel=held"), 403);
        ck_assert_int_eq(publish_as("bob", "held"), 403);
        ck_assert_int_eq(get_as("bob", "/comet/poll?channel=other"), 200);
    }
    ck_assert_uint_eq(asked("channel=held&verb=subscribe&address=127.0.0.1 [bob]"), 1);
    ck_assert_uint_eq(asked("channel=held&verb=subscribe&address=127.0.0.1 [mallory]"), 1);
    ck_assert_uint_eq(asked("channel=held&verb=publish&address=127.0.0.1 [bob]"), 1);
    ck_assert_uint_eq(asked("channel=other"), 3);
}
END_TEST

START_TEST(where_the_site_is_in_trouble_nobody_is_let_in_and_nobody_else_waits) {
    static const char *const troubles[] = {"hangs", "elsewhere", "broken"};
    struct flight *flight = NULL;

    for (size_t i = 0; i < sizeof troubles / sizeof *troubles; i++) {
        const struct request request = {.path = keepf("/comet/poll?channel=%s", troubles[i]),
                                        .headers = {"Cookie: session=alice"}};
        flight = http_begin(&lab, &request);
        ck_assert_int_eq(get_as("bob", "/comet/poll?channel=a"), 200);
        const struct answer *answer = must_be_problem(http_land(flight), 503, "authorize");
        ck_assert_ptr_nonnull(answer_header(answer, "Retry-After"));
    }
    ck_assert_int_eq(get_as("alice", "/comet/poll?channel=large"), 200); /* it said yes */
    ck_assert_int_eq(publish_as("alice", "broken"), 503);
    struct websock *socket = socket_as("alice", "/comet/ws?channel=open");
    ck_assert(websock_say(socket, "{\"subscribe\":[\"broken\"],\"ref\":1}"));
    must_have(websock_reach(socket, "\"ref\":1"), "503");
    websock_close(socket);
    proc_stop(&site, SIGKILL);
    ck_assert_int_eq(get_as("alice", "/comet/poll?channel=a"), 503);
    ck_assert_int_eq(get_as("", "/comet/poll?channel=open"), 200);
}
END_TEST

START_TEST(a_visitor_who_asks_too_much_is_refused_alone) {
    enum { FLIGHTS = 4 };
    struct flight *flights[FLIGHTS];
    const char *names = "";
    size_t refused = 0;

    for (int i = 0; i < 60; i++)
        names = keepf("%s&channel=hangs-%d", names, i);
    for (int i = 0; i < FLIGHTS; i++) {
        const struct request request = {.path = keepf("/comet/poll?x=%d%s-%d", i, names, i),
                                        .headers = {"Cookie: session=alice"}};
        flights[i] = http_begin(&lab, &request);
    }
    for (int i = 0; i < FLIGHTS; i++)
        refused += http_land(flights[i])->status == 503;
    ck_assert_uint_eq(refused, FLIGHTS);
    ck_assert_uint_lt(asked("channel=hangs"), 70);
    proc_stop(&site, SIGKILL); /* all of whose workers hang */
    site_start(&lab, &site, site_port);
    until(get_as("bob", "/comet/poll?channel=a") == 200, "nobody is let in any more");
}
END_TEST

START_TEST(a_page_of_another_site_brings_no_cookie) {
    ck_assert_int_eq(
        ask_as("alice", "GET", "/comet/poll?channel=a", "", "Origin: https://evil.example")->status,
        401);
    ck_assert_uint_eq(asked("[alice]"), 0);
    ck_assert_int_eq(
        ask_as("alice", "GET", "/comet/poll?channel=a", "", "Origin: https://listed.example")
            ->status,
        200);
    ck_assert_int_ne(get_as("alice", "/comet/jsonp?channel=a&callback=f&timeout=0"), 200);
    ck_assert_uint_eq(asked("[alice]"), 1);
}
END_TEST

/* One connection, as a proxy keeps it, carries one visitor behind the other. */
START_TEST(nothing_of_one_visitor_is_the_next_ones) {
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(get_as("alice", "/comet/wait?channel=kept&timeout=0"), 200);
        ck_assert_int_eq(get_as("", "/comet/wait?channel=kept&timeout=0"), 401);
        ck_assert_int_eq(get_as("mallory", "/comet/wait?channel=kept&timeout=0"), 403);
    }
}
END_TEST

START_TEST(publishes_of_a_socket_keep_their_order) {
    enum { COUNT = 20 };
    struct websock *socket = socket_as("alice", "/comet/ws?channel=slow");

    websock_reach(socket, "slow@");
    for (int i = 1; i <= COUNT; i++)
        ck_assert(websock_say(
            socket, keepf("{\"publish\":{\"channel\":\"slow\",\"data\":%d},\"ref\":%d}", i, i)));
    websock_reach(socket, keepf("\"ref\":%d", COUNT));
    const char *all = "1";
    for (int i = 2; i <= COUNT; i++)
        all = keepf("%s,%d", all, i);
    ck_assert_str_eq(
        batch_all_data(ask_as("alice", "GET", "/comet/poll?channel=slow&since=start", "", NULL)),
        all);
    websock_close(socket);
}
END_TEST

START_TEST(who_waits_for_the_site_is_answered_when_the_process_ends) {
    const struct request request = {.path = "/comet/poll?channel=slow",
                                    .headers = {"Cookie: session=alice"}};
    struct flight *flight = http_begin(&lab, &request);

    until((http_pump(5), asked("channel=slow") == 1), "the site is not asked");
    ck_assert_int_eq(proc_stop(&lab.web, SIGTERM), 0);
    int status = http_land(flight)->status;
    ck_assert_msg(status == 200 || status == 503, "%d", status);
}
END_TEST

START_TEST(a_session_ends_when_the_site_says_no) {
    static const char subscribe[] = "[\"{\\\"subscribe\\\":[\\\"unlisted\\\"]}\"]";
    static const char base[] = "/sockjs/talk/0/goes";

    must_have(post_as("bob", keepf("%s/xhr", base), ""), "o");
    (void)post_as("bob", keepf("%s/xhr_send", base), subscribe);
    must_have(post_as("bob", keepf("%s/xhr", base), ""), "unlisted@");
    fclose(fopen(keepf("%s.closed", site_log(&lab)), "w"));
    until(get_as("bob", "/comet/poll?channel=unlisted") == 403, "he may still");
    until(({
              store_add(&lab, "unlisted", "1");
              strstr(post_as("bob", keepf("%s/xhr", base), ""), "c[4403") != NULL;
          }),
          "the session goes on");
}
END_TEST

START_TEST(a_pattern_stands_for_what_the_site_lets_read) {
    store_add(&lab, "p/one", "1");
    store_add(&lab, "p/broken-two", "2");
    const struct answer *answer =
        ask_as("bob", "GET", "/comet/poll?pattern=p/*&since=start", "", NULL);
    ck_assert_str_eq(batch_all_data(must_be_batch(answer)), "1,2");
    ck_assert_uint_eq(
        batch_count(ask_as("mallory", "GET", "/comet/poll?pattern=p/*&since=start", "", NULL)), 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ask");
    TCase *everywhere = e2e_case(suite, "everywhere", NULL, NULL);
    TCase *tests = e2e_case(suite, "ask", NULL, NULL);

    tcase_add_loop_test(everywhere, everybody_asks_the_site_wherever_it_is, 0, SERVERS);
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, the_site_hears_who_what_and_from_where);
    tcase_add_test(tests, other_alternatives_go_first);
    tcase_add_test(tests, an_answer_holds_for_as_long_as_it_says_for_who_and_what_it_was);
    tcase_add_test(tests, where_the_site_is_in_trouble_nobody_is_let_in_and_nobody_else_waits);
    tcase_add_test(tests, a_visitor_who_asks_too_much_is_refused_alone);
    tcase_add_test(tests, a_page_of_another_site_brings_no_cookie);
    tcase_add_test(tests, nothing_of_one_visitor_is_the_next_ones);
    tcase_add_test(tests, publishes_of_a_socket_keep_their_order);
    tcase_add_test(tests, who_waits_for_the_site_is_answered_when_the_process_ends);
    tcase_add_test(tests, a_session_ends_when_the_site_says_no);
    tcase_add_test(tests, a_pattern_stands_for_what_the_site_lets_read);
    return e2e_run(suite);
}

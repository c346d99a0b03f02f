/* Channels whose section says `ask`: the site is asked who may, by a request with the visitor's own
 * cookies. The site is PHP's own web server (site.php); what it was asked stands in its log.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/site.h"
#include "tests/lib/store.h"
#include "tests/lib/token.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const servers[] = {"http", "lighttpd-socket", "nginx", "apache"};
enum { SERVERS = sizeof servers / sizeof *servers };

static const char sections[] =
    "[channel open*]\npublish = anyone\n"
    "[channel staff]\nsubscribe = user, ask\n"
    "[channel *]\nsubscribe = ask\npublish = ask\n"
    "[service sockjs/talk]\n[service sockjs/one]\nprotocol = channel one\n"
    "[service socket.io]\n[service bayeux]\n";

static const char secret[] = "a secret of this test that is long enough for HS256";

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

static void open_lab(const char *timeout) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "ask");
    lab_conf(&lab,
             keepf("%s[key k]\nalgorithm = HS256\nfile = %s\n", sections, token_file(secret)));
    lab_set(&lab, "AUTHORIZE_TIMEOUT", timeout);
    lab_set(&lab, "JSONP", "on");
    lab_set(&lab, "ORIGINS", "https://listed.example");
    lab_websockets(&lab);
    site_port = site_begin(&lab, &site);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
}

static void begin_on(const char *server, const char *timeout) {
    open_lab(timeout);
    lab_web(&lab, server, 2);
}

static void setup(void) {
    begin_on("http", "3");
}

/* Of a site that is slow, and has the time. */
static void setup_patient(void) {
    begin_on("http", "60");
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
    socket = socket_as("mallory", "/comet/ws?channel=s");
    ck_assert_int_eq(websock_reach_status(socket), 403);
    websock_close(socket);
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
    static const char *const who[] = {"bob", "mallory", "bob"};

    for (int i = 0; i < 3; i++) {
        const struct answer *welcome =
            ask_as(who[i], "POST", "/bayeux",
                   "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                   "\"supportedConnectionTypes\":[\"long-polling\"]}]",
                   "Content-Type: application/json");
        const char *client =
            json_string_value(json_object_get(json_array_get(welcome->json, 0), "clientId"));
        const char *body = keepf("[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                                 "\"subscription\":[\"/f\",\"/%s\"]}]",
                                 client, i < 2 ? "g" : "broken");
        const struct answer *reply =
            ask_as(who[i], "POST", "/bayeux", body, "Content-Type: application/json");
        must_have(reply->body, i == 0   ? "\"successful\":true"
                               : i == 1 ? "403:/f,/g:"
                                        : "503:/broken:"); /* it may say later */
    }
}

START_TEST(everybody_asks_the_site_wherever_it_is) {
    begin_on(servers[_i], "3");
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
        /* the worker of PHP that sleeps may have taken another question before */
        until(get_as("bob", "/comet/poll?channel=a") == 200, "bob waits, too");
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

START_TEST(who_reads_too_often_does_not_reach_the_site) {
    enum { RATE = 5 };

    open_lab("3");
    lab_set(&lab, "READ_RATE", keepf("%d/600", RATE));
    lab_web(&lab, "http", 1);
    struct websock *socket = socket_as("alice", "/comet/ws?channel=open"); /* is one, unasked */
    ck_assert_int_eq(websock_reach_status(socket), 101);
    ck_assert(websock_say(socket, "{\"subscribe\":[\"flood-s\"],\"ref\":1}"));
    must_have(websock_reach(socket, "flood-s"), "flood-s@");
    for (int i = 0; i < RATE - 2; i++)
        ck_assert_int_eq(get_as("alice", keepf("/comet/poll?channel=flood-%d", i)), 200);
    for (int i = RATE; i < 4 * RATE; i++)
        ck_assert_int_eq(get_as("alice", keepf("/comet/poll?channel=flood-%d", i)), 429);
    ck_assert(websock_say(socket, "{\"subscribe\":[\"flood-t\"],\"ref\":2}"));
    must_have(websock_reach(socket, "\"ref\":2"), "\"status\":429");
    ck_assert(websock_say(socket, "{\"pattern\":[\"flood/*\"],\"ref\":3}"));
    must_have(websock_reach(socket, "\"ref\":3"), "\"status\":429");
    ck_assert_uint_eq(asked("channel=flood"), RATE - 1);
    websock_close(socket);
    teardown();
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

START_TEST(the_site_is_not_asked_about_who_leaves) {
    struct websock *socket = socket_as("alice", "/comet/ws?channel=open");

    ck_assert(websock_say(socket, "{\"subscribe\":[\"left\"],\"ref\":1}"));
    websock_reach(socket, "left@");
    size_t before = asked("");
    proc_stop(&site, SIGKILL);
    ck_assert(websock_say(socket, "{\"unsubscribe\":[\"left\",\"never\"]}"));
    ck_assert_ptr_null(strstr(websock_reach(socket, "\"messages\":[]"), "left@"));
    ck_assert(websock_say(socket, "{\"unsubscribe\":\"a*\",\"ref\":3}"));
    must_have(websock_reach(socket, "\"ref\":3"), "400");
    ck_assert_uint_eq(asked(""), before);
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

/* What is on its way is answered by the process that asked. */
START_TEST(a_reload_changes_nothing_for_who_waits_for_the_site) {
    const struct request request = {.path = "/comet/poll?channel=slow",
                                    .headers = {"Cookie: session=alice"}};
    struct flight *flight = http_begin(&lab, &request);

    until((http_pump(5), asked("channel=slow") == 1), "the site is not asked");
    proc_signal(&lab.web, SIGHUP);
    ck_assert_int_eq(http_land(flight)->status, 200);
    until(get_as("alice", "/comet/poll?channel=a") == 200, "nobody is let in any more");
}
END_TEST

/* A token that ends so soon; it says nothing about channels. */
static const char *token_for(int seconds) {
    return token_of(secret,
                    keepf("{\"sub\":\"alice\",\"exp\":%lld}", (long long)time(NULL) + seconds));
}

START_TEST(a_token_that_expires_while_the_site_is_asked_opens_nothing) {
    const char *const paths[] = {"poll?channel=late-a", "publish?channel=late-b",
                                 "history?channel=late-c"};

    for (int i = 0; i < 6; i++) {
        const char *token = keepf("Authorization: Bearer %s", token_for(i < 3 ? 600 : 2));
        const struct answer *answer = ask_as("alice", i % 3 == 1 ? "POST" : "GET",
                                             keepf("/comet/%s", paths[i % 3]), "", token);
        ck_assert_msg(answer->status == (i < 3 ? 200 : 401), "%d: %s", i, answer_text(answer));
    }
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

/* An EventSource would give up for good at a 503. */
START_TEST(a_stream_of_events_is_told_to_come_back_when_the_site_is_in_trouble) {
    const struct answer *answer = ask_as("bob", "GET", "/comet/events?channel=broken", "", NULL);

    ck_assert_int_eq(answer->status, 200);
    must_have(answer->body, "retry:");
    ck_assert_int_eq(get_as("bob", "/comet/poll?channel=broken"), 503);
    ck_assert_int_eq(get_as("mallory", "/comet/events?channel=no"), 403);
}
END_TEST

/* What the site says of each holds until it has said of all. */
START_TEST(many_channels_are_asked_about_together) {
    enum { COUNT = 60 };
    const char *names = "\"slow-0\"", *query = "channel=slow-0";
    struct websock *socket = socket_as("bob", "/comet/ws?channel=open");

    for (int i = 1; i < COUNT; i++) {
        names = keepf("%s,\"slow-%d\"", names, i);
        query = keepf("%s&channel=slow-%d", query, i);
    }
    ck_assert(websock_say(socket, keepf("{\"subscribe\":[%s],\"ref\":1}", names)));
    websock_reach(socket, keepf("slow-%d@", COUNT - 1));
    ck_assert_uint_eq(asked("channel=slow"), COUNT);
    websock_close(socket);
    ck_assert_int_eq(get_as("bob", keepf("/comet/poll?%s", query)), 200);
    ck_assert_uint_eq(asked("channel=slow"), 2 * COUNT);
}
END_TEST

START_TEST(a_pattern_on_a_socket_stands_for_what_the_site_lets_read) {
    store_add(&lab, "q/one", "1");
    struct websock *socket = socket_as("bob", "/comet/ws?channel=open");
    ck_assert(websock_say(socket, "{\"pattern\":[\"q/*\"],\"since\":\"start\",\"ref\":1}"));
    websock_reach(socket, "\"data\":1");
    websock_close(socket);
    socket = socket_as("mallory", "/comet/ws?channel=open");
    ck_assert(websock_say(socket, "{\"pattern\":[\"q/*\"],\"since\":\"start\",\"ref\":1}"));
    ck_assert(websock_say(socket, "{\"ping\":1,\"ref\":2}"));
    while (strstr(websock_reach_text(socket), "pong") == NULL)
        ck_assert_ptr_null(strstr(socket->text, "\"data\":1"));
    ck_assert_uint_eq(asked("channel=q%2Fone&verb=subscribe&address=127.0.0.1 [mallory]"), 1);
    websock_close(socket);
}
END_TEST

/* How many were sent, as the process counts them: a worker of PHP's that hangs may have taken more
 * than the one that it has read. */
static int questions(void) {
    static const char name[] = "\nhalley_asked_total ";
    const char *at = strstr(http_get(&lab, "/comet/metrics")->body, name);
    return at != NULL ? atoi(at + strlen(name)) : -1;
}

/* In the midst of a list of messages, when the site will not answer any more. */
START_TEST(a_process_ends_whoever_asks_it_what) {
    static const char two[] =
        "[\"{\\\"publish\\\":{\\\"channel\\\":\\\"hangs-1\\\",\\\"data\\\":1}}\","
        "\"{\\\"subscribe\\\":[\\\"hangs-2\\\"]}\","
        "\"{\\\"publish\\\":{\\\"channel\\\":\\\"hangs-3\\\",\\\"data\\\":1}}\"]";

    must_have(post_as("alice", "/sockjs/talk/0/ends/xhr", ""), "o");
    const struct request request = {.method = "POST",
                                    .path = "/sockjs/talk/0/ends/xhr_send",
                                    .body = two,
                                    .length = strlen(two),
                                    .headers = {"Cookie: session=alice"}};
    struct flight *flight = http_begin(&lab, &request);
    struct websock *socket = socket_as("alice", "/comet/ws?channel=open");
    ck_assert(websock_say(socket, "{\"subscribe\":[\"hangs-4\"],\"ref\":3}"));
    ck_assert(websock_say(socket, "{\"publish\":{\"channel\":\"hangs-5\",\"data\":1}}"));
    until((http_pump(5), questions() >= 2), "the site is not asked");
    http_abandon(flight);
    websock_close(socket);
    ck_assert_int_eq(proc_stop(&lab.web, SIGTERM), 0);
}
END_TEST

/* A process for each request; what it answered. */
static const char *run_cgi(const char *session, const char *endpoint, const char *query) {
    const char *const more[] = {"GATEWAY_INTERFACE=CGI/1.1",
                                "SERVER_PROTOCOL=HTTP/1.1",
                                "SCRIPT_NAME=/comet",
                                "REMOTE_ADDR=127.0.0.1",
                                keepf("HTTP_COOKIE=session=%s", session),
                                keepf("REQUEST_METHOD=%s", *endpoint == 'p' ? "POST" : "GET"),
                                keepf("PATH_INFO=/%s", endpoint),
                                keepf("REQUEST_URI=/comet/%s?%s", endpoint, query),
                                keepf("QUERY_STRING=%s", query),
                                "CONTENT_LENGTH=0",
                                NULL};
    const char *const argv[] = {lab_program("halley.fcgi"), "-f", lab.conf, NULL};
    char *output;
    size_t length;

    ck_assert_int_eq(proc_run(argv, lab_env(&lab, more), -1, &output, &length), 0);
    return output;
}

START_TEST(a_process_of_one_request_asks_too) {
    open_lab("60");
    must_have(run_cgi("bob", "history", "channel=slow"), "Status: 200");
    must_have(run_cgi("bob", "publish", "channel=slow"), "Status: 403");
    must_have(run_cgi("alice", "publish", "channel=slow"), "\"id\"");
    must_have(run_cgi("mallory", "wait", "channel=slow"), "Status: 403");
    must_have(run_cgi("bob", "wait", "channel=broken"), "Status: 503");
    ck_assert_uint_eq(asked("channel="), 5);
    teardown();
}
END_TEST

/* Sends a request, and hangs up when the site is asked about that channel. */
static void leave(const char *method, const char *path, const char *body, const char *channel) {
    const struct request request = {
        .method = method,
        .path = path,
        .body = body,
        .length = strlen(body),
        .headers = {"Cookie: session=alice",
                    body[0] == '[' ? "Content-Type: application/json" : NULL}};
    struct flight *flight = http_begin(&lab, &request);

    until((http_pump(5), asked(keepf("channel=%s&", channel)) > 0), "not asked of %s", channel);
    http_abandon(flight);
}

static void leave_socket(const char *path, const char *const *say, const char *channel) {
    struct websock *socket = socket_as("alice", path);

    for (; *say != NULL; say++)
        ck_assert(websock_say(socket, *say));
    until((websock_turn(socket, 5), asked(keepf("channel=%s&", channel)) > 0), "not asked of %s",
          channel);
    websock_close(socket);
}

START_TEST(who_leaves_while_the_site_is_asked_harms_nobody) {
    static const char *const halley[] = {"{\"subscribe\":[\"slow-h\"]}", NULL};
    static const char *const posts[] = {"{\"publish\":{\"channel\":\"slow-p\",\"data\":1}}", NULL};
    static const char *const socketio[] = {"40", "42[\"subscribe\",\"slow-i\"]", NULL};
    static const char *const sockjs[] = {"[\"{\\\"subscribe\\\":[\\\"slow-j\\\"]}\"]", NULL};
    static const char *const nothing[] = {NULL};

    begin_on(_i == 0 ? "http" : "lighttpd-socket", "60");
    leave("GET", "/comet/wait?channel=slow-w", "", "slow-w");
    leave("GET", "/comet/events?channel=slow-e", "", "slow-e");
    leave("GET", "/comet/history?channel=slow-y", "", "slow-y");
    leave("POST", "/comet/publish?channel=slow-u", "1", "slow-u");
    leave_socket("/comet/ws?channel=slow-s", nothing, "slow-s");
    leave_socket("/comet/ws?channel=open", halley, "slow-h");
    leave_socket("/comet/ws?channel=open", posts, "slow-p");
    leave_socket("/sockjs/talk/0/w/websocket", sockjs, "slow-j");
    leave_socket("/socket.io/?EIO=4&transport=websocket", socketio, "slow-i");
    must_have(post_as("alice", "/sockjs/talk/0/left/xhr", ""), "o");
    leave("POST", "/sockjs/talk/0/left/xhr_send", "[\"{\\\"subscribe\\\":[\\\"slow-x\\\"]}\"]",
          "slow-x");
    const struct answer *welcome = ask_as("alice", "POST", "/bayeux",
                                          "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                          "\"supportedConnectionTypes\":[\"long-polling\"]}]",
                                          "Content-Type: application/json");
    leave("POST", "/bayeux",
          keepf("[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                "\"subscription\":\"/slow-b\"}]",
                json_string_value(json_object_get(json_array_get(welcome->json, 0), "clientId"))),
          "slow-b");
    until(get_as("alice", "/comet/poll?channel=a") == 200, "nobody is let in any more");
    ck_assert_int_eq(proc_stop(_i == 0 ? &lab.web : &lab.app[0], SIGTERM), 0);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ask");
    TCase *everywhere = e2e_case(suite, "everywhere", NULL, NULL);
    TCase *tests = e2e_case(suite, "ask", NULL, NULL);
    TCase *patient = e2e_case(suite, "patient", NULL, NULL);

    tcase_add_loop_test(everywhere, everybody_asks_the_site_wherever_it_is, 0, SERVERS);
    tcase_add_loop_test(everywhere, who_leaves_while_the_site_is_asked_harms_nobody, 0, 2);
    tcase_add_test(everywhere, a_process_of_one_request_asks_too);
    tcase_add_test(everywhere, who_reads_too_often_does_not_reach_the_site);
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
    tcase_add_test(tests, the_site_is_not_asked_about_who_leaves);
    tcase_add_test(tests, a_pattern_stands_for_what_the_site_lets_read);
    tcase_add_test(tests, a_stream_of_events_is_told_to_come_back_when_the_site_is_in_trouble);
    tcase_add_test(tests, a_pattern_on_a_socket_stands_for_what_the_site_lets_read);
    tcase_add_checked_fixture(patient, setup_patient, teardown);
    tcase_add_test(patient, a_reload_changes_nothing_for_who_waits_for_the_site);
    tcase_add_test(patient, a_token_that_expires_while_the_site_is_asked_opens_nothing);
    tcase_add_test(patient, many_channels_are_asked_about_together);
    tcase_add_test(patient, a_process_ends_whoever_asks_it_what);
    return e2e_run(suite);
}

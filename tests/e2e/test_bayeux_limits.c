/* Bayeux where something is at its end: how many sessions there may be and how fast they may be
 * opened, little room for those who wait, and processes that shut down while they hold connects,
 * streams and WebSockets. In the dialect's own words, through the web servers.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { CROWD = 6 };

static const char *const servers[] = {"lighttpd-socket", "nginx", "apache"};
enum { SERVERS = sizeof servers / sizeof *servers };

static struct lab lab;

static void begin_on(const char *server, const char *limits) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "bayeux-limits");
    lab_conf(&lab, keepf("mount = /comet\ntimeout = 50\n%s[service bayeux]\n", limits));
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

/* ------------------------------------------------------------------------ helpers */

static struct flight *begin(const char *body) {
    const struct request request = {
        .method = "POST", .path = "/bayeux", .body = body, .length = strlen(body)};
    return http_begin(&lab, &request);
}

/* The last object of an answer's array. */
static json_t *reply(const struct answer *answer) {
    ck_assert_msg(answer->status == 200 && json_array_size(answer->json) > 0, "%s on %s",
                  answer_text(answer), lab.server);
    return json_array_get(answer->json, json_array_size(answer->json) - 1);
}

static const char *text(json_t *object, const char *name) {
    const char *value = json_string_value(json_object_get(object, name));
    return value != NULL ? value : "";
}

static json_int_t interval(json_t *object) {
    return json_integer_value(json_object_get(json_object_get(object, "advice"), "interval"));
}

static bool succeeds(json_t *object) {
    return json_is_true(json_object_get(object, "successful"));
}

static json_t *handshake(void) {
    return reply(http_land(begin("[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                 "\"supportedConnectionTypes\":[\"long-polling\"]}]")));
}

static const char *client_of(json_t *welcome) {
    ck_assert_msg(succeeds(welcome), "%s on %s", json_dumps(welcome, 0), lab.server);
    return keepf("%s", text(welcome, "clientId"));
}

static const char *connect_of(const char *client, const char *type) {
    return keepf("[{\"channel\":\"/meta/connect\",\"connectionType\":\"%s\",\"clientId\":\"%s\"}]",
                 type, client);
}

static void must_be_refused(json_t *object, const char *code, const char *option) {
    json_t *advice = json_object_get(object, "advice");

    ck_assert_msg(!succeeds(object) && strncmp(text(object, "error"), code, 3) == 0 &&
                      strstr(text(object, "error"), option) != NULL &&
                      strcmp(text(advice, "reconnect"), "handshake") == 0 &&
                      interval(object) >= 1000,
                  "%s on %s", json_dumps(object, 0), lab.server);
}

/* The sum of a figure over the processes, as metrics tell it, from whichever is asked. */
static bool has_figure(const char *line) {
    const struct answer *metrics = http_get(&lab, "/comet/metrics");
    return strstr(metrics->body, line) != NULL;
}

/* One that both processes know to be held, before another comes: those of the same moment
 * would each find the room that is there for one. */
static struct flight *begin_held(const char *body, size_t held) {
    struct flight *flight = begin(body);
    until((http_pump(10), http_landed(flight) || has_figure(keepf("\nhalley_waiters %zu\n", held))),
          "a connect is neither held nor answered");
    return flight;
}

/* -------------------------------------------------------------------------- tests */

START_TEST(a_handshake_that_finds_no_room_is_to_come_back_later) {
    begin_on(servers[_i], "max_sessions = 3\nsession_rate = 5/600\n");
    const char *clients[3];
    for (size_t i = 0; i < 3; i++)
        clients[i] = client_of(handshake());
    must_be_refused(handshake(), "503", "max_sessions");
    must_be_refused(handshake(), "503", "max_sessions");
    must_be_refused(handshake(), "429", "session_rate");
    until(has_figure("\nhalley_sessions 3\n"), "sessions are not counted");
    struct flight *flight = begin(connect_of(clients[0], "long-polling"));
    ck_assert(succeeds(reply(http_land(
        begin(keepf("[{\"channel\":\"/meta/disconnect\",\"clientId\":\"%s\"}]", clients[0]))))));
    ck_assert(!succeeds(reply(http_land(flight))) || interval(reply(http_land(flight))) == 0);
    lab_close(&lab);
}
END_TEST

START_TEST(where_little_room_is_left_a_connect_is_answered_and_comes_back_later) {
    struct flight *flights[CROWD];
    const char *clients[CROWD];
    size_t told = 0;

    begin_on(servers[_i], "max_waiters = 4\nretry = 3000\n");
    for (size_t i = 0; i < CROWD; i++) {
        clients[i] = client_of(handshake());
        ck_assert(succeeds(
            reply(http_land(begin(keepf("[{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                                        "\"subscription\":\"/room\"}]",
                                        clients[i]))))));
    }
    for (size_t i = 0; i < CROWD; i++)
        flights[i] = begin_held(connect_of(clients[i], "long-polling"), i + 1);
    until(({
              http_pump(20);
              told = 0;
              for (size_t i = 0; i < CROWD; i++)
                  told += http_landed(flights[i]);
              told > 0;
          }),
          "nobody is told to come back");
    ck_assert_uint_lt(told, CROWD);
    for (size_t i = 0; i < CROWD; i++) {
        if (!http_landed(flights[i]))
            continue;
        json_t *object = reply(http_land(flights[i]));
        ck_assert_msg(succeeds(object) && interval(object) >= 1000, "%s on %s",
                      json_dumps(object, 0), lab.server);
        flights[i] = NULL;
    }
    store_add(&lab, "room", "\"all the same\"");
    for (size_t i = 0; i < CROWD; i++) { /* some may have been told so only now */
        until(({
                  struct flight *flight = flights[i] != NULL
                                              ? flights[i]
                                              : begin(connect_of(clients[i], "long-polling"));
                  flights[i] = NULL;
                  strstr(http_land(flight)->body, "all the same") != NULL;
              }),
              "a client hears nothing");
    }
    lab_close(&lab);
}
END_TEST

START_TEST(a_process_that_shuts_down_lets_all_go_on_elsewhere) {
    begin_on(servers[_i], "");
    const char *polls = client_of(handshake()), *streams = client_of(handshake()),
               *talks = client_of(handshake());
    struct websock *socket = websock_on(wire_tcp(lab.port), "/bayeux", "");
    struct flight *stream = http_get_begin(&lab, "/bayeux/%s", streams);
    struct flight *flight = begin(connect_of(polls, "long-polling"));

    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_say(socket, connect_of(talks, "websocket"));
    websock_say(socket, "[]");
    ck_assert_str_eq(websock_reach_text(socket), "[]");
    until((http_pump(10), strstr(http_so_far(stream), "retry: ") != NULL), "no stream");
    until(({
              const redisReply *held = store_do(&lab, "KEYS halley.session:*");
              held->elements >= 3;
          }),
          "no sessions");
    pause_ms(200); /* likelier: the connects are held; what is answered to those that come later
                    * is the same */
    lab_signal_apps(&lab, SIGTERM);
    if (proc_runs(&lab.door)) /* Apache's WebSockets have a process of their own */
        proc_signal(&lab.door, SIGTERM);
    json_t *object = reply(http_land(flight));
    ck_assert_msg(succeeds(object) &&
                      strcmp(text(json_object_get(object, "advice"), "reconnect"), "retry") == 0,
                  "%s on %s", json_dumps(object, 0), lab.server);
    ck_assert_int_eq(http_land(stream)->status, 200);
    ck_assert_int_eq(websock_reach_close(socket), 1001);
    websock_close(socket);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("bayeux-limits");
    TCase *tests = e2e_case(suite, "limits", NULL, NULL);

    tcase_add_loop_test(tests, a_handshake_that_finds_no_room_is_to_come_back_later, 0, SERVERS);
    tcase_add_loop_test(tests, where_little_room_is_left_a_connect_is_answered_and_comes_back_later,
                        0, SERVERS);
    tcase_add_loop_test(tests, a_process_that_shuts_down_lets_all_go_on_elsewhere, 0, SERVERS);
    return e2e_run(suite);
}

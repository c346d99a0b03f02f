/* Engine.IO, whole, through the web servers: what each request is answered, what a payload looks
 * like, when pings come and what becomes of who does not answer them, how a session ends, and how
 * a WebSocket takes one over. A session is nobody's process: two of them take requests in turn.
 *
 * The service with the protocol echo is a row that only build/test/halley.fcgi has.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Services with other times are told apart by their paths. */
static const char conf[] =
    "mount = /comet\n"
    "origins = http://test null\n"
    "[channel room*]\npublish = anyone\n"
    "[channel secret]\nsubscribe = none\n"
    "[service engine.io]\nprotocol = echo\nping_interval = 60000\nping_timeout = 60000\n"
    "[service engine.io/quick]\nprotocol = echo\nping_interval = 300\nping_timeout = 200\n"
    "[service engine.io/beats]\nprotocol = echo\nping_interval = 300\nping_timeout = 60000\n"
    "[service engine.io/small]\nprotocol = echo\nmax_payload = 100\nwebsocket = off\n"
    "[service engine.io/close]\nprotocol = close\n"
    "[service engine.io/chat]\n"
    "[service engine.io/room]\nprotocol = channel room\n"
    "[service engine.io/secret]\nprotocol = channel secret\n"
    "[service other/path]\ndialect = engine.io\nprotocol = echo\n";

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "engineio");
    lab_conf(&lab, conf);
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 2);
}

static void teardown(void) {
    lab_close(&lab);
}

/* ------------------------------------------------------------------------ helpers */

/* The address of a service's session; without one for "". */
static const char *address(const char *service, const char *sid) {
    return keepf("/comet/engine.io%s/?EIO=4&transport=polling%s%s", service,
                 sid[0] != '\0' ? "&sid=" : "", sid);
}

static void must_say(const struct answer *answer, const char *body) {
    ck_assert_msg(answer->status == 200 && strcmp(answer->body, body) == 0, "%s instead of %s",
                  answer_text(answer), body);
}

static void must_refuse(const struct answer *answer, int code, const char *message) {
    const char *body = keepf("{\"code\":%d,\"message\":\"%s\"}", code, message);
    ck_assert_msg(answer->status == 400 && strcmp(answer->body, body) == 0, "%s instead of %s",
                  answer_text(answer), body);
}

static void must_not_know(const struct answer *answer) {
    must_refuse(answer, 1, "Session ID unknown");
}

static void must_have(const struct answer *answer, const char *name, const char *value) {
    const char *got = answer_header(answer, name);
    ck_assert_msg(got != NULL && strcmp(got, value) == 0, "%s: %s instead of %s in %s", name,
                  got ? got : "none", value, answer->head);
}

/* The packet with which a session of the service begins, and its sid. */
static const struct answer *open_session(const char *service, const char **sid) {
    const struct answer *answer = http_get(&lab, "%s", address(service, ""));
    static char parsed[64];

    ck_assert_msg(answer->status == 200 &&
                      sscanf(answer->body, "0{\"sid\":\"%63[^\"]\",", parsed) == 1,
                  "%s", answer_text(answer));
    *sid = keepf("%s", parsed);
    return answer;
}

static const char *fresh(const char *service) {
    const char *sid;
    open_session(service, &sid);
    return sid;
}

static const struct answer *get(const char *service, const char *sid) {
    return http_get(&lab, "%s", address(service, sid));
}

static struct flight *get_begin(const char *service, const char *sid) {
    return http_get_begin(&lab, "%s", address(service, sid));
}

static const struct answer *post(const char *service, const char *sid, const char *body) {
    return http_post(&lab, body, strlen(body), "%s", address(service, sid));
}

static void must_post(const char *service, const char *sid, const char *body) {
    must_say(post(service, sid, body), "ok");
}

/* Waits until a poll holds its session, or is over. */
static void reach_hold(struct flight *poll) {
    until((http_pump(10), http_landed(poll) || store_session_held(&lab)), "nobody holds it");
}

/* ------------------------------------------------------------------------ opening */

START_TEST(a_session_begins_with_what_its_client_needs) {
    static const char *const members[] = {"sid", "upgrades", "pingInterval", "pingTimeout",
                                          "maxPayload"};
    const char *sid, *other;
    const struct answer *answer = open_session("/quick", &sid);
    json_t *opening = json_loads(answer->body + 1, 0, NULL);

    must_have(answer, "Content-Type", "text/plain; charset=UTF-8");
    ck_assert_uint_eq(json_object_size(opening), 5);
    for (size_t i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(json_object_get(opening, members[i]));
    ck_assert_int_eq(json_integer_value(json_object_get(opening, "pingInterval")), 300);
    ck_assert_int_eq(json_integer_value(json_object_get(opening, "pingTimeout")), 200);
    ck_assert_int_eq(json_integer_value(json_object_get(opening, "maxPayload")), 1000000);
    json_decref(opening);
    ck_assert_uint_eq(strlen(sid), 20);
    ck_assert_uint_eq(
        strspn(sid, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"), 20);
    open_session("/quick", &other);
    ck_assert_str_ne(sid, other);
}
END_TEST

START_TEST(upgrades_are_offered_where_a_websocket_is_served) {
    const struct answer *answer;
    const char *sid;

    until((answer = open_session("", &sid), strstr(answer->body, "\"upgrades\":[\"websocket\"],")),
          "%s", answer->body);
    answer = open_session("/small", &sid);
    ck_assert_msg(strstr(answer->body, "\"upgrades\":[],") != NULL, "%s", answer->body);
}
END_TEST

START_TEST(what_is_wrong_with_a_request_is_told_by_its_code) {
    static const struct {
        const char *method, *query;
        int code;
        const char *message;
    } rows[] = {{"GET", "EIO=4", 0, "Transport unknown"},
                {"GET", "EIO=4&transport=abc", 0, "Transport unknown"},
                {"GET", "transport=abc&sid=x", 0, "Transport unknown"},
                {"GET", "transport=polling", 5, "Unsupported protocol version"},
                {"GET", "EIO=3&transport=polling", 5, "Unsupported protocol version"},
                {"GET", "EIO=abc&transport=polling", 5, "Unsupported protocol version"},
                {"GET", "EIO=4&transport=polling&sid=unknown", 1, "Session ID unknown"},
                {"GET", "EIO=4&transport=polling&sid=", 1, "Session ID unknown"},
                {"POST", "EIO=4&transport=polling&sid=unknown", 1, "Session ID unknown"},
                {"POST", "EIO=4&transport=polling", 2, "Bad handshake method"},
                {"PUT", "EIO=4&transport=polling", 2, "Bad handshake method"},
                {"PUT", "EIO=4&transport=polling&sid=unknown", 3, "Bad request"},
                {"GET", "EIO=4&transport=websocket", 3, "Bad request"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool posts = rows[i].method[0] == 'P';
        const struct request request = {.method = rows[i].method,
                                        .path = keepf("/comet/engine.io/?%s", rows[i].query),
                                        .body = posts ? "4a" : NULL,
                                        .length = posts ? 2 : 0};
        const struct answer *answer = http_send(&lab, &request);
        must_refuse(answer, rows[i].code, rows[i].message);
        must_have(answer, "Content-Type", "application/json");
    }
    ck_assert_int_eq(http_get(&lab, "/comet/engine.io/more?EIO=4&transport=polling")->status, 404);
}
END_TEST

START_TEST(a_service_may_stand_at_another_path_and_without_a_slash) {
    ck_assert_int_eq(http_get(&lab, "/comet/other/path?EIO=4&transport=polling")->status, 200);
    ck_assert_int_eq(http_get(&lab, "/comet/engine.io?transport=polling&EIO=4&t=abc")->status, 200);
}
END_TEST

/* ------------------------------------------------------------------------ messages */

START_TEST(messages_go_both_ways) {
    const char *sid = fresh("");
    const struct answer *answer = post("", sid, "4hello");

    must_say(answer, "ok");
    must_have(answer, "Content-Type", "text/html");
    answer = get("", sid);
    must_say(answer, "4hello");
    must_have(answer, "Content-Type", "text/plain; charset=UTF-8");
    must_have(answer, "Cache-Control", "no-store");
    must_post("", sid,
              "4test1\x1e"
              "4test2\x1e"
              "4\xc3\xa4 \xf0\x9f\x98\x80");
    must_say(get("", sid), "4test1\x1e"
                           "4test2\x1e"
                           "4\xc3\xa4 \xf0\x9f\x98\x80");
}
END_TEST

START_TEST(a_poll_that_waits_is_answered_by_what_is_sent_elsewhere) {
    const char *sid = fresh("");

    for (int i = 0; i < 8; i++) {
        struct flight *poll = get_begin("", sid);
        if (i % 2 == 0)
            http_pump(30);
        must_post("", sid, keepf("4%d", i));
        must_say(http_land(poll), keepf("4%d", i));
    }
}
END_TEST

START_TEST(bytes_go_both_ways_as_base64) {
    const char *sid = fresh("");

    must_post("", sid,
              "4hello\x1e"
              "bAQIDBA==");
    must_say(get("", sid), "4hello\x1e"
                           "bAQIDBA==");
    must_post("", sid, "bAP8=");
    must_say(get("", sid), "bAP8=");
}
END_TEST

START_TEST(a_thousand_messages_may_come_in_one_payload) {
    const char *sid = fresh("");
    char body[1000 * 6], *at = body;

    for (int i = 0; i < 1000; i++)
        at += sprintf(at, "%s4%d", i > 0 ? "\x1e" : "", i);
    must_post("", sid, body);
    const struct answer *answer = get("", sid);
    const char *rest = answer->body;
    const char *whole = "";
    for (;;) {
        whole = keepf("%s%s%s", whole, whole[0] != '\0' ? "\x1e" : "", rest);
        if (strlen(whole) >= strlen(body))
            break;
        rest = get("", sid)->body;
    }
    ck_assert_str_eq(whole, body);
}
END_TEST

START_TEST(a_payload_has_a_largest_size) {
    const char *sid = fresh("/small");
    char body[128];

    memset(body, 'a', sizeof body);
    body[0] = '4';
    body[101] = '\0';
    const struct answer *answer = post("/small", sid, body);
    ck_assert_msg(answer->status == 413, "%s", answer_text(answer));
    body[100] = '\0';
    must_post("/small", sid, body);
    must_say(get("/small", sid), body);
}
END_TEST

START_TEST(wrong_packets_end_the_session) {
    static const char *const bodies[] = {
        "abc", "", "7", "4a\x1e", "b=", "bAP", "2", "2probe", "4\xff"};
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        const char *sid = fresh("");
        must_refuse(post("", sid, bodies[i]), 3, "Bad request");
        must_not_know(get("", sid));
        must_not_know(post("", sid, "4a"));
    }
    const char *sid = fresh("");
    struct flight *poll = get_begin("", sid);
    reach_hold(poll);
    must_refuse(post("", sid, "abc"), 3, "Bad request");
    must_say(http_land(poll), "1");
    must_not_know(post("", "unknown", "abc"));
}
END_TEST

/* --------------------------------------------------------------------- heartbeats */

START_TEST(the_server_pings_and_the_client_answers) {
    const char *sid = fresh("/beats");

    for (int i = 0; i < 3; i++) {
        must_say(get("/beats", sid), "2");
        must_post("/beats", sid, "3");
    }
    must_say(get("/beats", sid), "2");
    must_post("/beats", sid,
              "4a\x1e"
              "3");
    must_say(get("/beats", sid), "4a");
    must_say(get("/beats", sid), "2");
}
END_TEST

START_TEST(a_ping_that_fell_due_while_nobody_polled_is_the_next_answer) {
    const char *sid = fresh("/beats");

    pause_ms(600);
    must_post("/beats", sid, "4a");
    must_say(get("/beats", sid), "2\x1e"
                                 "4a");
    must_post("/beats", sid, "3");
}
END_TEST

START_TEST(a_poll_is_held_through_a_pong_until_the_next_ping) {
    const char *sid = fresh("/beats");

    must_say(get("/beats", sid), "2");
    struct flight *poll = get_begin("/beats", sid);
    reach_hold(poll);
    ck_assert(!http_landed(poll)); /* no second ping while the first one is not answered */
    must_post("/beats", sid, "3");
    must_say(http_land(poll), "2");
}
END_TEST

START_TEST(who_asks_for_nothing_is_forgotten_to_the_millisecond) {
    for (int i = 0; i < 3; i++) {
        const char *sid = fresh("/quick");
        pause_ms(500);
        must_not_know(get("/quick", sid));
    }
}
END_TEST

START_TEST(who_does_not_answer_a_ping_is_forgotten) {
    const char *sid = fresh("/quick");
    const struct answer *ping = get("/quick", sid);

    if (ping->status == 400)
        return; /* a machine so slow that it was forgotten before it asked */
    must_say(ping, "2");
    int64_t since = now_ms();
    must_not_know(get("/quick", sid)); /* held until then */
    ck_assert_int_lt(now_ms() - since, 30000);
    must_not_know(post("/quick", sid, "3"));
}
END_TEST

START_TEST(a_sleeping_session_costs_a_key_that_goes_by_itself) {
    const char *sid = fresh("");
    const redisReply *keys = store_do(&lab, "KEYS halley.session:*");

    ck_assert_uint_ge(keys->elements, 1);
    for (size_t i = 0; i < keys->elements; i++)
        ck_assert_int_gt(store_do(&lab, "PTTL %s", keys->element[i]->str)->integer, 0);
    must_post("", sid, "1");
}
END_TEST

/* -------------------------------------------------------------------------- closes */

START_TEST(a_close_ends_the_poll_that_is_held_or_the_next_one) {
    for (int i = 0; i < 6; i++) {
        const char *sid = fresh("");
        struct flight *poll = get_begin("", sid);
        if (i % 3 > 0)
            http_pump(i % 3 == 1 ? 1 : 60);
        must_post("", sid, "1");
        must_say(http_land(poll), "6");
        must_not_know(get("", sid));
        must_not_know(post("", sid, "4a"));
    }
    const char *sid = fresh("");
    must_post("", sid,
              "4a\x1e"
              "1\x1e"
              "4unheard");
    must_say(get("", sid), "4a");
    must_say(get("", sid), "6");
    must_not_know(get("", sid));
}
END_TEST

START_TEST(two_polls_at_a_time_close_the_session) {
    const char *sid = fresh("");
    struct flight *first = get_begin("", sid);

    reach_hold(first);
    must_not_know(get("", sid));
    must_say(http_land(first), "1");
    must_not_know(get("", sid));
    must_not_know(post("", sid, "4a"));
}
END_TEST

START_TEST(a_session_that_its_protocol_ends_says_so_once) {
    const char *sid = fresh("/close");

    must_say(get("/close", sid), "1");
    must_not_know(get("/close", sid));
    sid = fresh("/secret");
    must_say(get("/secret", sid), "1");
}
END_TEST

START_TEST(a_poll_that_is_given_up_ends_its_session) {
    const char *sid = fresh("");
    struct flight *poll = get_begin("", sid);

    reach_hold(poll);
    http_abandon(poll);
    if (strcmp(lab.server, "nginx") != 0)
        return; /* others notice that a browser has left only when they send */
    until(post("", sid, "4a")->status == 400, "the session goes on");
}
END_TEST

/* ------------------------------------------------------------------------ protocols */

START_TEST(a_channel_is_plain_texts_both_ways) {
    const char *sid = fresh("/room");

    store_add(&lab, "room", "between open and poll");
    must_say(get("/room", sid), "4between open and poll");
    struct flight *poll = get_begin("/room", sid);
    reach_hold(poll);
    store_add(&lab, "room", "{\"x\":1}");
    must_say(http_land(poll), "4{\"x\":1}");
    must_post("/room", sid, "4said");
    must_say(get("/room", sid), "4said");
    store_add(&lab, "room", "one");
    store_add(&lab, "room", "two");
    const char *body = get("/room", sid)->body;
    if (strcmp(body, "4one") == 0) /* it overtook the second */
        must_say(get("/room", sid), "4two");
    else
        ck_assert_str_eq(body, "4one\x1e"
                               "4two");
    must_post("/room", sid, "bAP8="); /* a channel has no bytes to be said */
    must_say(get("/room", sid), "1");
}
END_TEST

START_TEST(halleys_words_are_spoken_over_polls) {
    const char *sid = fresh("/chat"), *channel = keep_fresh("room");

    store_add(&lab, channel, "\"old\"");
    must_post("/chat", sid, keepf("4{\"subscribe\":[\"%s\"],\"since\":\"start\"}", channel));
    const char *body = get("/chat", sid)->body;
    ck_assert_msg(strstr(body, "4{\"messages\":[],\"cursor\":") == body, "%s", body);
    body = get("/chat", sid)->body;
    ck_assert_msg(strstr(body, "\"data\":\"old\"") != NULL, "%s", body);
    must_post("/chat", sid,
              keepf("4{\"publish\":{\"channel\":\"%s\",\"data\":[7]},\"ref\":1}", channel));
    char *heard = keepf("%s%s", get("/chat", sid)->body, get("/chat", sid)->body);
    ck_assert_msg(strstr(heard, "{\"published\":{\"id\":") != NULL && strstr(heard, "\"data\":[7]"),
                  "%s", heard);
}
END_TEST

/* ------------------------------------------------------------------------ WebSockets */

static struct websock *socket_open(const char *service, const char *sid) {
    int fd = wire_tcp(lab.port);
    ck_assert(fd >= 0);
    return websock_on(fd,
                      keepf("/comet/engine.io%s/?EIO=4&transport=websocket%s%s", service,
                            sid[0] != '\0' ? "&sid=" : "", sid),
                      "");
}

static void must_hear(struct websock *socket, const char *text) {
    const char *got = websock_reach_text(socket);
    ck_assert_msg(strcmp(got, text) == 0, "%s instead of %s", got, text);
    ck_assert(!socket->binary);
}

/* A socket of its own, behind its opening packet. */
static struct websock *socket_begin(const char *service) {
    struct websock *socket = socket_open(service, "");
    const char *text = websock_reach_text(socket);
    ck_assert_msg(strncmp(text, "0{\"sid\":\"", 9) == 0, "%s", text);
    return socket;
}

static void must_be_closed(struct websock *socket) {
    websock_reach_close(socket);
    websock_close(socket);
}

START_TEST(a_websocket_begins_with_the_same_packet) {
    struct websock *socket = socket_open("/quick", "");
    const char *text = websock_reach_text(socket);
    json_t *opening = json_loads(text + 1, 0, NULL);

    ck_assert_int_eq(text[0], '0');
    ck_assert_uint_eq(json_object_size(opening), 5);
    ck_assert_uint_eq(strlen(json_string_value(json_object_get(opening, "sid"))), 20);
    ck_assert_uint_eq(json_array_size(json_object_get(opening, "upgrades")), 0);
    ck_assert_int_eq(json_integer_value(json_object_get(opening, "pingInterval")), 300);
    ck_assert_int_eq(json_integer_value(json_object_get(opening, "pingTimeout")), 200);
    ck_assert_int_eq(json_integer_value(json_object_get(opening, "maxPayload")), 1000000);
    json_decref(opening);
    websock_close(socket);
}
END_TEST

START_TEST(a_websocket_carries_texts_and_bytes) {
    struct websock *socket = socket_begin("");

    websock_say(socket, "4hello");
    must_hear(socket, "4hello");
    websock_frame(socket, FRAME_FIN | FRAME_BINARY, true, "\x01\0\xff\x04", 4);
    websock_reach_text(socket);
    ck_assert(socket->binary);
    ck_assert_uint_eq(socket->length, 4);
    ck_assert_mem_eq(socket->text, "\x01\0\xff\x04", 4);
    websock_say(socket, "4a");
    websock_say(socket, "4b");
    must_hear(socket, "4a");
    must_hear(socket, "4b");
    websock_say(socket, "1");
    must_be_closed(socket);
}
END_TEST

START_TEST(wrong_packets_close_a_websocket) {
    static const char *const packets[] = {"abc", "", "7", "2", "2probe"};
    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        struct websock *socket = socket_begin("");
        websock_say(socket, packets[i]);
        must_be_closed(socket);
    }
    struct websock *socket = socket_begin("/room"); /* which has no bytes */
    websock_frame(socket, FRAME_FIN | FRAME_BINARY, true, "a", 1);
    must_be_closed(socket);
}
END_TEST

START_TEST(a_websocket_is_pinged_and_closed_when_it_does_not_answer) {
    struct websock *socket = socket_begin("/beats");
    for (int i = 0; i < 3; i++) {
        must_hear(socket, "2");
        websock_say(socket, "3");
    }
    websock_close(socket);
    socket = socket_begin("/quick");
    must_hear(socket, "2");
    must_be_closed(socket);
}
END_TEST

START_TEST(a_handshake_is_refused_by_its_code) {
    static const struct {
        const char *path;
        int status;
    } rows[] = {{"/comet/engine.io/?transport=websocket", 400},
                {"/comet/engine.io/?EIO=abc&transport=websocket", 400},
                {"/comet/engine.io/?EIO=4", 400},
                {"/comet/engine.io/?EIO=4&transport=abc", 400},
                {"/comet/engine.io/?EIO=4&transport=polling", 400},
                {"/comet/engine.io/small/?EIO=4&transport=websocket", 400}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct websock *socket = websock_on(wire_tcp(lab.port), rows[i].path, "");
        int status = websock_reach_status(socket);
        ck_assert_msg(status == rows[i].status, "%s: %d", rows[i].path, status);
        websock_close(socket);
    }
    struct websock *socket =
        websock_on(wire_tcp(lab.port), "/comet/engine.io/?EIO=4&transport=websocket",
                   "Origin: http://other\r\n");
    ck_assert_int_eq(websock_reach_status(socket), 403);
    websock_close(socket);
}
END_TEST

START_TEST(a_channel_comes_over_a_websocket_one_packet_a_message) {
    struct websock *socket = socket_begin("/room");

    websock_say(socket, "4to all");
    must_hear(socket, "4to all");
    for (int i = 0; i < 20; i++)
        store_add(&lab, "room", keepf("%d", i));
    for (int i = 0; i < 20; i++)
        must_hear(socket, keepf("4%d", i));
    websock_close(socket);
    socket = socket_begin("/close");
    must_be_closed(socket);
    socket = socket_begin("/secret");
    must_be_closed(socket);
}
END_TEST

/* -------------------------------------------------------------------------- upgrades */

/* Takes a session over as clients do. */
static struct websock *upgrade(const char *service, const char *sid) {
    struct websock *socket = socket_open(service, sid);

    websock_say(socket, "2probe");
    must_hear(socket, "3probe");
    websock_say(socket, "5");
    return socket;
}

static bool in_redis(void) {
    return store_do(&lab, "KEYS halley.session:{*}")->elements > 0;
}

START_TEST(a_websocket_takes_a_session_over) {
    store_do(&lab, "FLUSHDB");
    const char *sid = fresh("");
    struct websock *socket = upgrade("", sid);

    websock_say(socket, "4hello");
    must_hear(socket, "4hello");
    must_not_know(get("", sid));
    must_not_know(post("", sid, "4a"));
    ck_assert(!in_redis());
    websock_say(socket, "4still");
    must_hear(socket, "4still");
    websock_close(socket);
}
END_TEST

START_TEST(who_says_all_at_once_is_understood) {
    for (int i = 0; i < 4; i++) {
        const char *sid = fresh("");
        struct websock *socket = socket_open("", sid);
        websock_say(socket, "2probe");
        websock_say(socket, "5");
        websock_say(socket, "4early");
        must_not_know(get("", sid));
        must_hear(socket, "3probe");
        must_hear(socket, "4early");
        websock_close(socket);
    }
}
END_TEST

START_TEST(the_poll_that_is_held_at_a_probe_is_ended) {
    const char *sid = fresh("");
    struct flight *poll = get_begin("", sid);

    reach_hold(poll);
    struct websock *socket = socket_open("", sid);
    websock_say(socket, "2probe");
    must_hear(socket, "3probe");
    must_say(http_land(poll), "6");
    must_say(get("", sid), "6"); /* one that was on its way */
    must_post("", sid, "4by poll");
    must_say(get("", sid), "4by poll");
    must_post("", sid, "4not fetched");
    websock_say(socket, "5");
    must_hear(socket, "4not fetched");
    websock_say(socket, "4a");
    must_hear(socket, "4a");
    websock_close(socket);
}
END_TEST

START_TEST(a_poll_that_is_held_when_the_session_is_taken_is_refused) {
    const char *sid = fresh("");
    struct websock *socket = socket_open("", sid);

    websock_say(socket, "2probe");
    must_hear(socket, "3probe");
    struct flight *poll = get_begin("", sid);
    websock_say(socket, "5");
    websock_say(socket, "4a");
    must_hear(socket, "4a");
    const struct answer *answer = http_land(poll);
    ck_assert_msg(answer->status == 400 || strcmp(answer->body, "6") == 0, "%s",
                  answer_text(answer));
    must_not_know(get("", sid));
    websock_close(socket);
}
END_TEST

START_TEST(of_two_websockets_one_has_the_session) {
    const char *sid = fresh("");
    struct websock *first = socket_open("", sid), *second = socket_open("", sid);

    ck_assert_int_eq(websock_reach_status(second), 101);
    websock_say(first, "2probe");
    websock_say(first, "5");
    must_be_closed(second);
    struct websock *third = socket_open("", sid);
    ck_assert_int_eq(websock_reach_status(third), 101);
    must_be_closed(third);
    must_hear(first, "3probe");
    websock_say(first, "4mine");
    must_hear(first, "4mine");
    websock_close(first);
}
END_TEST

START_TEST(a_websocket_that_says_something_else_first_is_closed) {
    static const char *const packets[] = {"5", "4a", "2", "3", "abc"};
    const char *sid = fresh("");

    for (size_t i = 0; i < sizeof packets / sizeof *packets; i++) {
        struct websock *socket = socket_open("", sid);
        websock_say(socket, packets[i]);
        must_be_closed(socket);
    }
    must_post("", sid, "4a"); /* the session polls on */
    must_say(get("", sid), "4a");
    must_post("", sid, "1");
}
END_TEST

START_TEST(nothing_is_lost_or_doubled_on_the_way_from_polls_to_a_websocket) {
    for (int round = 0; round < 4; round++) {
        const char *channel = keep_fresh("room"), *sid = fresh("/chat");
        int next = 0;
        must_post("/chat", sid, keepf("4{\"subscribe\":[\"%s\"]}", channel));
        ck_assert_ptr_nonnull(strstr(get("/chat", sid)->body, channel));
        store_add(&lab, channel, "\"m0\"");
        const char *body = get("/chat", sid)->body;
        ck_assert_msg(strstr(body, "\"m0\"") != NULL, "%s", body);
        next++;
        store_add(&lab, channel, "\"m1\"");
        struct websock *socket = socket_open("/chat", sid);
        websock_say(socket, "2probe");
        must_hear(socket, "3probe");
        if (round % 2 == 1)
            store_add(&lab, channel, "\"m2\"");
        websock_say(socket, "5");
        if (round % 2 == 0)
            store_add(&lab, channel, "\"m2\"");
        store_add(&lab, channel, "\"m3\"");
        while (next < 4) {
            const char *text = websock_reach_text(socket);
            for (const char *at = text; (at = strstr(at, "\"data\":\"m")) != NULL; at++)
                ck_assert_msg(atoi(at + 9) == next++, "%s, not m%d", text, next - 1);
        }
        websock_close(socket);
    }
}
END_TEST

START_TEST(a_session_that_was_taken_over_is_pinged) {
    const char *sid = fresh("/beats");
    struct websock *socket = upgrade("/beats", sid);

    for (int i = 0; i < 2; i++) {
        must_hear(socket, "2");
        websock_say(socket, "3");
    }
    websock_close(socket);
}
END_TEST

/* --------------------------------------------------------------------------- sites */

START_TEST(pages_of_other_sites_use_a_session_where_origins_names_them) {
    static const struct {
        const char *origin;
        int status;
    } rows[] = {{"Origin: http://test", 200}, {"Origin: null", 200}, {"Origin: http://other", 403}};
    for (size_t i = 0; i < 3; i++) {
        const struct request request = {.path = address("", ""),
                                        .headers = {rows[i].origin, "Sec-Fetch-Site: cross-site"}};
        const struct answer *answer = http_send(&lab, &request);
        ck_assert_msg(answer->status == rows[i].status, "%s: %s", rows[i].origin,
                      answer_text(answer));
        if (rows[i].status != 200)
            continue;
        must_have(answer, "Access-Control-Allow-Origin", rows[i].origin + strlen("Origin: "));
        must_have(answer, "Access-Control-Allow-Credentials", "true");
        const char *vary = answer_header(answer, "Vary");
        ck_assert_msg(vary != NULL && strstr(vary, "Origin") != NULL, "%s", answer->head);
    }
    const struct request refused = {.path = address("", "unknown"),
                                    .headers = {"Origin: http://test"}};
    must_have(http_send(&lab, &refused), "Access-Control-Allow-Origin", "http://test");
}
END_TEST

START_TEST(preflights_are_answered) {
    const struct request request = {.method = "OPTIONS",
                                    .path = address("", ""),
                                    .headers = {"Origin: http://test",
                                                "Access-Control-Request-Method: POST",
                                                "Access-Control-Request-Headers: x-own"}};
    const struct answer *answer = http_send(&lab, &request);

    ck_assert_msg(answer->status == 204, "%s", answer_text(answer));
    must_have(answer, "Access-Control-Allow-Methods", "GET, POST, OPTIONS");
    must_have(answer, "Access-Control-Allow-Origin", "http://test");
    must_have(answer, "Access-Control-Allow-Credentials", "true");
    const char *fields = answer_header(answer, "Access-Control-Allow-Headers");
    ck_assert_msg(fields != NULL && strstr(fields, "x-own") != NULL, "%s", answer->head);
}
END_TEST

/* ----------------------------------------------------------------- limits, and the end */

/* Without a web server, in a lab of the test's own. */
static void alone(const char *options) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "alone");
    lab_conf(&lab, keepf("%s%s", options,
                         "[service engine.io]\nprotocol = echo\nping_interval = 60000\n"));
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, "nginx", 2);
}

static void must_refuse_for(const char *option, int status) {
    const struct answer *answer = http_get(&lab, "%s", address("", ""));
    ck_assert_msg(answer->status == status && strstr(answer->body, option) != NULL, "%s",
                  answer_text(answer));
    ck_assert_ptr_nonnull(answer_header(answer, "Retry-After"));
}

START_TEST(more_sessions_than_there_may_be_are_refused) {
    alone("max_sessions = 2\n");
    const char *one = fresh(""), *two = fresh("");
    must_refuse_for("max_sessions", 503);
    must_post("", one, "4a");
    must_say(get("", one), "4a");
    must_post("", two, "1");
    must_say(get("", two), "6");
    fresh("");
    lab_close(&lab);
}
END_TEST

START_TEST(an_address_opens_no_more_sessions_than_its_rate) {
    alone("session_rate = 2/60\n");
    fresh("");
    const char *sid = fresh("");
    must_refuse_for("session_rate", 429);
    must_post("", sid, "4a");
    must_say(get("", sid), "4a");
    lab_close(&lab);
}
END_TEST

START_TEST(close_to_capacity_new_sessions_are_refused_and_polls_are_held) {
    enum { HELD = 20 };
    struct flight *polls[HELD];
    const char *sids[HELD];

    alone("max_waiters = 10\n");
    for (int i = 0; i < HELD; i++) /* which process holds a poll the web server decides */
        sids[i] = fresh("");
    for (int i = 0; i < HELD; i++) {
        polls[i] = get_begin("", sids[i]);
        http_pump(10);
    }
    for (int i = 0; i < 20; i++)
        http_pump(20);
    for (int i = 0; i < 4; i++)
        must_refuse_for("max_waiters", 503);
    for (int i = 0; i < HELD; i++) {
        ck_assert_msg(!http_landed(polls[i]), "poll %d was answered early", i);
        must_post("", sids[i], "4a");
        must_say(http_land(polls[i]), "4a");
    }
    fresh("");
    lab_close(&lab);
}
END_TEST

/* Ends one process after the other until the poll has its answer, and starts them again. */
static const struct answer *end_holder(struct flight *poll, int signal) {
    bool over = false;

    for (size_t i = 0; i < 2 && !over; i++) {
        int code = proc_stop(&lab.app[i], signal);
        ck_assert_int_eq(code, signal == SIGTERM ? 0 : 128 + signal);
        for (int turn = 0; turn < 25 && !http_landed(poll); turn++)
            http_pump(20);
        over = http_landed(poll);
        lab_app(&lab, i);
    }
    return http_land(poll);
}

START_TEST(a_process_that_shuts_down_lets_its_polls_go_and_others_go_on) {
    alone("");
    const char *sid = fresh("");
    struct flight *poll = get_begin("", sid);

    reach_hold(poll);
    must_say(end_holder(poll, SIGTERM), "6");
    must_post("", sid, "4still there");
    must_say(get("", sid), "4still there");
    lab_close(&lab);
}
END_TEST

START_TEST(a_process_that_shuts_down_closes_its_websockets_as_going_away) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "sockets");
    lab_conf(&lab, "[service engine.io]\nprotocol = echo\n");
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, "nginx", 1);
    struct websock *socket = socket_begin(""), *other = upgrade("", fresh(""));
    struct websock *probing = socket_open("", fresh(""));

    websock_say(other, "4a");
    must_hear(other, "4a");
    ck_assert_int_eq(websock_reach_status(probing), 101);
    proc_signal(&lab.app[0], SIGTERM);
    ck_assert_int_eq(websock_reach_close(socket), 1001);
    ck_assert_int_eq(websock_reach_close(other), 1001);
    ck_assert_int_eq(websock_reach_close(probing), 1001);
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0);
    websock_close(socket);
    websock_close(other);
    websock_close(probing);
    lab_close(&lab);
}
END_TEST

START_TEST(the_session_of_a_killed_process_goes_on) {
    alone("");
    const char *sid = fresh("");
    struct flight *poll = get_begin("", sid);

    reach_hold(poll);
    const struct answer *answer = end_holder(poll, SIGKILL);
    ck_assert_msg(answer->status >= 500 || answer->status == 0, "%s", answer_text(answer));
    must_post("", sid, "4still there");
    must_say(get("", sid), "4still there");
    lab_close(&lab);
}
END_TEST

/* ------------------------------------------------------------------- the configuration */

START_TEST(what_cannot_be_served_is_refused_at_start) {
    static const char *const files[] = {
        "[service engine.io]\nprotocol = echo\n",   "[service engine.io]\nprotocol = channel\n",
        "[service engine.io]\nping_interval = 5\n", "[service engine.io]\nping_timeout = x\n",
        "[service engine.io]\nmax_payload = 1\n",   "[service a]\ndialect = engineio\n"};
    struct lab own;

    lab_open(&own, "released");
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *const argv[] = {keepf("%s/build/halley.fcgi", lab_root()), "-n", "-f", own.conf,
                                    NULL};
        char *output;
        lab_conf(&own, files[i]);
        ck_assert_int_eq(proc_run(argv, lab_env(&own, NULL), -1, &output, NULL), 78);
    }
    lab_close(&own);
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, a_session_begins_with_what_its_client_needs);
    tcase_add_test(tests, upgrades_are_offered_where_a_websocket_is_served);
    tcase_add_test(tests, what_is_wrong_with_a_request_is_told_by_its_code);
    tcase_add_test(tests, a_service_may_stand_at_another_path_and_without_a_slash);
    tcase_add_test(tests, messages_go_both_ways);
    tcase_add_test(tests, a_poll_that_waits_is_answered_by_what_is_sent_elsewhere);
    tcase_add_test(tests, bytes_go_both_ways_as_base64);
    tcase_add_test(tests, a_thousand_messages_may_come_in_one_payload);
    tcase_add_test(tests, a_payload_has_a_largest_size);
    tcase_add_test(tests, wrong_packets_end_the_session);
    tcase_add_test(tests, the_server_pings_and_the_client_answers);
    tcase_add_test(tests, a_ping_that_fell_due_while_nobody_polled_is_the_next_answer);
    tcase_add_test(tests, a_poll_is_held_through_a_pong_until_the_next_ping);
    tcase_add_test(tests, who_asks_for_nothing_is_forgotten_to_the_millisecond);
    tcase_add_test(tests, who_does_not_answer_a_ping_is_forgotten);
    tcase_add_test(tests, a_sleeping_session_costs_a_key_that_goes_by_itself);
    tcase_add_test(tests, a_close_ends_the_poll_that_is_held_or_the_next_one);
    tcase_add_test(tests, two_polls_at_a_time_close_the_session);
    tcase_add_test(tests, a_session_that_its_protocol_ends_says_so_once);
    tcase_add_test(tests, a_poll_that_is_given_up_ends_its_session);
    tcase_add_test(tests, a_channel_is_plain_texts_both_ways);
    tcase_add_test(tests, halleys_words_are_spoken_over_polls);
    tcase_add_test(tests, a_websocket_begins_with_the_same_packet);
    tcase_add_test(tests, a_websocket_carries_texts_and_bytes);
    tcase_add_test(tests, wrong_packets_close_a_websocket);
    tcase_add_test(tests, a_websocket_is_pinged_and_closed_when_it_does_not_answer);
    tcase_add_test(tests, a_handshake_is_refused_by_its_code);
    tcase_add_test(tests, a_channel_comes_over_a_websocket_one_packet_a_message);
    tcase_add_test(tests, a_websocket_takes_a_session_over);
    tcase_add_test(tests, who_says_all_at_once_is_understood);
    tcase_add_test(tests, the_poll_that_is_held_at_a_probe_is_ended);
    tcase_add_test(tests, a_poll_that_is_held_when_the_session_is_taken_is_refused);
    tcase_add_test(tests, of_two_websockets_one_has_the_session);
    tcase_add_test(tests, a_websocket_that_says_something_else_first_is_closed);
    tcase_add_test(tests, nothing_is_lost_or_doubled_on_the_way_from_polls_to_a_websocket);
    tcase_add_test(tests, a_session_that_was_taken_over_is_pinged);
    tcase_add_test(tests, pages_of_other_sites_use_a_session_where_origins_names_them);
    tcase_add_test(tests, preflights_are_answered);
}

static void add_own_tests(TCase *tests) {
    tcase_add_test(tests, more_sessions_than_there_may_be_are_refused);
    tcase_add_test(tests, an_address_opens_no_more_sessions_than_its_rate);
    tcase_add_test(tests, close_to_capacity_new_sessions_are_refused_and_polls_are_held);
    tcase_add_test(tests, a_process_that_shuts_down_lets_its_polls_go_and_others_go_on);
    tcase_add_test(tests, a_process_that_shuts_down_closes_its_websockets_as_going_away);
    tcase_add_test(tests, the_session_of_a_killed_process_goes_on);
    tcase_add_test(tests, what_cannot_be_served_is_refused_at_start);
}

int main(void) {
    Suite *suite = suite_create("engineio");

    e2e_take_test_services();
    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    add_own_tests(e2e_case(suite, "alone", NULL, NULL));
    return e2e_run(suite);
}

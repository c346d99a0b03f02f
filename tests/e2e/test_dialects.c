/* The ways of other systems' clients through the web servers: whose application a request for one
 * of their addresses reaches, told by its Upgrade; and what becomes of their sessions under
 * mod_fcgid, where a process holds one request and each request may meet another one.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char conf[] =
    "mount = /comet\n"
    "max_wait = 600\ntimeout = 600\n" /* twelve processes may take long to start */
    "[channel room*]\npublish = anyone\nhistory = 100\n"
    "[service engine.io]\nprotocol = channel room\nping_interval = 600000\n"
    "[service bayeux]\n"
    "[service sockjs/room]\nprotocol = channel room\n";

enum { POLLERS = 12, ROUNDS = 3 };

static struct lab lab;

static void begin(const char *server, bool websockets) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "dialects");
    lab_conf(&lab, conf);
    if (websockets)
        lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 1);
}

static void teardown(void) {
    lab_close(&lab);
}

/* ------------------------------------------------------------------ addresses */

static const char *const addresses[] = {"/engine.io/", "/socket.io/", "/bayeux",     "/faye",
                                        "/cometd",     "/cometd/",    "/sockjs/room"};

static const struct answer *ask(const char *path, const char *upgrade) {
    struct request request = {.path = path, .headers = {NULL}};

    if (upgrade != NULL) {
        request.headers[0] = "Connection: Upgrade";
        request.headers[1] = keepf("Upgrade: %s", upgrade);
        request.headers[2] = "Sec-WebSocket-Version: 13";
        request.headers[3] = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    }
    return http_send(&lab, &request);
}

/* Halley's answers say so, errors too; a web server's own do not. */
static bool is_halleys(const struct answer *answer) {
    return answer_header(answer, "X-Content-Type-Options") != NULL;
}

static void must_reach(const char *path) {
    const struct answer *answer = ask(path, NULL);
    ck_assert_msg(is_halleys(answer), "%s on %s: %s", path, lab.server, answer_text(answer));
}

START_TEST(other_clients_reach_halley_at_the_root_and_below_the_mount) {
    static const char *const servers[] = {"lighttpd", "lighttpd-socket", "nginx",  "apache",
                                          "caddy",    "nginx-proxy",     "haproxy"};
    begin(servers[_i], true);
    for (size_t i = 0; i < sizeof addresses / sizeof *addresses; i++) {
        must_reach(addresses[i]);
        must_reach(keepf("/comet%s", addresses[i]));
    }
    ck_assert(!is_halleys(ask("/cometdish", NULL)));
    ck_assert(!is_halleys(ask("/site/engine.io/", NULL)));
    ck_assert_int_eq(ask("/engine.io/?EIO=4&transport=polling", NULL)->status, 200);
}
END_TEST

/* Nobody listens where WebSockets are handed on to: what is sent there cannot be answered. */
START_TEST(a_websocket_is_told_from_a_poll_by_its_upgrade) {
    static const char *const servers[] = {"lighttpd-socket", "nginx", "apache"};
    static const char *const words[] = {"websocket", "WebSocket"};
    begin(servers[_i], false);
    for (size_t i = 0; i < 5; i++) {
        const char *path = keepf("%s%s", i % 2 == 0 ? "" : "/comet", addresses[i]);
        must_reach(path);
        const struct answer *answer = ask(path, words[i % 2]);
        ck_assert_msg(answer->status == 502 || answer->status == 503, "%s on %s: %s", path,
                      lab.server, answer_text(answer));
        answer = ask(path, "h2c");
        ck_assert_msg(is_halleys(answer), "%s on %s: %s", path, lab.server, answer_text(answer));
    }
}
END_TEST

/* What the client said of its connection arrives: else nobody can tell it what is wrong. */
START_TEST(a_websocket_whose_connection_is_no_upgrade_is_told_so) {
    const struct request request = {.path = "/sockjs/room/0/a/websocket",
                                    .headers = {"Connection: close", "Upgrade: websocket",
                                                "Sec-WebSocket-Version: 13",
                                                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}};
    begin("nginx", true);
    const struct answer *answer = http_send(&lab, &request);
    ck_assert_msg(answer->status == 400 &&
                      strcmp(answer->body, "\"Connection\" must be \"Upgrade\".") == 0,
                  "%s", answer_text(answer));
}
END_TEST

/* ------------------------------------------------------------------ half closed */

static const struct answer *post(const char *path, const char *body);

/* Reads until this has come. */
static void must_bring(int fd, const char *part) {
    char *text = keep(calloc(1, 65536));
    size_t length = 0;

    while (strstr(text, part) == NULL) {
        ck_assert_msg(wire_stirs(fd, 20000), "no %s in %s", part, text);
        ssize_t got = read(fd, text + length, 65535 - length);
        ck_assert_msg(got > 0, "the end before %s in %s", part, text);
        length += (size_t)got;
    }
}

/* A connection of its own, on which this is asked; its client sends nothing more once `begun` has
 * come, or where that is NULL, its session is held. */
static int ask_and_be_silent(const char *method, const char *path, const char *body,
                             const char *begun) {
    int fd = wire_tcp(lab.port);
    const char *text = keepf("%s %s HTTP/1.1\r\nHost: localhost\r\nContent-Length: %zu\r\n"
                             "Content-Type: application/json\r\n\r\n%s",
                             method, path, strlen(body), body);

    ck_assert(fd >= 0 && wire_send(fd, text, strlen(text)));
    if (begun != NULL)
        must_bring(fd, begun);
    else
        http_reach_session(&lab);
    ck_assert_int_eq(shutdown(fd, SHUT_WR), 0);
    pause_ms(50); /* the process hears of it */
    return fd;
}

/* The member of a JSON text that has this name and is a string. */
static const char *member_of(const char *text, const char *name) {
    const char *at = strstr(text, keepf("\"%s\":\"", name));
    ck_assert_msg(at != NULL, "no %s in %s", name, text);
    at += strlen(name) + 4;
    return keepf("%.*s", (int)strcspn(at, "\""), at);
}

/* HTTP allows it, and is answered all the same (RFC 9112 §9.6, a TCP half-close). */
START_TEST(who_sends_no_more_is_answered_whatever_holds_his_session) {
    static const char hello[] = "{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                                "\"supportedConnectionTypes\":[\"long-polling\"]}";
    const char *client, *sid;
    int fd;

    begin("http", false);
    ck_assert_int_eq(post("/sockjs/room/0/a/xhr", "")->status, 200);
    fd = ask_and_be_silent("POST", "/sockjs/room/0/a/xhr", "", NULL);
    store_add(&lab, "room", "1");
    must_bring(fd, "a[\"1\"]");
    close(fd);
    const char *poll = "/engine.io/?EIO=4&transport=polling";
    sid = member_of(http_get(&lab, "%s", poll)->body, "sid");
    fd = ask_and_be_silent("GET", keepf("%s&sid=%s", poll, sid), "", NULL);
    store_add(&lab, "room", "2");
    must_bring(fd, "42");
    close(fd);
    client = member_of(post("/bayeux", hello)->body, "clientId");
    post("/bayeux", keepf("{\"channel\":\"/meta/subscribe\",\"clientId\":\"%s\","
                          "\"subscription\":\"/room\"}",
                          client));
    fd = ask_and_be_silent("POST", "/bayeux",
                           keepf("{\"channel\":\"/meta/connect\",\"clientId\":\"%s\","
                                 "\"connectionType\":\"long-polling\"}",
                                 client),
                           NULL);
    store_add(&lab, "room", "3");
    must_bring(fd, "\"data\":3");
    close(fd);
    fd = ask_and_be_silent("GET", keepf("/bayeux/%s", client), "", "retry: ");
    store_add(&lab, "room", "4");
    must_bring(fd, "\"data\":4");
    close(fd);
    fd = ask_and_be_silent("POST", "/sockjs/room/0/b/xhr_streaming", "", "\no\n");
    store_add(&lab, "room", "5");
    must_bring(fd, "a[\"5\"]");
    close(fd);
}
END_TEST

/* ------------------------------------------------------------------ mod_fcgid */

struct poller {
    const char *address;
    struct flight *flight;
};

static const struct answer *post(const char *path, const char *body) {
    const struct request request = {.method = "POST",
                                    .path = path,
                                    .body = body,
                                    .length = strlen(body),
                                    .headers = {"Content-Type: text/plain"}};
    return http_send(&lab, &request);
}

static struct flight *post_begin(const char *path) {
    const struct request request = {.method = "POST", .path = path, .body = ""};
    return http_begin(&lab, &request);
}

static void must_be(const struct answer *answer, const char *body) {
    ck_assert_msg(answer->status == 200 && strcmp(answer->body, body) == 0, "%s instead of %s",
                  answer_text(answer), body);
}

static void open_engineio(struct poller *poller) {
    const struct answer *answer = http_get(&lab, "/engine.io/?EIO=4&transport=polling");
    char sid[64];

    ck_assert_msg(sscanf(answer->body, "0{\"sid\":\"%63[^\"]\",", sid) == 1, "%s",
                  answer_text(answer));
    poller->address = keepf("/engine.io/?EIO=4&transport=polling&sid=%s", sid);
}

START_TEST(each_poll_of_an_engineio_client_may_meet_another_process) {
    struct poller pollers[POLLERS];

    begin("apache", false);
    for (size_t i = 0; i < POLLERS; i++)
        open_engineio(&pollers[i]);
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < POLLERS; i++)
            pollers[i].flight = http_get_begin(&lab, "%s", pollers[i].address);
        until((http_pump(10), lab_apps_of(&lab, "engineio") >= POLLERS), "only %zu wait",
              lab_apps_of(&lab, "engineio"));
        must_be(post(pollers[round].address, keepf("4said %d", round)), "ok");
        for (size_t i = 0; i < POLLERS; i++)
            must_be(http_land(pollers[i].flight), keepf("4said %d", round));
    }
}
END_TEST

START_TEST(each_poll_of_a_sockjs_client_may_meet_another_process) {
    struct poller pollers[POLLERS];

    begin("apache", false);
    for (size_t i = 0; i < POLLERS; i++) {
        pollers[i].address = keepf("/sockjs/room/%zu/%s", i, keep_fresh("s"));
        must_be(post(keepf("%s/xhr", pollers[i].address), ""), "o\n");
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (size_t i = 0; i < POLLERS; i++)
            pollers[i].flight = post_begin(keepf("%s/xhr", pollers[i].address));
        until((http_pump(10), lab_apps_of(&lab, "sockjs") >= POLLERS), "only %zu wait",
              lab_apps_of(&lab, "sockjs"));
        const char *text = keepf("[\"said %d\"]", round);
        ck_assert_int_eq(post(keepf("%s/xhr_send", pollers[round].address), text)->status, 204);
        for (size_t i = 0; i < POLLERS; i++)
            must_be(http_land(pollers[i].flight), keepf("a%s\n", text));
    }
}
END_TEST

/* The process that refuses it has just begun to hear Redis, and is told to look at what it holds.
 */
START_TEST(a_second_stream_is_told_so_by_a_process_that_has_just_begun) {
    begin("apache", false);
    const char *path = keepf("/sockjs/room/0/%s/xhr_streaming", keep_fresh("s"));
    struct flight *first = post_begin(path);
    until((http_pump(10), strstr(http_so_far(first), "\no\n") != NULL), "the first does not open");
    const struct answer *second = http_land(post_begin(path));
    ck_assert_msg(strstr(second->body, "\nc[2010,\"Another connection still open\"]\n") != NULL,
                  "%s", answer_text(second));
    http_abandon(first);
}
END_TEST

/* mod_fcgid starts another in its place; the client's next poll goes on where it was. */
START_TEST(a_killed_process_takes_its_poll_along_and_no_session) {
    struct poller poller;

    begin("apache", false);
    open_engineio(&poller);
    for (int round = 0; round < ROUNDS; round++) {
        poller.flight = http_get_begin(&lab, "%s", poller.address);
        until((http_pump(10), lab_apps_of(&lab, "engineio") >= 1), "nobody waits");
        store_publish(&lab, "room", keepf("before %d", round));
        must_be(http_land(poller.flight), keepf("4before %d", round));
        poller.flight = http_get_begin(&lab, "%s", poller.address);
        http_reach_session(&lab);
        lab_signal_apps(&lab, SIGKILL);
        http_abandon(poller.flight);
        store_publish(&lab, "room", keepf("after %d", round));
        const struct answer *answer;
        until((answer = http_get(&lab, "%s", poller.address), answer->status < 500), "%s",
              answer_text(answer));
        must_be(answer, keepf("4after %d", round));
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("dialects");
    TCase *addresses_case = e2e_case(suite, "addresses", NULL, teardown);
    TCase *fcgid = e2e_case(suite, "mod_fcgid", NULL, teardown);

    tcase_add_loop_test(addresses_case, other_clients_reach_halley_at_the_root_and_below_the_mount,
                        0, 7);
    tcase_add_loop_test(addresses_case, a_websocket_is_told_from_a_poll_by_its_upgrade, 0, 3);
    tcase_add_test(addresses_case, a_websocket_whose_connection_is_no_upgrade_is_told_so);
    tcase_add_test(addresses_case, who_sends_no_more_is_answered_whatever_holds_his_session);
    tcase_add_test(fcgid, each_poll_of_an_engineio_client_may_meet_another_process);
    tcase_add_test(fcgid, each_poll_of_a_sockjs_client_may_meet_another_process);
    tcase_add_test(fcgid, a_second_stream_is_told_so_by_a_process_that_has_just_begun);
    tcase_add_test(fcgid, a_killed_process_takes_its_poll_along_and_no_session);
    return e2e_run(suite);
}

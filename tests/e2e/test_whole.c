/* What a client of another system has sent is done whole, or it is told that it is not: nothing of
 * a form is passed over, nothing that was said before a goodbye is thrown away, no packet is
 * answered `ok` that nobody looks at.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char conf[] = "[channel *]\npublish = anyone\n"
                           "[service sockjs/room]\nprotocol = channel room\n"
                           "[service engine.io]\nprotocol = channel engine\n"
                           "[service socket.io]\n"
                           "[namespace socket.io /]\npublish = events\n"
                           "[service bayeux]\n";

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "whole");
    lab_conf(&lab, conf);
    lab_websockets(&lab);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_web(&lab, server, 2);
}

static void teardown(void) {
    lab_close(&lab);
}

static const struct answer *post(const char *path, const char *type, const char *body) {
    const struct request request = {.method = "POST",
                                    .path = path,
                                    .body = body,
                                    .length = strlen(body),
                                    .headers = {keepf("Content-Type: %s", type)}};
    return http_send(&lab, &request);
}

/* Payloads of the channel's history, with commas between. */
static const char *held(const char *channel) {
    const redisReply *all = store_do(&lab, "XRANGE halley.history:{%s} - +", channel);
    const char *text = "";

    for (size_t i = 0; i < all->elements; i++) {
        const redisReply *fields = all->element[i]->element[1];
        for (size_t f = 0; f + 1 < fields->elements; f += 2)
            if (strcmp(fields->element[f]->str, "data") == 0)
                text = keepf("%s%s%s", text, *text ? "," : "", fields->element[f + 1]->str);
    }
    return text;
}

#define FORM "application/x-www-form-urlencoded"

/* ------------------------------------------------------------------------- forms */

static const struct {
    const char *form;
    int status;
    const char *held;
} bayeux_forms[] = {
    {"message={\"channel\":\"/a\",\"data\":1}&message={\"channel\":\"/a\",\"data\":2}", 200, "1,2"},
    {"message=[{\"channel\":\"/b\",\"data\":1},{\"channel\":\"/b\",\"data\":2}]&x=y&"
     "message=+{\"channel\":\"/b\",\"data\":3}+&message=[]&message=[{\"channel\":\"/"
     "b\",\"data\":4}]",
     200, "1,2,3,4"},
    {"message=[{\"channel\":\"/c\",\"data\":1}&message={\"channel\":\"/c\",\"data\":2}]", 400, ""},
    {"message={\"channel\":\"/d\",\"data\":1}&message=", 400, ""},
    {"message={\"channel\":\"/e\",\"data\":1}&message=2", 400, ""},
};

START_TEST(a_bayeux_form_may_say_several_messages) {
    for (size_t i = 0; i < sizeof bayeux_forms / sizeof bayeux_forms[0]; i++) {
        const struct answer *answer = post("/bayeux", FORM, bayeux_forms[i].form);
        ck_assert_msg(answer->status == bayeux_forms[i].status, "%zu: %s", i, answer_text(answer));
        ck_assert_str_eq(held(keepf("%c", (char)('a' + i))), bayeux_forms[i].held);
    }
}
END_TEST

START_TEST(a_sockjs_form_that_says_two_things_is_refused) {
    const struct answer *answer;

    ck_assert_int_eq(post("/sockjs/room/0/one/xhr", "text/plain", "")->status, 200);
    answer = post("/sockjs/room/0/one/jsonp_send", FORM, "d=[\"a\"]&d=[\"b\"]");
    ck_assert_msg(answer->status == 500, "%s", answer_text(answer));
    ck_assert_str_eq(held("room"), "");
    answer = post("/sockjs/room/0/one/jsonp_send", FORM, "e=1&d=[\"a\",\"b\"]");
    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    ck_assert_str_eq(held("room"), "a,b");
}
END_TEST

/* ----------------------------------------------------------------------- packets */

START_TEST(a_packet_that_no_polling_client_sends_is_refused) {
    static const char *const payloads[] = {"4a\x1e"
                                           "0{}",
                                           "5",
                                           "4a\x1e"
                                           "6\x1e"
                                           "4b"};

    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        const struct answer *open = http_get(&lab, "/engine.io/?EIO=4&transport=polling");
        const char *sid = strstr(open->body, "\"sid\":\"");
        ck_assert_msg(sid != NULL, "%s", answer_text(open));
        const char *path = keepf("/engine.io/?EIO=4&transport=polling&sid=%.20s", sid + 7);
        ck_assert_int_eq(post(path, "text/plain", payloads[i])->status, 400);
        ck_assert_int_eq(post(path, "text/plain", "4late")->status, 400); /* it is over */
    }
    ck_assert_str_eq(held("engine"), "");
}
END_TEST

/* ---------------------------------------------------------------------- goodbyes */

static const struct {
    const char *path, *channel, *first, *each, *held;
} talkers[] = {
    {"/comet/ws?channel=plain", "plain", NULL, "{\"publish\":{\"channel\":\"plain\",\"data\":%d}}",
     "0,1,2,3,4"},
    {"/sockjs/room/0/two/websocket", "room", NULL, "[\"%d\"]", "0,1,2,3,4"},
    {"/sockjs/room/websocket", "room", NULL, "%d", "0,1,2,3,4"},
    {"/engine.io/?EIO=4&transport=websocket", "engine", NULL, "4%d", "0,1,2,3,4"},
    {"/socket.io/?EIO=4&transport=websocket", "events", "40", "42[\"e\",%d]",
     "{\"event\":\"e\",\"data\":0},{\"event\":\"e\",\"data\":1},{\"event\":\"e\",\"data\":2},"
     "{\"event\":\"e\",\"data\":3},{\"event\":\"e\",\"data\":4}"},
    {"/bayeux", "bay", NULL, "[{\"channel\":\"/bay\",\"data\":%d}]", "0,1,2,3,4"},
};
enum { TALKERS = sizeof talkers / sizeof talkers[0] };

/* A masked frame; its key is zeros. */
static void add_frame(struct bytes *bytes, unsigned first, const void *payload, size_t length) {
    const unsigned char head[] = {(unsigned char)first, (unsigned char)(0x80 | length), 0, 0, 0, 0};

    bytes_add(bytes, head, sizeof head);
    bytes_add(bytes, payload, length);
}

/* The handshake, five messages and a close frame, all at once. */
static struct websock *say_all_and_goodbye(int which) {
    struct bytes bytes = {0};
    const char *hello = websock_hello(talkers[which].path, "");

    store_do(&lab, "DEL halley.history:{%s}", talkers[which].channel);
    bytes_add(&bytes, hello, strlen(hello));
    if (talkers[which].first != NULL)
        add_frame(&bytes, FRAME_FIN | FRAME_TEXT, talkers[which].first,
                  strlen(talkers[which].first));
    for (int i = 0; i < 5; i++) {
        char text[100];
        size_t digit = strcspn(talkers[which].each, "%");
        snprintf(text, sizeof text, "%.*s%d%s", (int)digit, talkers[which].each, i,
                 talkers[which].each + digit + 2);
        add_frame(&bytes, FRAME_FIN | FRAME_TEXT, text, strlen(text));
    }
    add_frame(&bytes, FRAME_FIN | FRAME_CLOSE, "\x03\xe8", 2);
    return websock_raw(wire_tcp(lab.port), bytes.data, bytes.length);
}

START_TEST(what_was_said_before_a_goodbye_is_done) {
    for (int which = 0; which < TALKERS; which++) {
        struct websock *socket = say_all_and_goodbye(which);

        socket->said_bye = true;
        ck_assert_int_eq(websock_reach_close(socket), 1000);
        until(strcmp(held(talkers[which].channel), talkers[which].held) == 0,
              "%s: %s in place of %s", talkers[which].path, held(talkers[which].channel),
              talkers[which].held);
        websock_close(socket);
    }
}
END_TEST

/* As a page does that is left. (A proxy in front may give up such a handshake by itself.) */
START_TEST(so_it_is_where_nobody_waits_for_the_answer) {
    for (int which = 0; which < TALKERS; which++) {
        struct websock *socket = say_all_and_goodbye(which);

        ck_assert_int_eq(shutdown(socket->fd, SHUT_WR), 0);
        until(strcmp(held(talkers[which].channel), talkers[which].held) == 0,
              "%s: %s in place of %s", talkers[which].path, held(talkers[which].channel),
              talkers[which].held);
        websock_close(socket);
    }
}
END_TEST

static void add_tests(TCase *tests) {
    tcase_add_test(tests, a_bayeux_form_may_say_several_messages);
    tcase_add_test(tests, a_sockjs_form_that_says_two_things_is_refused);
    tcase_add_test(tests, a_packet_that_no_polling_client_sends_is_refused);
    tcase_add_test(tests, what_was_said_before_a_goodbye_is_done);
}

static void on_http(void) {
    setup("http");
}

int main(void) {
    Suite *suite = suite_create("whole");

    e2e_on_dialects_servers(suite, setup, teardown, add_tests);
    tcase_add_test(e2e_case(suite, "http", on_http, teardown),
                   so_it_is_where_nobody_waits_for_the_answer);
    return e2e_run(suite);
}

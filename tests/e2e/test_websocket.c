/* WebSockets: straight on the application's own listener (`-w`) and through each web
 * server, with a client that keeps the rules and one that does not.
 *
 * The rules are RFC 6455's; each mistake has the close code that §7.4.1 gives it.
 * After every attack a bystander on the same process must still be served. The same
 * tests run on a build with sanitizers, whose leak check ends every application.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lab lab;
static enum way way;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "websocket");
    lab_websockets(&lab);
    lab_set(&lab, "KEEPALIVE", "600"); /* no ping of its own wakes what it has forgotten */
    way = BY_WEB;
    lab_all(&lab, "websocket", server);
}

static void setup_direct(void) {
    setup("lighttpd-socket");
    way = DIRECTLY;
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- helpers --------------------------------------------------------------------------- */

static int connected(void) {
    int fd = way == DIRECTLY ? wire_unix(lab.websocket) : wire_tcp(lab.port);

    ck_assert_msg(fd >= 0, "nobody listens");
    return fd;
}

static struct websock *opened(const char *query) {
    return websock_on(connected(), keepf("/comet/ws%s%s", *query ? "?" : "", query), "");
}

/* A socket that has said where it begins. */
static struct websock *begun(const char *query) {
    struct websock *socket = opened(query);

    ck_assert(strstr(websock_reach_text(socket), "{\"messages\":[],\"cursor\":") != NULL);
    return socket;
}

static const char *cursor_in(const char *batch) {
    json_t *json = json_loads(batch, 0, NULL);

    ck_assert_msg(json != NULL, "no JSON: %s", batch);
    return keepf("%s", json_string_value(json_object_get(keep(json), "cursor")));
}

static void must_bring(struct websock *socket, const char *channel, const char *data) {
    const char *text = websock_reach(socket, "\"id\":");

    ck_assert_msg(strstr(text, keepf("\"channel\":\"%s\"", channel)) &&
                      strstr(text, keepf("\"data\":%s}", data)),
                  "not %s on %s: %s", data, channel, text);
}

static void must_refuse(struct websock *socket, int status, const char *names, const char *ref) {
    const char *text = websock_reach(socket, "\"error\"");
    json_t *json = keep(json_loads(text, 0, NULL)), *error = json_object_get(json, "error");
    const char *detail = json_string_value(json_object_get(error, "detail"));

    ck_assert_msg(json_integer_value(json_object_get(error, "status")) == status, "%s", text);
    ck_assert_msg(json_is_string(json_object_get(error, "title")), "%s", text);
    ck_assert_msg(detail && strstr(detail, names), "%s", text);
    if (ref)
        ck_assert_msg(
            json_equal(json_object_get(json, "ref"), keep(json_loads(ref, JSON_DECODE_ANY, NULL))),
            "%s", text);
}

/* Somebody else is served as ever, by whichever process it is. */
static void must_still_serve(void) {
    const char *channel = keep_fresh("bystander");
    struct websock *socket = begun(keepf("channel=%s", channel));

    store_add(&lab, channel, "\"still here\"");
    must_bring(socket, channel, "\"still here\"");
    websock_bye(socket, 1000);
    ck_assert_int_eq(websock_reach_close(socket), 1000);
    websock_close(socket);
}

/* --- reading ------------------------------------------------------------------------------ */

START_TEST(the_first_message_says_where_the_socket_begins) {
    const char *channel = keep_fresh("first"), *cursor;
    struct websock *socket = begun(keepf("channel=%s", channel));

    cursor = cursor_in(socket->text);
    store_add(&lab, channel, "1");
    must_bring(socket, channel, "1");
    websock_close(socket);
    socket = begun(keepf("channel=%s&since=%s", channel, keep_encoded(cursor)));
    must_bring(socket, channel, "1");
    websock_close(socket);
}
END_TEST

START_TEST(a_bare_publish_is_delivered_at_once_and_in_order) {
    const char *channel = keep_fresh("order");
    struct websock *socket = begun(keepf("channel=%s", channel));
    int next = 1;

    for (int i = 1; i <= 200; i++)
        ck_assert_int_ge(store_publish(&lab, channel, keepf("%d", i)), 1);
    while (next <= 200) {
        json_t *batch = keep(json_loads(websock_reach(socket, "\"id\":"), 0, NULL));
        const json_t *messages = json_object_get(batch, "messages");

        for (size_t i = 0; i < json_array_size(messages); i++)
            ck_assert_int_eq(
                json_integer_value(json_object_get(json_array_get(messages, i), "data")), next++);
    }
    websock_close(socket);
}
END_TEST

START_TEST(since_and_limit_work_as_for_every_stream) {
    const char *channel = keep_fresh("since");
    struct websock *socket;

    store_add_many(&lab, channel, 5);
    socket = begun(keepf("channel=%s&since=-3&limit=2", channel));
    ck_assert(strstr(websock_reach_text(socket), "\"data\":3}") != NULL);
    ck_assert(strstr(socket->text, "\"data\":4}") && !strstr(socket->text, "\"data\":5}"));
    must_bring(socket, channel, "5");
    websock_close(socket);
}
END_TEST

START_TEST(a_large_message_comes_whole) {
    const char *channel = keep_fresh("big");
    struct websock *socket = begun(keepf("channel=%s", channel));
    char *payload = keep(malloc(65001));

    memset(payload, 'x', 65000);
    payload[65000] = '\0';
    store_add(&lab, channel, payload);
    ck_assert(strstr(websock_reach(socket, "\"id\":"), payload) != NULL);
    websock_close(socket);
}
END_TEST

START_TEST(channels_may_be_subscribed_and_left_while_it_is_open) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b");
    struct websock *socket = begun("");

    websock_say(socket, keepf("{\"subscribe\":[\"%s\",\"%s\"]}", a, b));
    websock_reach(socket, "{\"messages\":[],\"cursor\":");
    store_add(&lab, a, "1");
    must_bring(socket, a, "1");
    store_add(&lab, b, "2");
    must_bring(socket, b, "2");
    websock_say(socket, keepf("{\"unsubscribe\":[\"%s\"]}", a));
    websock_reach(socket, "{\"messages\":[],\"cursor\":");
    ck_assert(!strstr(socket->text, a));
    store_add(&lab, a, "\"not for us\"");
    store_add(&lab, b, "3");
    must_bring(socket, b, "3");
    websock_close(socket);
}
END_TEST

START_TEST(subscribing_may_begin_in_the_past) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b");
    struct websock *socket = begun(keepf("channel=%s", a));
    const char *cursor;

    store_add_many(&lab, b, 2);
    websock_say(socket, keepf("{\"subscribe\":[\"%s\"],\"since\":\"start\"}", b));
    ck_assert(strstr(websock_reach(socket, "\"id\":"), "\"data\":1}") != NULL);
    while (!strstr(socket->text, "\"data\":2}"))
        websock_reach_text(socket);
    cursor = cursor_in(socket->text);
    store_add(&lab, a, "3");
    store_add(&lab, b, "4");
    websock_close(socket);
    socket = begun("");
    websock_say(socket, keepf("{\"subscribe\":[\"%s\",\"%s\"],\"since\":\"%s\"}", a, b, cursor));
    websock_reach(socket, "\"data\":3}");
    if (!strstr(socket->text, "\"data\":4}"))
        websock_reach(socket, "\"data\":4}");
    websock_close(socket);
}
END_TEST

/* --- writing ---------------------------------------------------------------------------------- */

START_TEST(a_publish_is_answered_and_heard) {
    const char *channel = keep_fresh("open-talk");
    struct websock *socket = begun(keepf("channel=%s", channel));
    bool published = false, heard = false;

    websock_say(socket, keepf("{\"publish\":{\"channel\":\"%s\",\"data\":{\"a\":[1,\"</x>\"]}},"
                              "\"ref\":{\"n\":7}}",
                              channel));
    while (!published || !heard) {
        const char *text = websock_reach_text(socket);

        if (strstr(text, "\"published\"")) {
            ck_assert_msg(strstr(text, "\"id\":\"") && strstr(text, "\"at\":") &&
                              strstr(text, "\"ref\":{\"n\":7}"),
                          "%s", text);
            published = true;
        }
        heard |= strstr(text, "\"data\":{\"a\":[1,\"</x>\"]}") != NULL;
    }
    ck_assert_int_eq(store_held(&lab, channel), 1);
    websock_close(socket);
}
END_TEST

START_TEST(one_key_publishes_once) {
    const char *channel = keep_fresh("open-key"), *first;
    struct websock *socket = begun("");
    const char *say =
        keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1,\"key\":\"k-1\"}}", channel);

    websock_say(socket, say);
    first = keepf("%s", websock_reach(socket, "\"published\""));
    websock_say(socket, say);
    ck_assert_str_eq(websock_reach(socket, "\"published\""), first);
    ck_assert_int_eq(store_held(&lab, channel), 1);
    websock_close(socket);
}
END_TEST

static const struct saying {
    const char *text;
    int status;
    const char *names, *ref;
} sayings[] = {
    {"not JSON", 400, "JSON", NULL},
    {"", 400, "JSON", NULL},
    {"[]", 400, "message", NULL},
    {"{}", 400, "message", NULL},
    {"{\"publish\":{\"channel\":\"locked\",\"data\":1},\"ref\":\"r1\"}", 403, "", "\"r1\""},
    {"{\"publish\":{\"channel\":\"open\"},\"ref\":2}", 400, "data", "2"},
    {"{\"publish\":{\"data\":1},\"ref\":[3]}", 400, "channel", "[3]"},
    {"{\"publish\":{\"channel\":\"a*b\",\"data\":1},\"ref\":4}", 400, "channel", "4"},
    {"{\"publish\":{\"channel\":\"tiny-ws\",\"data\":\"more than ten\"},\"ref\":5}", 413, "", "5"},
    {"{\"publish\":7,\"ref\":6}", 400, "publish", "6"},
    {"{\"subscribe\":[],\"ref\":7}", 400, "subscribe", "7"},
    {"{\"subscribe\":[1],\"ref\":8}", 400, "subscribe", "8"},
    {"{\"subscribe\":[\"{\"],\"ref\":9}", 400, "channel", "9"},
    {"{\"subscribe\":[\"closed-1\"],\"ref\":10}", 403, "closed-1", "10"},
    {"{\"subscribe\":[\"a\"],\"since\":\"rubbish\",\"ref\":11}", 400, "since", "11"},
    {"{\"unsubscribe\":{},\"ref\":12}", 400, "unsubscribe", "12"},
};

START_TEST(what_is_wrong_is_said_with_its_ref_and_the_socket_goes_on) {
    const char *channel = keep_fresh("wrong");
    struct websock *socket = begun(keepf("channel=%s", channel));

    for (size_t i = 0; i < sizeof sayings / sizeof *sayings; i++) {
        websock_say(socket, sayings[i].text);
        must_refuse(socket, sayings[i].status, sayings[i].names, sayings[i].ref);
    }
    store_add(&lab, channel, "\"after\"");
    must_bring(socket, channel, "\"after\"");
    websock_close(socket);
}
END_TEST

START_TEST(more_channels_than_allowed_are_refused_and_the_old_ones_stay) {
    const char *channel = keep_fresh("kept"), *list = "";
    struct websock *socket = begun(keepf("channel=%s", channel));

    for (int i = 0; i < 64; i++)
        list = keepf("%s%s\"many-%d\"", list, i ? "," : "", i);
    websock_say(socket, keepf("{\"subscribe\":[%s],\"ref\":1}", list));
    must_refuse(socket, 400, "64", "1");
    store_add(&lab, channel, "1");
    must_bring(socket, channel, "1");
    websock_close(socket);
}
END_TEST

static void add_ordinary_tests(TCase *tcase) {
    tcase_add_test(tcase, the_first_message_says_where_the_socket_begins);
    tcase_add_test(tcase, a_bare_publish_is_delivered_at_once_and_in_order);
    tcase_add_test(tcase, since_and_limit_work_as_for_every_stream);
    tcase_add_test(tcase, a_large_message_comes_whole);
    tcase_add_test(tcase, channels_may_be_subscribed_and_left_while_it_is_open);
    tcase_add_test(tcase, subscribing_may_begin_in_the_past);
    tcase_add_test(tcase, a_publish_is_answered_and_heard);
    tcase_add_test(tcase, one_key_publishes_once);
    tcase_add_test(tcase, what_is_wrong_is_said_with_its_ref_and_the_socket_goes_on);
    tcase_add_test(tcase, more_channels_than_allowed_are_refused_and_the_old_ones_stay);
}

/* --- frames that break the rules
 * ------------------------------------------------------------------ */

#define LITERAL(text) text, sizeof(text) - 1

static const struct broken {
    unsigned first;
    const char *payload;
    size_t length;
    int code;
    bool bare; /* without a mask */
} broken[] = {
    {FRAME_FIN | FRAME_TEXT, LITERAL("{}"), 1002, true},
    {FRAME_FIN | FRAME_PING, LITERAL(""), 1002, true},
    {FRAME_FIN | FRAME_BINARY, LITERAL("\x01\x02"), 1003, false},
    {FRAME_FIN | 0x40 | FRAME_TEXT, LITERAL("{}"), 1002, false},
    {FRAME_FIN | 0x20 | FRAME_TEXT, LITERAL("{}"), 1002, false},
    {FRAME_FIN | 0x10 | FRAME_TEXT, LITERAL("{}"), 1002, false},
    {FRAME_FIN | 3, LITERAL("{}"), 1002, false},
    {FRAME_FIN | 7, LITERAL(""), 1002, false},
    {FRAME_FIN | 11, LITERAL(""), 1002, false},
    {FRAME_FIN | 15, LITERAL(""), 1002, false},
    {FRAME_FIN | FRAME_MORE, LITERAL("{}"), 1002, false},
    {FRAME_MORE, LITERAL("{}"), 1002, false},
    {FRAME_PING, LITERAL(""), 1002, false}, /* a control frame in fragments */
    {FRAME_CLOSE, LITERAL(""), 1002, false},
    {FRAME_FIN | FRAME_TEXT, LITERAL("\xff\xfe"), 1007, false},
    {FRAME_FIN | FRAME_TEXT, LITERAL("\"\xed\xa0\x80\""), 1007, false}, /* a surrogate */
    {FRAME_FIN | FRAME_TEXT, LITERAL("\"\xc0\xaf\""), 1007, false},     /* overlong */
    {FRAME_FIN | FRAME_TEXT, LITERAL("\"\xe2\x82"), 1007, false},       /* cut off */
    {FRAME_FIN | FRAME_CLOSE, LITERAL("\x03"), 1002, false},            /* half a code */
    {FRAME_FIN | FRAME_CLOSE, LITERAL("\x03\xed"), 1002, false},        /* 1005 is never sent */
    {FRAME_FIN | FRAME_CLOSE, LITERAL("\x03\xe8\xff"), 1007, false},    /* a reason in no UTF-8 */
};

START_TEST(each_mistake_has_its_close_code) {
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++) {
        struct websock *socket = begun("channel=broken");
        int code;

        websock_frame(socket, broken[i].first, !broken[i].bare, broken[i].payload,
                      broken[i].length);
        code = websock_reach_close(socket);
        ck_assert_msg(code == broken[i].code, "mistake %zu (%02x): %d, not %d", i, broken[i].first,
                      code, broken[i].code);
        websock_close(socket);
    }
    must_still_serve();
}
END_TEST

START_TEST(a_control_frame_over_125_bytes_is_a_mistake) {
    char payload[126] = "";
    struct websock *socket = begun("channel=broken");

    websock_frame(socket, FRAME_FIN | FRAME_PING, true, payload, sizeof payload);
    ck_assert_int_eq(websock_reach_close(socket), 1002);
    websock_close(socket);
    must_still_serve();
}
END_TEST

/* Lengths that no frame may announce: not the shortest form, or with the top bit. */
START_TEST(a_length_in_a_wrong_form_is_a_mistake) {
    static const char *const heads[] = {"\x81\xfe\x00\x05UUUU",
                                        "\x81\xff\x00\x00\x00\x00\x00\x00\x00\x05UUUU",
                                        "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x05UUUU"};
    static const size_t lengths[] = {8, 14, 14};

    for (size_t i = 0; i < 3; i++) {
        struct websock *socket = begun("channel=broken");
        int code;

        wire_send(socket->fd, heads[i], lengths[i]);
        wire_send(socket->fd, "55555", 5);
        code = websock_reach_close(socket);
        ck_assert_msg(code == 1002 || code == 1009, "form %zu: %d", i, code);
        websock_close(socket);
    }
    must_still_serve();
}
END_TEST

START_TEST(an_oversized_message_is_closed_with_1009) {
    enum { HUGE = 4 * 1024 * 1024 };
    struct websock *socket = begun("channel=broken");
    char *payload = keep(calloc(1, HUGE));

    memset(payload, ' ', HUGE);
    websock_frame(socket, FRAME_FIN | FRAME_TEXT, true, payload, HUGE);
    ck_assert_int_eq(websock_reach_close(socket), 1009);
    websock_close(socket);
    /* the same in fragments, each of which would be allowed */
    socket = begun("channel=broken");
    for (int i = 0; i < 64; i++)
        if (!websock_frame(socket, i ? FRAME_MORE : FRAME_TEXT, true, payload, HUGE / 64))
            break;
    ck_assert_int_eq(websock_reach_close(socket), 1009);
    websock_close(socket);
    must_still_serve();
}
END_TEST

START_TEST(an_announced_length_is_not_believed) {
    struct websock *socket = begun("channel=broken");

    wire_send(socket->fd, "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xffUUUU4", 15);
    ck_assert_int_eq(websock_reach_close(socket), 1009);
    websock_close(socket);
    must_still_serve();
}
END_TEST

START_TEST(fragments_make_one_message_with_control_frames_between) {
    const char *channel = keep_fresh("open-frag");
    struct websock *socket = begun("");
    const char *text =
        keepf("{\"publish\":{\"channel\":\"%s\",\"data\":\"\xe2\x82\xac\"},\"ref\":1}", channel);
    size_t length = strlen(text);

    for (size_t i = 0; i < length; i++) { /* a byte each: UTF-8 is cut too */
        websock_frame(socket, (i + 1 == length ? FRAME_FIN : 0) | (i ? FRAME_MORE : FRAME_TEXT),
                      true, text + i, 1);
        if (i % 16 == 0)
            websock_frame(socket, FRAME_FIN | FRAME_PING, true, "between", 7);
    }
    websock_reach(socket, "\"published\"");
    ck_assert_uint_eq(socket->pongs, (length + 15) / 16);
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, "start")), "\"\xe2\x82\xac\"");
    websock_close(socket);
}
END_TEST

START_TEST(a_text_between_the_fragments_of_another_is_a_mistake) {
    struct websock *socket = begun("");

    websock_frame(socket, FRAME_TEXT, true, "{", 1);
    websock_frame(socket, FRAME_FIN | FRAME_TEXT, true, "{}", 2);
    ck_assert_int_eq(websock_reach_close(socket), 1002);
    websock_close(socket);
    must_still_serve();
}
END_TEST

START_TEST(bad_utf_8_is_seen_across_fragments) {
    struct websock *socket = begun("");

    websock_frame(socket, FRAME_TEXT, true, "\"\xe2", 2);
    websock_frame(socket, FRAME_FIN, true, "(\"", 2);
    ck_assert_int_eq(websock_reach_close(socket), 1007);
    websock_close(socket);
    must_still_serve();
}
END_TEST

START_TEST(empty_fragments_without_end_starve_nobody) {
    struct websock *socket = begun("");

    websock_frame(socket, FRAME_TEXT, true, "", 0);
    for (int i = 0; i < 20000; i++)
        if (!websock_frame(socket, FRAME_MORE, true, "", 0))
            break;
    must_still_serve();
    websock_close(socket);
}
END_TEST

START_TEST(a_close_is_answered_with_its_code) {
    static const int codes[] = {1000, 1001, 1008, 3000, 4999};

    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
        struct websock *socket = begun("channel=bye");

        websock_bye(socket, codes[i]);
        ck_assert_int_eq(websock_reach_close(socket), codes[i]);
        websock_close(socket);
    }
    struct websock *socket = begun("channel=bye");
    websock_frame(socket, FRAME_FIN | FRAME_CLOSE, true, "", 0);
    ck_assert_int_ge(websock_reach_close(socket), 1000);
    websock_close(socket);
}
END_TEST

START_TEST(nothing_is_obeyed_behind_a_close) {
    const char *channel = keep_fresh("open-behind");
    struct websock *socket = begun("");

    websock_bye(socket, 1000);
    websock_say(socket, keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1}}", channel));
    ck_assert_int_eq(websock_reach_close(socket), 1000);
    ck_assert_int_eq(store_held(&lab, channel), 0);
    websock_close(socket);
}
END_TEST

/* --- floods, silence, leaving -------------------------------------------------------------------
 */

static long resident_kib(void) {
    return proc_resident_kib(lab.app[0].pid);
}

/* What may be grown by. */
static long growth_kib(void) {
    return (proc_sanitized(lab.app[0].pid) ? 300 : 24) * 1024L;
}

START_TEST(pings_are_answered_with_what_they_said) {
    struct websock *socket = begun("channel=ping");

    websock_frame(socket, FRAME_FIN | FRAME_PING, true, "12345", 5);
    until((websock_turn(socket, 10), websock_next(socket), socket->pongs == 1), "no pong");
    websock_close(socket);
}
END_TEST

/* 100,000 pings by somebody who reads no pong, then he reads them all. */
START_TEST(a_flood_of_pings_grows_nothing) {
    enum { TIMES = 100, TOGETHER = 1000 };
    struct websock *socket = begun("channel=flood");
    struct bytes many = {0};
    long before = resident_kib();
    size_t sent = 0;

    for (int i = 0; i < TOGETHER; i++)
        bytes_add(&many, "\x89\x84UUUU\x31\x31\x31\x31", 10);
    for (int i = 0; i < TIMES; i++) { /* as much as it takes */
        ssize_t n = send(socket->fd, many.data, many.length, MSG_NOSIGNAL | MSG_DONTWAIT);

        sent += n > 0 ? (size_t)n : 0;
        pause_ms(1);
    }
    must_still_serve();
    ck_assert_msg(resident_kib() - before < growth_kib(), "%ld KiB more", resident_kib() - before);
    until((websock_turn(socket, 10), websock_next(socket), socket->pongs >= sent / 10 - 1),
          "%zu pongs for %zu pings", socket->pongs, sent / 10);
    websock_close(socket);
}
END_TEST

static size_t figure(const char *name) {
    return (size_t)json_integer_value(json_object_get(http_get(&lab, "/comet/status")->json, name));
}

START_TEST(a_socket_that_breaks_off_is_freed_at_once) {
    enum { MANY = 50 };
    struct websock *sockets[MANY];

    for (int i = 0; i < MANY; i++)
        sockets[i] = begun("channel=leave");
    ck_assert_uint_ge(figure("waiters"), MANY);
    for (int i = 0; i < MANY; i++)
        websock_close(sockets[i]);
    until(figure("waiters") == 0, "%zu are still held", figure("waiters"));
}
END_TEST

START_TEST(sockets_that_come_and_go_grow_nothing) {
    enum { ROUNDS = 30, EACH = 50 };
    long before = 0;

    for (int round = 0; round < ROUNDS; round++) {
        struct websock *sockets[EACH];

        for (int i = 0; i < EACH; i++) {
            sockets[i] = begun(keepf("channel=go-%d", i));
            websock_say(sockets[i], "{\"subscribe\":[\"x\",\"y\"],\"since\":\"start\"}");
            websock_say(sockets[i], "{\"unsubscribe\":[\"x\"]}");
        }
        for (int i = 0; i < EACH; i++)
            websock_close(sockets[i]);
        if (round == ROUNDS / 3)
            before = resident_kib();
    }
    until(figure("waiters") == 0, "%zu are still held", figure("waiters"));
    ck_assert_msg(resident_kib() - before < growth_kib(), "%ld KiB more", resident_kib() - before);
}
END_TEST

/* --- handshakes ----------------------------------------------------------------------------------
 */

/* Answers a whole HTTP request with this status; the detail names what is wrong. */
static void must_answer(const char *request, size_t length, int status, const char *names) {
    int fd = connected();
    char *all;
    size_t got;

    wire_send(fd, request, length);
    shutdown(fd, SHUT_WR); /* or the connection would be kept for another request */
    all = wire_read_all(fd, &got);
    close(fd);
    ck_assert_msg(got > 12 && atoi(all + 9) == status, "%d expected: %.300s\nfor: %.300s", status,
                  all, request);
    ck_assert_msg(strstr(all, "application/problem+json") && strstr(all, names), "%.600s", all);
}

#define KEY       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION   "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE   "Host: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n"

static const struct hand {
    const char *request;
    int status;
    const char *names;
} hands[] = {
    {GET("/comet/ws?channel=a") UPGRADE VERSION "\r\n", 400, "Sec-WebSocket-Key"},
    {GET("/comet/ws?channel=a") UPGRADE VERSION "Sec-WebSocket-Key: short\r\n\r\n", 400,
     "Sec-WebSocket-Key"},
    {GET("/comet/ws?channel=a") UPGRADE KEY "\r\n", 426, "Sec-WebSocket-Version: 13\r\n"},
    {GET("/comet/ws?channel=a") UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", 426,
     "Sec-WebSocket-Version: 13\r\n"},
    {GET("/comet/ws?channel=a") "Host: h\r\n" KEY VERSION "\r\n", 400, "Upgrade"},
    {GET("/comet/ws?channel=a") "Host: h\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n" KEY VERSION
                                "\r\n",
     400, "Upgrade"},
    {"GET /comet/ws?channel=a HTTP/1.0\r\n" UPGRADE KEY VERSION "\r\n", 400, "Upgrade"},
    {"POST /comet/ws?channel=a HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n", 405, "GET"},
    {GET("/comet/nothing?channel=a") UPGRADE KEY VERSION "\r\n", 404, ""},
    {GET("/") UPGRADE KEY VERSION "\r\n", 404, ""},
    {GET("/comet/ws?channel=%zz") UPGRADE KEY VERSION "\r\n", 400, "query"},
    {GET("/comet/ws?channel=a*") UPGRADE KEY VERSION "\r\n", 400, "channel"},
    {GET("/comet/ws?channel=closed-1") UPGRADE KEY VERSION "\r\n", 403, "closed-1"},
    {GET("/comet/ws?channel=a&since=x") UPGRADE KEY VERSION "\r\n", 400, "since"},
    {GET("/comet/ws?channel=a&limit=x") UPGRADE KEY VERSION "\r\n", 400, "limit"},
    {GET("/comet/ws?channel=a") UPGRADE KEY VERSION "Origin: http://evil.example\r\n\r\n", 403,
     "Origin"},
    {GET("/comet/ws?channel=a") UPGRADE KEY VERSION "Origin: null\r\n\r\n", 403, "Origin"},
    {GET("/comet/ws?channel=a") UPGRADE KEY VERSION "Origin: http://h.evil.example\r\n\r\n", 403,
     "Origin"},
    {"rubbish\r\n\r\n", 400, "HTTP"},
    {"GET /comet/ws HTTP/1.1\r\nHo st: h\r\n\r\n", 400, "header"},
    {"\x16\x03\x01\x02\x01\x01\xfc\x03\x03", 400, "HTTP"},
};

START_TEST(a_wrong_handshake_is_answered_as_any_wrong_request) {
    for (size_t i = 0; i < sizeof hands / sizeof *hands; i++)
        must_answer(hands[i].request, strlen(hands[i].request), hands[i].status, hands[i].names);
    must_still_serve();
}
END_TEST

START_TEST(an_oversized_handshake_is_refused) {
    char *filler = keep(malloc(70001));
    const char *request;

    memset(filler, 'x', 70000);
    filler[70000] = '\0';
    request = keepf("GET /comet/ws?channel=a HTTP/1.1\r\n" UPGRADE "X-Filler: %s\r\n", filler);
    must_answer(request, strlen(request), 431, "header");
    filler[9000] = '\0';
    request = keepf("GET /comet/ws?channel=%s HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n", filler);
    must_answer(request, strlen(request), 413, "query");
    must_still_serve();
}
END_TEST

START_TEST(pages_of_this_host_may_connect) {
    static const char *const headers[] = {
        "Origin: http://localhost\r\n", "Origin: https://LOCALHOST\r\n",
        "X-Forwarded-Host: shown.example\r\nOrigin: https://shown.example\r\n"};

    for (size_t i = 0; i < 3; i++) {
        struct websock *socket = websock_on(connected(), "/comet/ws?channel=a", headers[i]);

        ck_assert_msg(websock_reach_status(socket) == 101, "%s: %d", headers[i], socket->status);
        websock_close(socket);
    }
}
END_TEST

START_TEST(a_handshake_may_come_in_pieces_with_frames_behind_it) {
    const char *channel = keep_fresh("pieces");
    const char *hello = websock_hello(keepf("/comet/ws?channel=%s", channel), "");
    struct websock *socket = websock_raw(connected(), hello, 1);
    size_t length = strlen(hello);

    for (size_t i = 1; i + 1 < length; i += 7) {
        wire_send(socket->fd, hello + i, i + 7 < length - 1 ? 7 : length - 1 - i);
        pause_ms(1);
    }
    /* its last byte and a frame in one packet */
    wire_send(socket->fd, keepf("%s\x89\x80UUUU", hello + length - 1), 7);
    websock_reach_text(socket);
    until((websock_turn(socket, 10), websock_next(socket), socket->pongs == 1), "no pong");
    store_add(&lab, channel, "1");
    must_bring(socket, channel, "1");
    websock_close(socket);
}
END_TEST

START_TEST(cut_off_handshakes_cost_nothing) {
    const char *hello = websock_hello("/comet/ws?channel=a", "");

    for (size_t i = 0; i < strlen(hello); i += 3) {
        int fd = connected();

        wire_send(fd, hello, i);
        close(fd);
    }
    must_still_serve();
    until(figure("clients") <= 1, "%zu connections are held", figure("clients"));
}
END_TEST

static void add_direct_tests(TCase *tcase) {
    tcase_add_test(tcase, each_mistake_has_its_close_code);
    tcase_add_test(tcase, a_control_frame_over_125_bytes_is_a_mistake);
    tcase_add_test(tcase, a_length_in_a_wrong_form_is_a_mistake);
    tcase_add_test(tcase, an_oversized_message_is_closed_with_1009);
    tcase_add_test(tcase, an_announced_length_is_not_believed);
    tcase_add_test(tcase, fragments_make_one_message_with_control_frames_between);
    tcase_add_test(tcase, a_text_between_the_fragments_of_another_is_a_mistake);
    tcase_add_test(tcase, bad_utf_8_is_seen_across_fragments);
    tcase_add_test(tcase, empty_fragments_without_end_starve_nobody);
    tcase_add_test(tcase, a_close_is_answered_with_its_code);
    tcase_add_test(tcase, nothing_is_obeyed_behind_a_close);
    tcase_add_test(tcase, pings_are_answered_with_what_they_said);
    tcase_add_test(tcase, a_flood_of_pings_grows_nothing);
    tcase_add_test(tcase, a_socket_that_breaks_off_is_freed_at_once);
    tcase_add_test(tcase, sockets_that_come_and_go_grow_nothing);
    tcase_add_test(tcase, a_wrong_handshake_is_answered_as_any_wrong_request);
    tcase_add_test(tcase, an_oversized_handshake_is_refused);
    tcase_add_test(tcase, pages_of_this_host_may_connect);
    tcase_add_test(tcase, a_handshake_may_come_in_pieces_with_frames_behind_it);
    tcase_add_test(tcase, cut_off_handshakes_cost_nothing);
}

/* --- through a web server: what its proxy may spoil ---------------------------------------------
 */

START_TEST(mistakes_have_their_codes_through_the_web_server_too) {
    static const size_t some[] = {0, 2, 3, 14};

    for (size_t i = 0; i < 4; i++) {
        const struct broken *mistake = &broken[some[i]];
        struct websock *socket = begun("channel=broken");

        websock_frame(socket, mistake->first, !mistake->bare, mistake->payload, mistake->length);
        ck_assert_int_eq(websock_reach_close(socket), mistake->code);
        websock_close(socket);
    }
}
END_TEST

START_TEST(a_page_of_another_site_is_refused_and_one_of_this_is_not) {
    struct websock *socket =
        websock_on(connected(), "/comet/ws?channel=a", "Origin: http://evil.example\r\n");

    ck_assert_int_eq(websock_reach_status(socket), 403);
    websock_close(socket);
    socket = websock_on(connected(), "/comet/ws?channel=a", "Origin: http://localhost\r\n");
    ck_assert_int_eq(websock_reach_status(socket), 101);
    websock_close(socket);
}
END_TEST

START_TEST(a_version_that_is_not_understood_is_told_through_the_web_server) {
    static const char *const versions[] = {"Sec-WebSocket-Version: 8\r\n", ""};

    for (size_t i = 0; i < 2; i++) {
        const char *hello = keepf(GET("/comet/ws?channel=a") UPGRADE KEY "%s\r\n", versions[i]);
        struct websock *socket = websock_raw(connected(), hello, strlen(hello));

        ck_assert_msg(websock_reach_status(socket) == 426, "%s", socket->head);
        ck_assert_msg(strcasestr(socket->head, "\r\nSec-WebSocket-Version: 13\r\n"), "%s",
                      socket->head);
        websock_close(socket);
    }
}
END_TEST

static const char *rated_message(void) {
    return keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1}}", keep_fresh("rated"));
}

START_TEST(a_rate_counts_what_is_posted_and_what_is_said_together) {
    struct websock *socket = begun("");
    const char *path = keepf("/comet/publish?channel=%s", keep_fresh("rated"));

    ck_assert_int_eq(http_post(&lab, "1", 1, "%s", path)->status, 200);
    websock_say(socket, rated_message());
    websock_reach(socket, "\"published\"");
    websock_say(socket, rated_message());
    must_refuse(socket, 429, "publish_rate", NULL);
    ck_assert_int_eq(http_post(&lab, "1", 1, "%s", path)->status, 429);
    websock_close(socket);
}
END_TEST

START_TEST(info_says_that_there_are_websockets) {
    until(strstr(http_get(&lab, "/comet/info")->body, "\"ws\""), "%s",
          http_get(&lab, "/comet/info")->body);
}
END_TEST

static void add_tests(TCase *tcase) {
    add_ordinary_tests(tcase);
    tcase_add_test(tcase, mistakes_have_their_codes_through_the_web_server_too);
    tcase_add_test(tcase, a_page_of_another_site_is_refused_and_one_of_this_is_not);
    tcase_add_test(tcase, a_version_that_is_not_understood_is_told_through_the_web_server);
    tcase_add_test(tcase, a_rate_counts_what_is_posted_and_what_is_said_together);
    tcase_add_test(tcase, info_says_that_there_are_websockets);
}

/* --- labs of their own
 * ---------------------------------------------------------------------------- */

static void setup_alone(const char *name, const char *value) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "door");
    lab_websockets(&lab);
    lab_set(&lab, name, value);
    way = DIRECTLY;
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_door(&lab);
}

START_TEST(draining_closes_with_1001_and_the_cursor_misses_nothing) {
    const char *channel = keep_fresh("drain"), *cursor;
    struct websock *socket;

    setup_alone("KEEPALIVE", "15");
    socket = begun(keepf("channel=%s", channel));
    cursor = cursor_in(socket->text);
    ck_assert_int_eq((proc_signal(&lab.door, SIGTERM), websock_reach_close(socket)), 1001);
    websock_close(socket);
    ck_assert_int_eq(proc_wait(&lab.door), 0);
    lab_door(&lab);
    until(store_try(&lab, "FCALL halley_publish 1 %s 1", channel)->type != REDIS_REPLY_ERROR,
          "nobody loads the library");
    socket = begun(keepf("channel=%s&since=%s", channel, keep_encoded(cursor)));
    must_bring(socket, channel, "1");
    websock_close(socket);
    teardown();
}
END_TEST

START_TEST(draining_does_not_wait_for_a_deaf_socket) {
    struct websock *socket;

    setup_alone("KEEPALIVE", "15");
    socket = begun("channel=deaf");
    ck_assert_int_eq(proc_stop(&lab.door, SIGTERM), 0); /* nobody answers its close frame */
    websock_close(socket);
    teardown();
}
END_TEST

START_TEST(a_silent_socket_is_pinged_and_let_go) {
    struct websock *socket, *alive;

    setup_alone("KEEPALIVE", "1");
    socket = begun("channel=silent");
    alive = begun("channel=silent");
    socket->silent = true; /* reads, but answers no ping: half open */
    until((websock_turn(socket, 5), websock_next(socket), websock_turn(alive, 5),
           websock_next(alive), socket->hung_up),
          "it is held for ever (%zu pings)", socket->pings);
    ck_assert_uint_ge(socket->pings, 2);
    ck_assert(!alive->hung_up && !alive->code);
    websock_close(socket);
    websock_close(alive);
    teardown();
}
END_TEST

START_TEST(a_socket_ends_at_max_stream_with_1001) {
    struct websock *socket;
    int64_t begun_ms;

    setup_alone("MAX_STREAM", "2");
    socket = begun("channel=long");
    begun_ms = now_ms();
    websock_say(socket, "{\"subscribe\":[\"other\"]}"); /* which does not prolong it */
    ck_assert_int_eq(websock_reach_close(socket), 1001);
    ck_assert_int_ge(now_ms() - begun_ms, 1600);
    websock_close(socket);
    teardown();
}
END_TEST

START_TEST(a_handshake_that_never_ends_is_refused) {
    struct websock *socket;

    setup_alone("REQUEST_TIMEOUT", "1");
    socket = websock_raw(connected(), "GET /comet/ws HTTP/1.1\r\n", 24);
    ck_assert_int_eq(websock_reach_status(socket), 408);
    until((websock_turn(socket, 10), socket->hung_up), "it is not closed");
    websock_close(socket);
    teardown();
}
END_TEST

START_TEST(a_socket_outlives_redis_and_says_what_it_cannot_do) {
    const char *channel = keep_fresh("open-away");
    const char *say = keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1},\"ref\":1}", channel);
    struct websock *socket;

    setup_alone("REDIS_TIMEOUT", "2");
    socket = begun(keepf("channel=%s", channel));
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    websock_say(socket, say);
    must_refuse(socket, 503, "", "1");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    do {
        pause_ms(50);
        websock_say(socket, say);
        do
            websock_reach_text(socket);
        while (!strstr(socket->text, "\"ref\":1"));
    } while (!strstr(socket->text, "\"published\""));
    websock_close(socket);
    teardown();
}
END_TEST

START_TEST(a_slow_reader_is_cut_off_and_returns_without_loss) {
    enum { MANY = 200, SIZE = 60000 };
    const char *channel = keep_fresh("slow"), *cursor;
    struct websock *socket;
    char *payload = keep(malloc(SIZE + 1));
    int next = 0;

    setup_alone("MAX_BACKLOG", "64K");
    socket = begun(keepf("channel=%s", channel));
    cursor = cursor_in(socket->text);
    memset(payload, 'x', SIZE);
    payload[SIZE] = '\0';
    for (int i = 0; i < MANY; i++)
        store_add(&lab, channel, keepf("%d:%s", i, payload));
    for (bool over = false; !over;) { /* what was on its way; the end may be in mid-frame */
        websock_turn(socket, 100);
        over = socket->hung_up;
        while (websock_next(socket))
            if (strstr(socket->text, "\"id\":")) {
                json_t *batch = json_loads(socket->text, 0, NULL);

                next += (int)json_array_size(json_object_get(batch, "messages"));
                json_decref(batch);
                cursor = cursor_in(socket->text);
            }
    }
    ck_assert_msg(next < MANY, "he was not cut off");
    websock_close(socket);
    socket = begun(keepf("channel=%s&since=%s", channel, keep_encoded(cursor)));
    while (next < MANY) {
        json_t *batch = json_loads(websock_reach(socket, "\"id\":"), 0, NULL);
        const json_t *messages = json_object_get(batch, "messages");

        for (size_t i = 0; i < json_array_size(messages); i++, next++)
            ck_assert_int_eq(
                atoi(json_string_value(json_object_get(json_array_get(messages, i), "data"))),
                next);
        json_decref(batch);
    }
    websock_close(socket);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("websocket");
    TCase *direct = e2e_case(suite, "direct", setup_direct, teardown);
    TCase *alone = e2e_case(suite, "alone", NULL, NULL);

    add_ordinary_tests(direct);
    add_direct_tests(direct);
    e2e_on_each_server(suite, setup, teardown, add_tests);
    tcase_add_test(alone, draining_closes_with_1001_and_the_cursor_misses_nothing);
    tcase_add_test(alone, draining_does_not_wait_for_a_deaf_socket);
    tcase_add_test(alone, a_silent_socket_is_pinged_and_let_go);
    tcase_add_test(alone, a_socket_ends_at_max_stream_with_1001);
    tcase_add_test(alone, a_handshake_that_never_ends_is_refused);
    tcase_add_test(alone, a_socket_outlives_redis_and_says_what_it_cannot_do);
    tcase_add_test(alone, a_slow_reader_is_cut_off_and_returns_without_loss);
    return e2e_run(suite);
}

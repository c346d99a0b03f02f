/* What is said on a WebSocket: in which order it is done, that it goes on as it came, and
 * that no message, and no half of one, costs more than a message may.
 *
 * Straight on the application's own listener. Costs are compared with what the same
 * process needs for something cheap, or are memory: no test knows how fast a machine is.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/websock.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lab lab;

static void begin(const char *option, const char *value) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "said");
    lab_websockets(&lab);
    lab_set(&lab, option, value);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_door(&lab);
}

static void setup(void) {
    begin("KEEPALIVE", "600");
}

static void teardown(void) {
    lab_close(&lab);
}

static struct websock *opened(const char *query) {
    int fd = wire_unix(lab.websocket);

    ck_assert_msg(fd >= 0, "nobody listens");
    return websock_on(fd, keepf("/comet/ws%s%s", *query ? "?" : "", query), "");
}

static struct websock *begun(const char *query) {
    struct websock *socket = opened(query);

    ck_assert(strstr(websock_reach_text(socket), "{\"messages\":[],\"cursor\":") != NULL);
    return socket;
}

static void must_refuse(struct websock *socket, int status, const char *names) {
    const char *text = websock_reach(socket, "\"error\"");

    ck_assert_msg(strstr(text, keepf("\"status\":%d", status)) && strstr(text, names), "%s", text);
}

/* The payload of a channel's last message, as Redis has it. */
static const char *last_in(const char *channel) {
    const redisReply *entries =
        store_do(&lab, "XREVRANGE halley.history:{%s} + - COUNT 1", channel);
    const redisReply *fields = entries->element[0]->element[1];

    for (size_t i = 0; i < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, "data") == 0)
            return fields->element[i + 1]->str;
    ck_abort_msg("no data");
}

/* --- order -------------------------------------------------------------------------------- */

/* Until both have come: the answer to a publish, and the message. */
static void must_hear_himself(struct websock *socket, const char *data) {
    bool published = false, heard = false;

    while (!published || !heard) {
        const char *text = websock_reach_text(socket);

        ck_assert_msg(!strstr(text, "\"error\""), "%s", text);
        published |= strstr(text, "\"published\"") != NULL;
        heard |= strstr(text, keepf("\"data\":%s}", data)) != NULL;
    }
}

START_TEST(who_subscribes_and_publishes_in_one_message_hears_himself) {
    for (int i = 0; i < 20; i++) {
        const char *channel = keep_fresh("open-own");
        struct websock *socket = begun("");

        websock_say(socket, keepf("{\"publish\":{\"channel\":\"%s\",\"data\":%d},"
                                  "\"subscribe\":\"%s\"}",
                                  channel, i, channel));
        must_hear_himself(socket, keepf("%d", i));
        websock_close(socket);
    }
}
END_TEST

START_TEST(who_publishes_right_behind_his_subscription_hears_himself) {
    for (int i = 0; i < 20; i++) {
        const char *channel = keep_fresh("open-own"), *other = keep_fresh("open-other");
        struct websock *socket = i % 2 ? opened(keepf("channel=%s", channel)) : begun("");

        if (i % 2 == 0)
            websock_say(socket, keepf("{\"subscribe\":[\"%s\"],\"since\":\"now\"}", channel));
        websock_say(socket, keepf("{\"subscribe\":\"%s\",\"unsubscribe\":\"%s\","
                                  "\"publish\":{\"channel\":\"%s\",\"data\":%d}}",
                                  other, other, channel, i));
        must_hear_himself(socket, keepf("%d", i));
        websock_close(socket);
    }
}
END_TEST

START_TEST(who_leaves_and_publishes_in_one_message_hears_nothing) {
    const char *channel = keep_fresh("open-left"), *other = keep_fresh("other");
    struct websock *socket = begun(keepf("channel=%s&channel=%s", channel, other));

    websock_say(socket, keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1},"
                              "\"unsubscribe\":\"%s\"}",
                              channel, channel));
    websock_reach(socket, "\"published\"");
    store_add(&lab, other, "2");
    do {
        websock_reach_text(socket);
        ck_assert_msg(!strstr(socket->text, "\"data\":1}"), "%s", socket->text);
    } while (!strstr(socket->text, "\"data\":2}"));
    websock_close(socket);
}
END_TEST

START_TEST(many_messages_at_once_are_done_in_their_order) {
    const char *channel = keep_fresh("open-many");
    struct websock *socket = begun("");
    int next = 0;

    for (int i = 0; i < 30; i++)
        websock_say(socket, keepf("{\"subscribe\":[\"%s\",\"x-%d\"],\"unsubscribe\":\"x-%d\","
                                  "\"publish\":{\"channel\":\"%s\",\"data\":%d},\"ref\":%d}",
                                  channel, i, i - 1, channel, i, i));
    while (next < 30) {
        json_t *batch = json_loads(websock_reach(socket, "\"id\":"), 0, NULL);
        const json_t *messages = json_object_get(batch, "messages");

        for (size_t i = 0; i < json_array_size(messages); i++)
            ck_assert_int_eq(
                json_integer_value(json_object_get(json_array_get(messages, i), "data")), next++);
        json_decref(batch);
    }
    websock_close(socket);
}
END_TEST

/* --- bytes --------------------------------------------------------------------------------- */

START_TEST(data_and_ref_go_on_byte_for_byte) {
    const char *const rows[] = {"0.1",
                                "-0",
                                "1.0",
                                "1e2",
                                "12345678901234567890",
                                "123456789012345678901234567890.000",
                                "\"\\u00e9\\/\\ud83d\\ude00 \xc3\xa9\"",
                                "{\"b\":1,\"a\":2,\"b\":3}",
                                "[ 1 ,\t2 ]",
                                "{ }",
                                "\"\\u0000\"",
                                keep_nested(2000)};
    const char *channel = keep_fresh("open-bytes");
    struct websock *socket = begun(keepf("channel=%s", channel));

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        bool published = false, heard = false;

        websock_say(socket,
                    keepf("\n{\"ref\": %s ,\"publish\":{\"data\" : %s , \"channel\":\"%s\"}}\n",
                          rows[i], rows[i], channel));
        while (!published || !heard) {
            const char *text = websock_reach_text(socket);

            ck_assert_msg(!strstr(text, "\"error\""), "%s", text);
            published |= strstr(text, keepf(",\"ref\":%s}", rows[i])) != NULL;
            heard |= strstr(text, keepf("\"data\":%s}]", rows[i])) != NULL;
        }
        ck_assert_str_eq(last_in(channel), rows[i]);
    }
    websock_close(socket);
}
END_TEST

/* What not every reader can take is a value of JSON all the same, and arrives as its text. */
START_TEST(data_that_not_every_reader_can_take_arrives_as_a_text) {
    const char *const rows[][2] = {{"1E400", "\"1E400\""},
                                   {"[-1e999]", "\"[-1e999]\""},
                                   {"\"\\ud800\"", "\"\\\"\\\\ud800\\\"\""},
                                   {keep_nested(5000), keepf("\"%s\"", keep_nested(5000))}};
    const char *channel = keep_fresh("open-beyond");
    struct websock *socket = begun(keepf("channel=%s", channel));

    for (size_t i = 0; i < 4; i++) {
        websock_say(socket,
                    keepf("{\"publish\":{\"channel\":\"%s\",\"data\":%s}}", channel, rows[i][0]));
        must_hear_himself(socket, rows[i][1]);
        ck_assert_str_eq(last_in(channel), rows[i][0]);
    }
    websock_close(socket);
}
END_TEST

START_TEST(what_is_no_json_is_refused_as_a_whole) {
    static const char *const rows[] = {"0x1", "01",     "'a'", "[1,]", "{\"a\":1,}",
                                       "NaN", "\"\t\"", "1}",  "",     "\"\\x\"",
                                       "tru", "[1",     "1 2"};
    const char *channel = keep_fresh("open-no");
    struct websock *socket = begun("");

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        websock_say(socket,
                    keepf("{\"publish\":{\"channel\":\"%s\",\"data\":%s}}", channel, rows[i]));
        must_refuse(socket, 400, "JSON");
    }
    ck_assert_int_eq(store_held(&lab, channel), 0);
    websock_close(socket);
}
END_TEST

START_TEST(a_key_is_a_text_or_null) {
    const char *channel = keep_fresh("open-key");
    struct websock *socket = begun("");
    static const char *const bad[] = {"7", "[\"a\"]", "\"a\\u0000b\"", "\"a b\"", "\"\xc3\xa9\""};

    for (size_t i = 0; i < 5; i++) {
        websock_say(socket, keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1,\"key\":%s}}",
                                  channel, bad[i]));
        must_refuse(socket, 400, "ey: must be");
    }
    websock_say(socket,
                keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1,\"key\":null}}", channel));
    websock_reach(socket, "\"published\"");
    websock_close(socket);
}
END_TEST

/* --- costs ---------------------------------------------------------------------------------- */

static long resident_kib(void) {
    return proc_resident_kib(lab.door.pid);
}

/* What may be grown by. */
static long allowance_kib(void) {
    return (proc_sanitized(lab.door.pid) ? 200 : 16) * 1024L;
}

/* Processor time that the application has used, in milliseconds. */
static long spent_ms(void) {
    FILE *file = fopen(keepf("/proc/%d/schedstat", (int)lab.door.pid), "r");
    unsigned long long ns = 0;

    ck_assert(file != NULL && fscanf(file, "%llu", &ns) == 1);
    fclose(file);
    return (long)(ns / 1000000);
}

/* `text` in fragments of one byte each, never finished. */
static void add_fragments(struct bytes *bytes, size_t count) {
    for (size_t i = 0; i < count; i++)
        bytes_add(bytes, i ? "\x00\x81UUUU\x75" : "\x01\x81UUUU\x75", 7);
}

START_TEST(unfinished_fragments_cost_no_more_than_a_message) {
    enum { SOCKETS = 40, FRAGMENTS = 80000 };
    struct websock *sockets[SOCKETS];
    struct bytes bytes = {0};
    long before, more;

    add_fragments(&bytes, FRAGMENTS);
    sockets[0] = begun("channel=fragments");
    before = resident_kib();
    for (int i = 0; i < SOCKETS; i++) {
        sockets[i] = i ? begun("channel=fragments") : sockets[0];
        ck_assert(wire_send(sockets[i]->fd, bytes.data, bytes.length));
    }
    for (int i = 0; i < SOCKETS; i++) { /* who is answered has been read up to here */
        websock_frame(sockets[i], FRAME_FIN | FRAME_PING, true, "", 0);
        until((websock_turn(sockets[i], 10), websock_next(sockets[i]), sockets[i]->pongs == 1),
              "no pong");
    }
    more = resident_kib() - before;
    ck_assert_msg(more < allowance_kib(), "%d sockets cost %ld KiB", SOCKETS, more);
    for (int i = 0; i < SOCKETS; i++)
        websock_close(sockets[i]);
}
END_TEST

START_TEST(empty_fragments_cost_nothing_and_their_message_can_still_end) {
    const char *channel = keep_fresh("open-empty");
    const char *text = keepf("{\"publish\":{\"channel\":\"%s\",\"data\":1}}", channel);
    struct websock *socket = begun("");
    struct bytes bytes = {0};
    long before = resident_kib();

    websock_frame(socket, FRAME_TEXT, true, text, strlen(text));
    for (int i = 0; i < 400000; i++)
        bytes_add(&bytes, "\x00\x80UUUU", 6);
    ck_assert(wire_send(socket->fd, bytes.data, bytes.length));
    websock_frame(socket, FRAME_FIN | FRAME_MORE, true, "", 0);
    websock_reach(socket, "\"published\"");
    ck_assert_msg(resident_kib() - before < allowance_kib(), "%ld KiB more",
                  resident_kib() - before);
    websock_close(socket);
}
END_TEST

START_TEST(a_message_that_never_ends_is_given_up) {
    struct websock *half, *slow, *well;

    begin("KEEPALIVE", "1");
    half = begun("");
    slow = begun("");
    well = begun("");
    websock_frame(half, FRAME_TEXT, true, "{", 1);
    slow->silent = true;                             /* a pong would be taken for more of it */
    wire_send(slow->fd, "\x81\xfe\x10\x00UUUU.", 9); /* 4096 bytes are announced */
    until((websock_turn(well, 10), websock_next(well), websock_turn(half, 10), websock_next(half),
           websock_turn(slow, 10), websock_next(slow), half->hung_up && slow->hung_up),
          "they are held for ever");
    ck_assert_int_eq(half->code, 1008);
    ck_assert_int_eq(slow->code, 1008);
    ck_assert(!well->hung_up && well->code == 0 && well->pings > 0);
    websock_close(half);
    websock_close(slow);
    websock_close(well);
    teardown();
}
END_TEST

/* With `one` in it they are all the same name, else each is another. */
static void add_list(struct bytes *bytes, unsigned count, const char *one) {
    bytes_add(bytes, "[", 1);
    for (unsigned i = 0; i < count; i++) {
        const char *name =
            one ? keepf("%s\"%s\"", i ? "," : "", one) : keepf("%s\"n%u\"", i ? "," : "", i);
        bytes_add(bytes, name, strlen(name));
    }
    bytes_add(bytes, "]", 1);
}

/* A subscribe of so many names with a cursor of as many items. */
static const char *long_subscribe(unsigned names, unsigned items, const char *one) {
    struct bytes bytes = {0};

    bytes_add(&bytes, "{\"subscribe\":", 13);
    add_list(&bytes, names, one);
    bytes_add(&bytes, ",\"since\":\"", 10);
    for (unsigned i = 0; i < items; i++) {
        const char *item = keepf("%sn%u@1-1", i ? "," : "", i);
        bytes_add(&bytes, item, strlen(item));
    }
    bytes_add(&bytes, "\"}", 3); /* and its NUL */
    return keep(bytes.data);
}

/* What it costs the application to answer a message `times` times, in milliseconds. */
static long cost_of(struct websock *socket, const char *text, int times) {
    long before = spent_ms();

    for (int i = 0; i < times; i++) {
        websock_say(socket, text);
        websock_say(socket, keepf("{\"ref\":\"end-%d\"}", i)); /* behind all other answers */
        websock_reach(socket, keepf("\"ref\":\"end-%d\"", i));
    }
    return spent_ms() - before;
}

/*
 * Each message is as long as the last row, which is only read and refused: none may cost a
 * hundred times as much, and nearly all that they cost is that they are read.
 */
START_TEST(no_message_is_dearer_than_its_length) {
    enum { TIMES = 40, LENGTH = 60000 };
    struct websock *socket = begun("");
    char *blanks = keep(malloc(LENGTH + 1));
    long cheap;

    memset(blanks, ' ', LENGTH);
    blanks[LENGTH] = '\0';
    cheap = cost_of(socket, blanks, TIMES);
    const char *const dear[] = {
        long_subscribe(2000, 2040, NULL),
        long_subscribe(64, 2040, NULL),
        long_subscribe(2048, 2048, "same"),
        long_subscribe(10000, 1, NULL),
        keepf("{\"un%s", long_subscribe(2000, 2040, NULL) + 2),
        keepf("{\"subscribe\":%s", keep_nested(30000)),
        keepf("{\"publish\":{\"channel\":\"locked\",\"data\":1},\"ref\":%s}", keep_nested(30000)),
    };
    for (size_t i = 0; i < sizeof dear / sizeof *dear; i++) {
        long cost = cost_of(socket, dear[i], TIMES);

        ck_assert_msg(cost < 100 * (cheap + 10), "row %zu: %ld ms, and blanks %ld ms", i, cost,
                      cheap);
    }
    websock_close(socket);
}
END_TEST

START_TEST(names_are_counted_before_anything_is_done_with_them) {
    struct websock *socket = begun("channel=kept");

    websock_say(socket, long_subscribe(2000, 2040, NULL));
    must_refuse(socket, 400, "64 channels (max_channels)");
    websock_say(socket, long_subscribe(2049, 1, "n"));
    must_refuse(socket, 400, "2048 names");
    websock_say(socket, long_subscribe(63, 2040, NULL));
    ck_assert(strstr(websock_reach(socket, "\"cursor\""), "n62@") != NULL);
    websock_say(socket, long_subscribe(2000, 1, "kept"));
    ck_assert(strstr(websock_reach(socket, "\"cursor\""), "n62@") != NULL);
    websock_say(socket, "{\"subscribe\":\"one-more\"}");
    must_refuse(socket, 400, "64 channels (max_channels)");
    websock_close(socket);
}
END_TEST

/* While Redis is silent, what is put off and what is on its way is bounded in bytes. */
START_TEST(what_waits_for_redis_is_bounded_in_bytes) {
    enum { SOCKETS = 20, MESSAGES = 60, LENGTH = 60000 };
    struct websock *sockets[SOCKETS];
    char *ref = keep(malloc(LENGTH + 1));
    const char *text;
    long before, more;

    memset(ref, '7', LENGTH);
    ref[LENGTH] = '\0';
    text = keepf("{\"publish\":{\"channel\":\"open-wait\",\"data\":1},\"ref\":%s}", ref);
    for (int i = 0; i < SOCKETS; i++)
        sockets[i] = begun("");
    proc_signal(&lab.redis, SIGSTOP);
    before = resident_kib();
    for (int i = 0; i < SOCKETS; i++) {
        struct bytes bytes = {0};
        size_t length = strlen(text);

        for (int k = 0; k < MESSAGES; k++) {
            unsigned char head[] = {
                0x81, 0xfe, (unsigned char)(length >> 8), (unsigned char)length, 0, 0, 0, 0};
            bytes_add(&bytes, head, sizeof head);
            bytes_add(&bytes, text, length);
        }
        for (size_t sent = 0; sent < bytes.length;) { /* as much as it takes */
            ssize_t n = send(sockets[i]->fd, bytes.data + sent, bytes.length - sent,
                             MSG_NOSIGNAL | MSG_DONTWAIT);
            if (n <= 0)
                break;
            sent += (size_t)n;
            pause_ms(1);
        }
        free(bytes.data);
    }
    pause_ms(200);
    more = resident_kib() - before;
    proc_signal(&lab.redis, SIGCONT);
    ck_assert_msg(more < SOCKETS * 512 + allowance_kib(), "%d sockets cost %ld KiB", SOCKETS, more);
    for (int i = 0; i < SOCKETS; i++) { /* and they are read on when it answers */
        websock_reach(sockets[i], "\"published\"");
        websock_close(sockets[i]);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("said");
    TCase *tcase = e2e_case(suite, "direct", setup, teardown);
    TCase *alone = e2e_case(suite, "alone", NULL, NULL);

    tcase_add_test(tcase, who_subscribes_and_publishes_in_one_message_hears_himself);
    tcase_add_test(tcase, who_publishes_right_behind_his_subscription_hears_himself);
    tcase_add_test(tcase, who_leaves_and_publishes_in_one_message_hears_nothing);
    tcase_add_test(tcase, many_messages_at_once_are_done_in_their_order);
    tcase_add_test(tcase, data_and_ref_go_on_byte_for_byte);
    tcase_add_test(tcase, data_that_not_every_reader_can_take_arrives_as_a_text);
    tcase_add_test(tcase, what_is_no_json_is_refused_as_a_whole);
    tcase_add_test(tcase, a_key_is_a_text_or_null);
    tcase_add_test(tcase, unfinished_fragments_cost_no_more_than_a_message);
    tcase_add_test(tcase, empty_fragments_cost_nothing_and_their_message_can_still_end);
    tcase_add_test(tcase, no_message_is_dearer_than_its_length);
    tcase_add_test(tcase, names_are_counted_before_anything_is_done_with_them);
    tcase_add_test(tcase, what_waits_for_redis_is_bounded_in_bytes);
    tcase_add_test(alone, a_message_that_never_ends_is_given_up);
    return e2e_run(suite);
}

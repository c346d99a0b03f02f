/* Hostile input: wrong bytes in channels, cursors, bodies, headers, FastCGI
 * records and Redis itself.
 *
 * One application serves all of these tests. Before each attack an ordinary
 * subscriber waits on that same process; after it he must get what is
 * published then, nothing else, and the process must be the one it was.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/follower.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct lab lab;
static pid_t application;
static struct follower friend;
static const char *friends_channel;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "hostile");
    lab_set(&lab, "REQUEST_TIMEOUT", "2");
    lab_all(&lab, "hostile", "lighttpd-socket");
    application = lab.app[0].pid;
}

static void teardown(void) {
    lab_close(&lab);
}

/* Before each test: an ordinary subscriber on the same process. */
static void befriend(void) {
    memset(&friend, 0, sizeof friend);
    friends_channel = keep_fresh("friend");
    follower_begin(&friend, &lab, friends_channel, "now");
}

/* After the attack. */
static void must_be_unharmed(void) {
    ck_assert_int_eq(kill(application, 0), 0);
    store_add(&lab, friends_channel, "1");
    ck_assert_int_ge(store_publish(&lab, friends_channel, "2"), 1);
    followers_reach(&friend, 1, 2);
    follower_must_have(&friend, 1, 2);
    ck_assert_int_eq(http_get(&lab, "/comet/health")->status, 200);
    follower_end(&friend);
}

/* The same pseudo-random bytes in every run. */
static unsigned char next_byte(uint64_t *state) {
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned char)(*state >> 56);
}

static int connect_app(void) {
    int fd = wire_unix(lab.app_socket[0]);

    ck_assert_msg(fd >= 0, "the application listens no more");
    return fd;
}

/* Sends bytes, says that no more will come, and reads to the end. */
static void say(const void *data, size_t length) {
    int fd = connect_app();

    wire_send(fd, data, length);
    shutdown(fd, SHUT_WR);
    wire_read_all(fd, NULL);
    close(fd);
}

static void say_and_leave(const void *data, size_t length) {
    int fd = connect_app();

    wire_send(fd, data, length);
    close(fd);
}

/* --- FastCGI -------------------------------------------------------------------- */

START_TEST(junk_on_the_socket) {
    uint64_t state = 2;

    befriend();
    for (int i = 0; i < 300; i++) {
        unsigned char junk[2000];
        size_t length = (size_t)next_byte(&state) * 7 + 1;

        for (size_t k = 0; k < length; k++)
            junk[k] = next_byte(&state);
        if (i % 2) /* a head that looks right, with anything behind it */
            memcpy(junk, (unsigned char[]){1, (unsigned char)(i % 12), 0, 1}, 4);
        if (i % 3)
            say_and_leave(junk, length);
        else
            say(junk, length);
    }
    must_be_unharmed();
}
END_TEST

static void add_params(struct bytes *bytes, unsigned id, const char *uri) {
    struct bytes params = {0};

    fcgi_params(&params, "GET", uri, NULL, 0);
    fcgi_record(bytes, FCGI_PARAMS, id, params.data, params.length);
    fcgi_record(bytes, FCGI_PARAMS, id, NULL, 0);
}

START_TEST(wrong_roles_are_answered_or_cut) {
    static const unsigned roles[] = {0, 2, 3, 4, 65535};

    befriend();
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        struct bytes bytes = {0};

        fcgi_begin(&bytes, 1, roles[i]);
        add_params(&bytes, 1, "/comet/poll?channel=a");
        fcgi_record(&bytes, FCGI_STDIN, 1, NULL, 0);
        fcgi_record(&bytes, FCGI_DATA, 1, NULL, 0);
        say(bytes.data, bytes.length);
    }
    must_be_unharmed();
}
END_TEST

START_TEST(records_in_the_wrong_place) {
    static const enum fcgi_type types[] = {
        FCGI_ABORT,      FCGI_END,   FCGI_STDIN, FCGI_STDOUT, FCGI_STDERR, FCGI_PARAMS,
        FCGI_GET_VALUES, FCGI_BEGIN, 0,          42,          255};

    befriend();
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        for (int place = 0; place < 4; place++) {
            struct bytes bytes = {0};

            if (place > 0)
                fcgi_begin(&bytes, 1, 1);
            if (place > 1)
                add_params(&bytes, 1, "/comet/poll?channel=a");
            if (place > 2)
                fcgi_record(&bytes, FCGI_STDIN, 1, "x", 1);
            fcgi_record(&bytes, types[i], place % 2 ? 1 : 7, "\x03\x00sXYyyyy", 9);
            fcgi_record(&bytes, FCGI_STDIN, 1, NULL, 0);
            say(bytes.data, bytes.length);
        }
    must_be_unharmed();
}
END_TEST

START_TEST(a_second_request_inside_the_first) {
    struct bytes bytes = {0};

    befriend();
    fcgi_begin(&bytes, 1, 1);
    fcgi_begin(&bytes, 2, 1);
    add_params(&bytes, 2, "/comet/wait?channel=a");
    add_params(&bytes, 1, "/comet/wait?channel=a&timeout=1");
    fcgi_record(&bytes, FCGI_STDIN, 2, NULL, 0);
    fcgi_record(&bytes, FCGI_STDIN, 1, NULL, 0);
    say(bytes.data, bytes.length);
    must_be_unharmed();
}
END_TEST

START_TEST(requests_cut_off_anywhere) {
    struct bytes bytes = {0};

    befriend();
    fcgi_request(&bytes, "POST", "/comet/publish?channel=open-cut", "0123456789", 10);
    for (size_t cut = 1; cut < bytes.length; cut += 3)
        say_and_leave(bytes.data, cut);
    for (size_t cut = 4; cut < bytes.length; cut += 70)
        say(bytes.data, cut); /* stays to the end, which is at REQUEST_TIMEOUT */
    ck_assert_int_eq(store_held(&lab, "open-cut"), 0); /* nothing is half done */
    must_be_unharmed();
}
END_TEST

START_TEST(a_body_of_another_length_than_announced) {
    static const char *const lengths[] = {
        "0", "3", "11", "99999999", "-1", "99999999999999999999", "1x", "ten", "", " 10"};

    befriend();
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct bytes bytes = {0}, params = {0};

        fcgi_param(&params, "REQUEST_METHOD", "POST");
        fcgi_param(&params, "REQUEST_URI", "/comet/publish?channel=open-length");
        fcgi_param(&params, "QUERY_STRING", "channel=open-length");
        fcgi_param(&params, "SCRIPT_NAME", "/comet");
        fcgi_param(&params, "CONTENT_LENGTH", lengths[i]);
        fcgi_begin(&bytes, 1, 1);
        fcgi_record(&bytes, FCGI_PARAMS, 1, params.data, params.length);
        fcgi_record(&bytes, FCGI_PARAMS, 1, NULL, 0);
        fcgi_record(&bytes, FCGI_STDIN, 1, "0123456789", 10);
        fcgi_record(&bytes, FCGI_STDIN, 1, NULL, 0);
        say(bytes.data, bytes.length);
    }
    must_be_unharmed();
}
END_TEST

/* Parameters whose lengths lie. */
static void lie(const unsigned char *params, size_t length) {
    struct bytes bytes = {0};

    fcgi_begin(&bytes, 1, 1);
    fcgi_record(&bytes, FCGI_PARAMS, 1, params, length);
    fcgi_record(&bytes, FCGI_PARAMS, 1, NULL, 0);
    fcgi_record(&bytes, FCGI_STDIN, 1, NULL, 0);
    say(bytes.data, bytes.length);
}

START_TEST(parameters_whose_lengths_lie) {
    befriend();
    lie((unsigned char[]){0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 'x'}, 9);
    lie((unsigned char[]){0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 0xd1, 'x'}, 9);
    lie((unsigned char[]){0xbf, 0xff, 0xff, 0xff, 0xc0, 0, 0, 1, 'x'}, 9);
    lie((unsigned char[]){0x80, 0x10, 0, 0, 1, 'x', 'y'}, 7);
    lie((unsigned char[]){0, 0, 0, 0, 0, 0}, 6);
    lie((unsigned char[]){5, 200, 'a'}, 3);
    lie((unsigned char[]){0x84}, 1);
    lie((unsigned char[]){1, 3, 0, 'a', 0, 'b'}, 6);
    must_be_unharmed();
}
END_TEST

START_TEST(parameters_without_end) {
    struct bytes bytes = {0}, pad = {0};
    char *big = keep(malloc(60001));

    befriend();
    memset(big, 'p', 60000);
    big[60000] = '\0';
    fcgi_begin(&bytes, 1, 1);
    fcgi_param(&pad, "HTTP_X_PAD", big);
    for (int i = 0; i < 100; i++) /* six megabytes of them */
        fcgi_record(&bytes, FCGI_PARAMS, 1, pad.data, pad.length);
    int fd = connect_app();
    wire_send(fd, bytes.data, bytes.length); /* may be cut off */
    close(fd);
    bytes.length = 0;
    fcgi_begin(&bytes, 1, 1);
    for (int i = 0; i < 20000; i++) /* many tiny records */
        fcgi_record(&bytes, FCGI_PARAMS, 1, "\1\1ab", 4);
    fd = connect_app();
    wire_send(fd, bytes.data, bytes.length);
    close(fd);
    must_be_unharmed();
}
END_TEST

START_TEST(silent_connections_delay_nobody_and_are_dropped) {
    enum { COUNT = 200 };
    int fds[COUNT];

    befriend();
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_app();
        if (i % 2)
            wire_send(fds[i], "\1\1\0\1\0", 5);
    }
    int64_t begun = now_ms();
    must_be_batch(http_get(&lab, "/comet/poll?channel=%s", keep_fresh("quick")));
    ck_assert_int_lt(now_ms() - begun, 30000);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_msg(wire_stirs(fds[i], PATIENCE_MS), "silent connection %d is kept", i);
        close(fds[i]);
    }
    must_be_unharmed();
}
END_TEST

START_TEST(a_reader_that_takes_nothing_delays_nobody) {
    enum { COUNT = 20 };
    const char *channel = keep_fresh("big");
    struct bytes request = {0};
    char *body = keep(malloc(1000001));
    int fds[COUNT];

    befriend();
    memset(body, 'b', 1000000);
    body[1000000] = '\0';
    ck_assert_int_eq(http_post(&lab, body, 1000000, "/comet/publish?channel=%s", channel)->status,
                     200);
    fcgi_request(&request, "GET", keepf("/comet/poll?channel=%s&since=start", channel), NULL, 0);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = connect_app();
        wire_send(fds[i], request.data, request.length);
    }
    must_be_unharmed();
    for (int i = 0; i < COUNT; i++)
        close(fds[i]);
}
END_TEST

/* --- what HTTP can carry ----------------------------------------------------------- */

/* A request straight to the application with one parameter that is not right. */
static const struct answer *with_param(const char *uri, const char *name, const char *value,
                                       size_t length) {
    struct bytes bytes = {0}, params = {0};
    unsigned char head[2] = {(unsigned char)strlen(name), (unsigned char)length};
    const struct answer *answer;
    int fd = connect_app();

    fcgi_params(&params, strstr(uri, "publish") ? "POST" : "GET", uri, NULL, 0);
    bytes_add(&params, head, 2);
    bytes_add(&params, name, strlen(name));
    bytes_add(&params, value, length);
    fcgi_begin(&bytes, 1, 1);
    fcgi_record(&bytes, FCGI_PARAMS, 1, params.data, params.length);
    fcgi_record(&bytes, FCGI_PARAMS, 1, NULL, 0);
    fcgi_record(&bytes, FCGI_STDIN, 1, NULL, 0);
    wire_send(fd, bytes.data, bytes.length);
    answer = fcgi_answer(fd);
    close(fd);
    return answer;
}

START_TEST(wrong_bytes_in_headers) {
    static const struct {
        const char *bytes;
        size_t length;
    } bad[] = {{"\xff\xfe", 2}, {"a\r\nX-Evil: 1", 12}, {"\0", 1}, {"a\0b", 3}, {"\x1b[31m", 5}};

    befriend();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct answer *answer =
            with_param("/comet/poll?channel=a", "HTTP_LAST_EVENT_ID", bad[i].bytes, bad[i].length);

        ck_assert_msg(answer->status == 400 || answer->status == 200, "%s", answer_text(answer));
        ck_assert(strstr(answer->head, "X-Evil") == NULL);
        answer = with_param("/comet/publish?channel=open-headers", "HTTP_IDEMPOTENCY_KEY",
                            bad[i].bytes, bad[i].length);
        ck_assert_msg(answer->status == 400 || answer->status == 200, "%s", answer_text(answer));
        ck_assert(strstr(answer->head, "X-Evil") == NULL);
        with_param("/comet/poll?channel=a", "CONTENT_TYPE", bad[i].bytes, bad[i].length);
        with_param("/comet/poll?channel=a", "REMOTE_ADDR", bad[i].bytes, bad[i].length);
        with_param("/comet/poll?channel=a", "REQUEST_METHOD", bad[i].bytes, bad[i].length);
    }
    must_be_unharmed();
}
END_TEST

START_TEST(wrong_bytes_in_channels_are_named_in_clean_json) {
    befriend();
    for (int byte = 0; byte < 256; byte++) {
        char name[3] = {'n', (char)byte, '\0'};
        const struct answer *answer =
            fcgi_get(lab.app_socket[0], "/comet/poll?channel=%s", keep_encoded_bytes(name, 2));
        bool good = byte >= 0x20 && byte < 0x7f && !strchr("{}*", byte);

        if (good)
            must_be_batch(answer);
        else
            must_be_problem(answer, 400, "channel");
    }
    must_be_problem(fcgi_get(lab.app_socket[0], "/comet/poll?channel=a%%0D%%0AX-Evil:1"), 400,
                    "channel");
    must_be_unharmed();
}
END_TEST

START_TEST(raw_bytes_in_the_request_line) {
    befriend();
    for (int byte = 1; byte < 256; byte++) {
        char uri[64];
        const struct answer *answer;

        snprintf(uri, sizeof uri, "/comet/poll?channel=a%cb", byte);
        answer = fcgi_get(lab.app_socket[0], "%s", uri);
        ck_assert_msg(answer->status == 200 || answer->status == 400, "byte %d: %s", byte,
                      answer_text(answer));
    }
    must_be_unharmed();
}
END_TEST

START_TEST(broken_percent_encodings) {
    static const char *const broken[] = {"a%", "a%4", "a%zz", "%%30", "a%u0041", "%-1"};

    befriend(); /* straight to the application: lighttpd would mend them */
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        must_be_problem(fcgi_get(lab.app_socket[0], "/comet/poll?channel=%s", broken[i]), 400,
                        NULL);
    must_be_unharmed();
}
END_TEST

START_TEST(mount_points_and_paths_that_are_none) {
    static const char *const uris[] = {"",
                                       "/",
                                       "poll?channel=a",
                                       "//",
                                       "/comet",
                                       "*",
                                       "?x",
                                       "/comet/../poll",
                                       "http://",
                                       "/comet/%00",
                                       "/comet/poll%00?channel=a",
                                       "/comet/%"};

    befriend();
    for (size_t i = 0; i < sizeof uris / sizeof *uris; i++) {
        const struct answer *answer = fcgi_get(lab.app_socket[0], "%s", uris[i]);

        ck_assert_msg(answer->status == 404 || answer->status == 400 || answer->status == 200,
                      "%s: %s", uris[i], answer_text(answer));
    }
    must_be_unharmed();
}
END_TEST

START_TEST(cursors_that_were_tampered_with) {
    const char *channel = keep_fresh("c"), *cursor;
    char text[300];

    befriend();
    store_add_many(&lab, channel, 3);
    cursor = json_string_value(json_object_get(read_since(&lab, channel, "start")->json, "cursor"));
    for (size_t at = 0; at < strlen(cursor); at++)
        for (int way = 0; way < 4; way++) {
            const struct answer *answer;
            size_t length = (size_t)snprintf(text, sizeof text, "%s", cursor);

            if (way == 0)
                text[at] = (char)(text[at] ^ 1);
            else if (way == 1)
                text[at] = '\xff';
            else if (way == 2)
                length = at;
            else
                text[at] = '9';
            answer = fcgi_get(lab.app_socket[0], "/comet/poll?channel=%s&since=%s", channel,
                              keep_encoded_bytes(text, length));
            if (answer->status == 200)
                must_be_batch(answer);
            else
                must_be_problem(answer, 400, "since");
        }
    must_be_unharmed();
}
END_TEST

START_TEST(raw_http_with_wrong_bytes) {
    static const char *const requests[] = {
        "GET /comet/poll?channel=a HTTP/1.1\r\nHost: x\r\nLast-Event-ID: \xff\xc0\x80\r\n"
        "Connection: close\r\n\r\n",
        "POST /comet/publish?channel=open-raw HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"
        "Idempotency-Key: \x80\xff\r\nConnection: close\r\n\r\n0123456789",
        "GET /comet/poll?channel=\xff\xfe HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST /comet/poll HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\n\r\n%%%\xff\x01",
        "GET /comet/poll?channel=a&&&&=&==&channel HTTP/1.1\r\nHost: x\r\n"
        "Connection: close\r\n\r\n",
    };

    befriend();
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++) {
        int fd = wire_tcp(lab.port);
        char *text;

        wire_send(fd, requests[i], strlen(requests[i]));
        text = wire_read_all(fd, NULL);
        ck_assert_msg(strncmp(text, "HTTP/1.1 200", 12) == 0 ||
                          strncmp(text, "HTTP/1.1 400", 12) == 0,
                      "request %zu: %.200s", i, text);
        close(fd);
    }
    must_be_unharmed();
}
END_TEST

START_TEST(uploads_that_stop_in_the_middle) {
    befriend();
    for (int i = 0; i < 20; i++) {
        struct bytes bytes = {0};
        char *part = keep(malloc(200000));

        memset(part, 'u', 200000);
        fcgi_request(&bytes, "POST", "/comet/publish?channel=big-stop", part, 200000);
        say_and_leave(bytes.data, bytes.length - 9 - (size_t)i * 9000);
    }
    must_be_unharmed();
    ck_assert_int_eq(store_held(&lab, "big-stop"), 0);
}
END_TEST

/* --- what Redis can carry ------------------------------------------------------------ */

START_TEST(payloads_of_any_bytes_stay_in_their_message) {
    const char *channel = keep_fresh("any");
    const struct answer *batch;
    uint64_t state = 5;

    befriend();
    for (int i = 0; i < 400; i++) {
        unsigned char payload[40];
        size_t length = next_byte(&state) % sizeof payload;

        for (size_t k = 0; k < length; k++)
            payload[k] = i % 2 ? next_byte(&state)
                               : (unsigned char)"{}[]\",:\\0tn\n"[next_byte(&state) % 12];
        store_do(&lab, "FCALL halley_publish 1 %s %b", channel, payload, length);
    }
    batch = read_since(&lab, channel, "start");
    ck_assert_uint_eq(batch_count(batch), 400);
    must_be_unharmed();
}
END_TEST

START_TEST(deeply_nested_json_is_delivered_or_made_a_string) {
    const char *channel = keep_fresh("deep");
    char *deep = keep(malloc(60001));
    const struct answer *answer;

    befriend();
    memset(deep, '[', 30000);
    memset(deep + 30000, ']', 30000);
    deep[60000] = '\0';
    store_add(&lab, channel, deep);
    store_add(&lab, channel, "1");
    answer = http_get(&lab, "/comet/poll?channel=%s&since=start", channel);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_msg(strstr(answer->body, "\"data\":1") != NULL, "%s", answer_text(answer));
    must_be_unharmed();
}
END_TEST

START_TEST(a_live_feed_that_lies_cannot_stop_the_process) {
    static const char *const lies[] = {"",
                                       " ",
                                       "1",
                                       "1-1",
                                       "1-1 1",
                                       "x-y z w",
                                       "1-0 1 zero",
                                       "-",
                                       "99999999999999999999999-1 1 x",
                                       "1-99999999999999999999 1 x",
                                       "1-1 -1 x",
                                       "1-1 1 \xff"};
    const char *channel = keep_fresh("lies"), *cursor = cursor_now(&lab, channel);
    struct flight *flight;

    befriend();
    flight = http_get_begin(&lab, "/comet/wait?channel=%s&since=%s&timeout=3", channel, cursor);
    until((http_pump(5), store_followers(&lab, channel) > 0), "nobody follows %s", channel);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++)
        store_do(&lab, "PUBLISH halley.live:{%s} %s", channel, lies[i]);
    must_be_batch(http_land(flight));
    must_be_unharmed();
}
END_TEST

START_TEST(a_stream_that_somebody_else_wrote_into_cannot_stop_the_process) {
    const char *channel = keep_fresh("foreign");
    const struct answer *answer;

    befriend();
    store_do(&lab, "XADD halley.history:{%s} 5-5 foo bar", channel);
    store_do(&lab, "XADD halley.history:{%s} 6-6 data x", channel);
    store_do(&lab, "XADD halley.history:{%s} 7-7 at never data x", channel);
    answer = http_get(&lab, "/comet/poll?channel=%s&since=start", channel);
    ck_assert_msg(answer->status == 200 || answer->status == 500 || answer->status == 503, "%s",
                  answer_text(answer));
    store_do(&lab, "SET halley.history:{%s-2} text", channel);
    answer = http_get(&lab, "/comet/poll?channel=%s-2&since=start", channel);
    ck_assert_msg(answer->status != 0, "no answer");
    must_be_unharmed();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("hostile");
    TCase *fastcgi = e2e_case(suite, "fastcgi", setup, teardown);
    TCase *http = e2e_case(suite, "http", setup, teardown);
    TCase *redis = e2e_case(suite, "redis", setup, teardown);

    tcase_add_test(fastcgi, junk_on_the_socket);
    tcase_add_test(fastcgi, wrong_roles_are_answered_or_cut);
    tcase_add_test(fastcgi, records_in_the_wrong_place);
    tcase_add_test(fastcgi, a_second_request_inside_the_first);
    tcase_add_test(fastcgi, requests_cut_off_anywhere);
    tcase_add_test(fastcgi, a_body_of_another_length_than_announced);
    tcase_add_test(fastcgi, parameters_whose_lengths_lie);
    tcase_add_test(fastcgi, parameters_without_end);
    tcase_add_test(fastcgi, silent_connections_delay_nobody_and_are_dropped);
    tcase_add_test(fastcgi, a_reader_that_takes_nothing_delays_nobody);
    tcase_add_test(http, wrong_bytes_in_headers);
    tcase_add_test(http, wrong_bytes_in_channels_are_named_in_clean_json);
    tcase_add_test(http, raw_bytes_in_the_request_line);
    tcase_add_test(http, broken_percent_encodings);
    tcase_add_test(http, mount_points_and_paths_that_are_none);
    tcase_add_test(http, cursors_that_were_tampered_with);
    tcase_add_test(http, raw_http_with_wrong_bytes);
    tcase_add_test(http, uploads_that_stop_in_the_middle);
    tcase_add_test(redis, payloads_of_any_bytes_stay_in_their_message);
    tcase_add_test(redis, deeply_nested_json_is_delivered_or_made_a_string);
    tcase_add_test(redis, a_live_feed_that_lies_cannot_stop_the_process);
    tcase_add_test(redis, a_stream_that_somebody_else_wrote_into_cannot_stop_the_process);
    return e2e_run(suite);
}

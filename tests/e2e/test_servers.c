/* What web servers do to requests and answers beside handing them on, with the
 * configurations that the project ships: how long a header may be, what they make of a
 * second "?" and of a Range, and whether a server in front of the server holds a
 * stream back.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/stream.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CHANNELS = 64 };

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "servers", server);
}

static void teardown(void) {
    lab_close(&lab);
}

/* "channel=...&channel=...", each name of `len` bytes, most of them `fill`. */
static char *many_channels(const char *stem, int len, char fill) {
    char *query = keepf("%s", ""), name[201];

    for (int i = 0; i < CHANNELS; i++) {
        int used = snprintf(name, sizeof name, "%s%02d", stem, i);
        memset(name + used, fill, (size_t)(len - used));
        name[len] = '\0';
        query = keepf("%s%schannel=%s", query, i > 0 ? "&" : "", name);
    }
    return query;
}

/* The cursor of a reader of all of them, and the name of the last one. */
static const char *cursor_of(const char *query) {
    const struct answer *answer = http_get(&lab, "/comet/poll?%s", query);
    return json_string_value(json_object_get(must_be_batch(answer)->json, "cursor"));
}

/* An event stream breaks, and its browser comes back by itself, with its cursor. */
static void comes_back(const char *query, size_t at_least) {
    const char *cursor = cursor_of(query), *last = strrchr(query, '=') + 1;

    ck_assert_uint_ge(strlen(cursor), at_least);
    store_add(&lab, last, "\"missed\"");
    struct stream *stream = stream_open(&lab, BY_WEB, EVENTS, query, cursor);
    stream_reach_start(stream);
    ck_assert_int_eq(stream_status(stream), 200);
    ck_assert_ptr_nonnull(strstr(piece_data(stream_reach_message(stream), 0), "missed"));
    stream_close(stream);
    const struct request request = {.path = keepf("/comet/poll?%s", query),
                                    .headers = {keepf("Last-Event-ID: %s", cursor)}};
    ck_assert_str_eq(batch_all_data(must_be_batch(http_send(&lab, &request))), "\"missed\"");
}

START_TEST(an_event_stream_of_64_channels_comes_back) {
    comes_back(many_channels(keep_fresh("wide"), 60, 'x'), 64 * 70);
}
END_TEST

/* As long as a query can make it: each byte of a name is three in the cursor. */
START_TEST(the_longest_cursor_comes_back) {
    char *query = many_channels(keep_fresh("long"), 117, '!');

    ck_assert_uint_gt(strlen(query), 8000);
    ck_assert_uint_le(strlen(query), 8192);
    comes_back(query, 20000);
}
END_TEST

/* Halley says itself what is too long, and the servers let it. */
START_TEST(a_query_that_is_too_long_is_halleys_to_refuse) {
    char *query = keepf("channel=a&x=%*s", 8192, "");

    memset(strchr(query, ' '), 'x', 8192);
    must_be_problem(http_get(&lab, "/comet/poll?%s", query), 413, "query");
}
END_TEST

START_TEST(a_second_question_mark_is_part_of_the_query) {
    const char *channel = keep_fresh("a");
    const struct answer *batch;

    store_add(&lab, keepf("%s?b?c", channel), "\"asked\"");
    batch = must_be_batch(http_get(&lab, "/comet/poll?channel=%s?b?c&since=start", channel));
    ck_assert_str_eq(batch_all_data(batch), "\"asked\"");
    ck_assert_str_eq(batch_channel(batch, 0), keepf("%s?b?c", channel));
}
END_TEST

START_TEST(a_range_is_no_reason_to_cut_an_answer) {
    static const char *const ranges[] = {"Range: bytes=0-4", "Range: bytes=-3", "Range: bytes=5-",
                                         "Range: bytes=0-1,3-4", "Range: bytes=100000-"};
    const char *channel = keep_fresh("ranged");

    store_add(&lab, channel, "\"whole\"");
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        for (int k = 0; k < 3; k++) {
            const struct request request = {
                .path = k == 0   ? keepf("/comet/poll?since=start&channel=%s", channel)
                        : k == 1 ? keepf("/comet/wait?since=start&channel=%s", channel)
                                 : "/comet/info",
                .headers = {ranges[i]}};
            const struct answer *answer = http_send(&lab, &request);
            ck_assert_msg(answer->status == 200 && answer->json != NULL, "%s, %s: %s", request.path,
                          ranges[i], answer_text(answer));
            ck_assert_ptr_null(answer_header(answer, "Content-Range"));
        }
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, an_event_stream_of_64_channels_comes_back);
    tcase_add_test(tcase, the_longest_cursor_comes_back);
    tcase_add_test(tcase, a_query_that_is_too_long_is_halleys_to_refuse);
    tcase_add_test(tcase, a_second_question_mark_is_part_of_the_query);
    tcase_add_test(tcase, a_range_is_no_reason_to_cut_an_answer);
}

/* ------------------------------------------------------------- a server in front */

/* An nginx that knows nothing of Halley, as a hosting company has it in front. */
static int start_front(struct proc *front, int behind) {
    const char *conf = keepf("%s/front.conf", lab.dir);
    int port = lab_free_port();
    FILE *file = fopen(conf, "w");

    ck_assert(file != NULL);
    fprintf(file,
            "daemon off; worker_processes 1; pid %s/front.pid; error_log %s/front-error.log;\n"
            "events { worker_connections 200; }\n"
            "http { access_log off; client_body_temp_path %s/front-body;\n"
            "proxy_temp_path %s/front-proxy; fastcgi_temp_path %s/front-f;\n"
            "uwsgi_temp_path %s/front-u; scgi_temp_path %s/front-s;\n"
            "server { listen 127.0.0.1:%d; location / { proxy_pass http://127.0.0.1:%d; } } }\n",
            lab.dir, lab.dir, lab.dir, lab.dir, lab.dir, lab.dir, lab.dir, port, behind);
    fclose(file);
    const char *const argv[] = {"nginx", "-p", lab.dir, "-e", keepf("%s/front-error.log", lab.dir),
                                "-c",    conf, NULL};
    proc_start(front, "nginx", keepf("%s/front.log", lab.dir), -1, argv, lab_env(&lab, NULL));
    return port;
}

START_TEST(a_server_in_front_of_the_server_does_not_hold_streams_back) {
    static const enum transport streams[] = {EVENTS, EVENTS_JSON, STREAM, MULTIPART, IFRAME};
    struct proc front = {0};

    setup(e2e_servers[_i]);
    int behind = lab.port;
    lab.port = start_front(&front, behind);
    until(http_get(&lab, "/comet/health")->status == 200, "the nginx in front does not answer");
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++) {
        const char *channel = keep_fresh("fronted");
        struct stream *stream =
            stream_open(&lab, BY_WEB, streams[i], keepf("channel=%s", channel), NULL);

        stream_reach_start(stream);
        for (int k = 0; k < 3; k++) { /* each comes while the stream goes on */
            store_add(&lab, channel, "\"passed on\"");
            stream_reach_message(stream);
        }
        ck_assert_int_eq(stream_end(stream), HELD_OPEN);
        stream_close(stream);
    }
    proc_kill(&front);
    lab.port = behind;
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("servers");
    TCase *front = e2e_case(suite, "front", NULL, NULL);

    e2e_on_each_server(suite, setup, teardown, add_tests);
    tcase_add_loop_test(front, a_server_in_front_of_the_server_does_not_hold_streams_back, 0,
                        E2E_SERVERS);
    return e2e_run(suite);
}

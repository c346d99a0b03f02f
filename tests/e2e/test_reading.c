/* Reading: what poll and wait give back, on every web server.
 *
 * Each test uses channels of its own, so all of them share one Redis, one
 * worker and one web server a tcase. Gaps are judged against what Redis still
 * holds, not against what it was told to keep.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <stdio.h>
#include <string.h>

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "reading", server);
}

static void teardown(void) {
    lab_close(&lab);
}

START_TEST(poll_gives_what_came_after_the_cursor) {
    const char *channel = keep_fresh("chat"), *cursor = cursor_now(&lab, channel);
    const struct answer *batch;
    const char *id = store_add(&lab, channel, "{\"text\":\"hi\"}");

    batch = read_since(&lab, channel, cursor);
    ck_assert_str_eq(batch_all_data(batch), "{\"text\":\"hi\"}");
    ck_assert_str_eq(batch_id(batch, 0), id);
    ck_assert_str_eq(batch_channel(batch, 0), channel);
    ck_assert(!batch_any_gap(batch));
    ck_assert_uint_eq(batch_count(read_since(&lab, channel, batch_cursor(batch))), 0);
}
END_TEST

START_TEST(wait_answers_as_soon_as_there_is_a_message) {
    const char *channel = keep_fresh("chat"), *cursor = cursor_now(&lab, channel);
    struct flight *flight =
        http_get_begin(&lab, "/comet/wait?channel=%s&since=%s&timeout=55", channel, cursor);

    until((http_pump(10), store_followers(&lab, channel) > 0), "nobody follows %s", channel);
    ck_assert(!http_landed(flight));
    ck_assert_int_ge(store_publish(&lab, channel, "\"now\""), 1);
    ck_assert_str_eq(batch_all_data(must_be_batch(http_land(flight))), "\"now\"");
    ck_assert(http_land(flight)->seconds < 45);
}
END_TEST

START_TEST(wait_gives_at_once_what_is_owed) {
    const char *channel = keep_fresh("chat"), *cursor = cursor_now(&lab, channel);
    const struct answer *batch;

    store_add(&lab, channel, "1");
    batch = http_get(&lab, "/comet/wait?channel=%s&since=%s&timeout=55", channel, cursor);
    ck_assert_str_eq(batch_all_data(must_be_batch(batch)), "1");
    ck_assert(batch->seconds < 45);
}
END_TEST

START_TEST(wait_ends_with_an_empty_batch_and_a_cursor_that_misses_nothing) {
    const char *channel = keep_fresh("chat");
    const struct answer *batch =
        must_be_batch(http_get(&lab, "/comet/wait?channel=%s&timeout=1", channel));

    ck_assert_uint_eq(batch_count(batch), 0);
    ck_assert(batch->seconds >= 0.85);
    store_add(&lab, channel, "1");
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, batch_cursor(batch))), "1");
}
END_TEST

START_TEST(wait_with_timeout_0_is_poll) {
    const struct answer *batch =
        http_get(&lab, "/comet/wait?channel=%s&timeout=0", keep_fresh("chat"));

    ck_assert_uint_eq(batch_count(must_be_batch(batch)), 0);
}
END_TEST

START_TEST(since_start_gives_the_whole_history) {
    const char *channel = keep_fresh("chat");

    store_add_many(&lab, channel, 4);
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, "start")), "1,2,3,4");
}
END_TEST

START_TEST(since_minus_k_gives_the_last_k_of_each_channel) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b"), *c = keep_fresh("c");
    const struct answer *batch;

    store_add_many(&lab, a, 5);
    store_add_many(&lab, b, 1);
    batch = read_since(&lab, keepf("%s&channel=%s&channel=%s", a, b, c), "-2");
    ck_assert_str_eq(batch_all_data(batch), "4,5,1");
    ck_assert(!batch_any_gap(batch));
    ck_assert_str_eq(batch_all_data(read_since(&lab, a, "-1000")), "1,2,3,4,5");
}
END_TEST

START_TEST(since_now_gives_nothing_old) {
    const char *channel = keep_fresh("chat");

    store_add_many(&lab, channel, 3);
    ck_assert_uint_eq(batch_count(read_since(&lab, channel, "now")), 0);
}
END_TEST

START_TEST(last_event_id_wins_over_since) {
    const char *channel = keep_fresh("chat");
    struct request request = {.path = keepf("/comet/poll?channel=%s&since=start", channel)};
    const struct answer *batch;

    store_add_many(&lab, channel, 2);
    batch = must_be_batch(http_get(&lab, "/comet/poll?channel=%s&since=start&limit=1", channel));
    request.headers[0] =
        keepf("Last-Event-ID: %s", json_string_value(json_object_get(batch->json, "cursor")));
    ck_assert_str_eq(batch_all_data(must_be_batch(http_send(&lab, &request))), "2");
}
END_TEST

START_TEST(limit_leaves_the_rest_for_the_next_answer) {
    const char *channel = keep_fresh("chat"), *since = "start", *all = "";

    store_add_many(&lab, channel, 7);
    for (int i = 0; i < 4; i++) {
        const struct answer *batch = must_be_batch(
            http_get(&lab, "/comet/wait?channel=%s&since=%s&limit=2&timeout=1", channel, since));

        ck_assert_uint_eq(batch_count(batch), i < 3 ? 2 : 1);
        ck_assert_int_eq(json_is_true(json_object_get(batch->json, "more")), i < 3);
        all = keepf("%s%s;", all, batch_all_data(batch));
        since = batch_cursor(batch);
    }
    ck_assert_str_eq(all, "1,2;3,4;5,6;7;");
}
END_TEST

START_TEST(a_hundred_messages_are_the_default_limit) {
    const char *channel = keep_fresh("chat");
    const struct answer *batch;

    store_add_many(&lab, channel, 130);
    batch = must_be_batch(http_get(&lab, "/comet/poll?channel=%s&since=start", channel));
    ck_assert_uint_eq(batch_count(batch), 100);
    batch = read_since(&lab, channel, batch_cursor(batch));
    ck_assert_uint_eq(batch_count(batch), 30);
    ck_assert_int_eq(json_integer_value(batch_data(batch, 29)), 130);
}
END_TEST

START_TEST(several_channels_are_merged_by_time) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b");
    const struct answer *batch;
    json_int_t last = 0;

    for (int i = 0; i < 20; i++) {
        store_add(&lab, i % 3 ? a : b, keepf("%d", i));
        pause_ms(2); /* so that times differ */
    }
    batch = read_since(&lab, keepf("%s&channel=%s", a, b), "start");
    ck_assert_uint_eq(batch_count(batch), 20);
    for (size_t i = 0; i < 20; i++) {
        json_int_t at = json_integer_value(json_object_get(batch_message(batch, i), "at"));

        ck_assert_int_eq(json_integer_value(batch_data(batch, i)), (int)i);
        ck_assert_int_ge(at, last);
        last = at;
    }
}
END_TEST

START_TEST(a_limit_over_several_channels_loses_nothing) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b"), *since = "start";
    const char *both = keepf("%s&channel=%s", a, b);
    size_t count[2] = {0, 0};

    store_add_many(&lab, a, 9);
    store_add_many(&lab, b, 9);
    for (int i = 0; i < 6; i++) {
        const struct answer *batch =
            must_be_batch(http_get(&lab, "/comet/poll?channel=%s&since=%s&limit=3", both, since));

        for (size_t k = 0; k < batch_count(batch); k++) {
            bool of_b = strcmp(batch_channel(batch, k), b) == 0;

            ck_assert_int_eq(json_integer_value(batch_data(batch, k)), (int)++count[of_b]);
        }
        since = batch_cursor(batch);
    }
    ck_assert_uint_eq(count[0], 9);
    ck_assert_uint_eq(count[1], 9);
}
END_TEST

START_TEST(a_post_form_reads_as_a_query_does) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b \xc3\xa4+&=%");
    const char *form = keepf("channel=%s&channel=%s&since=start", a, keep_encoded(b));
    static const char *const paths[] = {"/comet/poll", "/comet/wait"};

    store_add(&lab, a, "1");
    store_add(&lab, b, "2");
    for (int i = 0; i < 2; i++) {
        struct request request = {
            .path = paths[i],
            .body = form,
            .length = strlen(form),
            .headers = {"Content-Type: application/x-www-form-urlencoded; charset=utf-8"}};

        ck_assert_uint_eq(batch_count(must_be_batch(http_send(&lab, &request))), 2);
    }
}
END_TEST

START_TEST(sixty_four_channels_fit_one_post) {
    const char *form = "timeout=0", *last = "";
    struct request request = {.path = "/comet/wait",
                              .headers = {"Content-Type: application/x-www-form-urlencoded"}};

    for (int i = 0; i < 64; i++)
        form = keepf("%s&channel=%s", form, keep_encoded(last = keep_fresh("\xe2\x82\xac-long")));
    request.body = form;
    request.length = strlen(form);
    const char *cursor = batch_cursor(must_be_batch(http_send(&lab, &request)));
    store_add(&lab, last, "\"last\"");
    request.body = keepf("%s&since=%s", form, cursor);
    request.length = strlen(request.body);
    ck_assert_str_eq(batch_all_data(must_be_batch(http_send(&lab, &request))), "\"last\"");
}
END_TEST

START_TEST(a_cursor_stays_good_when_the_set_of_channels_changes) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b"), *c = keep_fresh("c");
    const char *cursor = cursor_now(&lab, keepf("%s&channel=%s", a, b));
    const struct answer *batch;

    store_add(&lab, a, "\"a1\"");
    store_add(&lab, b, "\"b1\"");
    store_add(&lab, c, "\"c1\"");
    /* b goes, c comes: a is read from the cursor, c starts at now */
    batch = read_since(&lab, keepf("%s&channel=%s", a, c), cursor);
    ck_assert_str_eq(batch_all_data(batch), "\"a1\"");
    ck_assert(!batch_any_gap(batch));
    store_add(&lab, c, "\"c2\"");
    batch = read_since(&lab, keepf("%s&channel=%s", a, c), batch_cursor(batch));
    ck_assert_str_eq(batch_all_data(batch), "\"c2\"");
}
END_TEST

START_TEST(channel_names_may_be_any_text) {
    static const char *const names[] = {
        "a b",          "a/b",         "a,b;c@d", "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
        "\"'<>&?#%+\\", "a@1-2,b@3-4", "-",       ".."};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *name = keepf("%s %s", keep_fresh("n"), names[i]), *coded = keep_encoded(name);
        const char *cursor = cursor_now(&lab, coded);
        const struct answer *batch;

        store_add(&lab, name, "1");
        batch = read_since(&lab, coded, cursor);
        ck_assert_str_eq(batch_all_data(batch), "1");
        ck_assert_str_eq(batch_channel(batch, 0), name);
    }
}
END_TEST

START_TEST(a_name_of_200_bytes_is_a_channel) {
    char name[201];

    memset(name, 'x', 200);
    snprintf(name, 50, "%s", keep_fresh("long"));
    name[strlen(name)] = '-';
    name[200] = '\0';
    store_add(&lab, name, "1");
    ck_assert_str_eq(batch_all_data(read_since(&lab, name, "start")), "1");
}
END_TEST

START_TEST(a_hole_between_cursor_and_history_is_a_gap_and_nothing_else_is) {
    const char *channel = keep_fresh("short"), *cursors[11];
    long long held;

    cursors[0] = cursor_now(&lab, channel);
    for (int i = 1; i <= 10; i++) {
        ck_assert_int_eq(http_post(&lab, keepf("%d", i), strlen(keepf("%d", i)),
                                   "/comet/publish?channel=%s", channel)
                             ->status,
                         200);
        cursors[i] = cursor_now(&lab, channel);
    }
    held = store_held(&lab, channel);
    ck_assert_int_le(held, 9); /* else nothing was trimmed */
    for (int i = 0; i <= 10; i++) {
        const struct answer *batch = read_since(&lab, channel, cursors[i]);
        int first = batch_count(batch) ? (int)json_integer_value(batch_data(batch, 0)) : 11;

        ck_assert_msg(first <= 11 - held || first == i + 1, "from %d: first is %d", i, first);
        ck_assert_msg(batch_gap(batch, channel) == (first > i + 1), "from %d: first %d, %s", i,
                      first, answer_text(batch));
        ck_assert_uint_eq(batch_count(batch), (size_t)(11 - first));
    }
}
END_TEST

START_TEST(a_wait_with_a_gap_answers_at_once) {
    const char *channel = keep_fresh("brief"), *cursor = cursor_now(&lab, channel);
    const struct answer *batch;

    store_add_many(&lab, channel, 2);
    store_do(&lab, "XTRIM halley.history:{%s} MAXLEN 0", channel);
    batch = http_get(&lab, "/comet/wait?channel=%s&since=%s&timeout=50", channel, cursor);
    must_be_batch(batch);
    ck_assert_msg(batch_gap(batch, channel) != (batch_count(batch) == 2), "%s", answer_text(batch));
    ck_assert(batch->seconds < 40);
    batch = read_since(&lab, channel, batch_cursor(batch));
    ck_assert(!batch_any_gap(batch));
}
END_TEST

/* False: the machine was so slow that what came behind has expired as well. */
static bool reads_behind_an_expired_history(const char *channel) {
    const char *end, *body = "1";
    const struct answer *batch;
    bool held;

    for (int i = 0; i < 3; i++)
        http_post(&lab, body, 1, "/comet/publish?channel=%s", channel);
    end = cursor_now(&lab, channel);
    until(store_held(&lab, channel) == 0, "the history does not expire");
    batch = read_since(&lab, channel, end);
    ck_assert_msg(!batch_any_gap(batch) && batch_count(batch) == 0, "%s", answer_text(batch));
    http_post(&lab, body, 1, "/comet/publish?channel=%s", channel);
    batch = read_since(&lab, channel, end);
    held = store_held(&lab, channel) > 0;
    if (batch_count(batch) == 0 && !held)
        return false;
    ck_assert_msg(!batch_any_gap(batch) && batch_count(batch) == 1, "%s", answer_text(batch));
    ck_assert_uint_eq(id_parse(batch_id(batch, 0)).n, 4);
    return true;
}

START_TEST(the_end_of_an_expired_history_is_no_gap) {
    until(reads_behind_an_expired_history(keep_fresh("brief")), "it expires before it is read");
}
END_TEST

/* False: on a slow machine what came last had expired, too, before it was read. */
static bool tells_what_an_expired_history_owed(const char *channel) {
    const struct answer *batch;
    const char *cursor;

    http_post(&lab, "1", 1, "/comet/publish?channel=%s", channel);
    cursor = cursor_now(&lab, channel);
    http_post(&lab, "2", 1, "/comet/publish?channel=%s", channel);
    until(store_held(&lab, channel) == 0, "the history does not expire");
    batch = read_since(&lab, channel, cursor);
    /* a process may still hold it in memory: then it is given, and no gap */
    ck_assert_msg(batch_gap(batch, channel) != (batch_count(batch) == 1), "%s", answer_text(batch));
    http_post(&lab, "3", 1, "/comet/publish?channel=%s", channel);
    batch = read_since(&lab, channel, cursor);
    if (batch_gap(batch, channel) && batch_count(batch) == 0 && store_held(&lab, channel) == 0)
        return false;
    ck_assert_msg(batch_gap(batch, channel) ? strcmp(batch_all_data(batch), "3") == 0
                                            : strcmp(batch_all_data(batch), "2,3") == 0,
                  "%s", answer_text(batch));
    return true;
}

START_TEST(an_expired_history_with_something_owed_is_a_gap) {
    until(tells_what_an_expired_history_owed(keep_fresh("brief")), "it expires before it is read");
}
END_TEST

/* payload, what is delivered (as JSON), and its encoding */
static const struct kind {
    const char *payload;
    size_t length;
    const char *data;
    const char *encoding;
} kinds[] = {
#define KIND(payload, data, encoding)                                                              \
    { payload, sizeof payload - 1, data, encoding }
    KIND("{\"b\":[1,2.5,null,true]}", "{\"b\":[1,2.5,null,true]}", NULL),
    KIND("null", "null", NULL),
    KIND("-12.5e3", "-12500.0", NULL),
    KIND("\"a\\u0000b\"", "\"a\\u0000b\"", NULL),
    KIND(" \n[1,\r\n 2]\t\n", "[1,2]", NULL),
    KIND("hello world", "\"hello world\"", NULL),
    KIND("line 1\nline 2\r\n", "\"line 1\\nline 2\\r\\n\"", NULL),
    KIND("\xe2\x82\xac \"quoted\" \\ /", "\"\xe2\x82\xac \\\"quoted\\\" \\\\ /\"", NULL),
    KIND("{\"broken\":", "\"{\\\"broken\\\":\"", NULL),
    KIND("{\"a\":1}{\"b\":2}", "\"{\\\"a\\\":1}{\\\"b\\\":2}\"", NULL),
    KIND("{\"a\":1}]", "\"{\\\"a\\\":1}]\"", NULL),
    KIND("NaN", "\"NaN\"", NULL),
    KIND("'x'", "\"'x'\"", NULL),
    KIND("", "\"\"", NULL),
    KIND("\xff\xfe\x00\x01", "\"//4AAQ==\"", "base64"),
    KIND("a\x80", "\"YYA=\"", "base64"),
    KIND("</script><!--", "\"</script><!--\"", NULL),
    KIND("\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\"", NULL),
#undef KIND
};

START_TEST(every_kind_of_payload_arrives_as_the_contract_says) {
    const char *channel = keep_fresh("kinds");
    size_t count = sizeof kinds / sizeof *kinds;
    const struct answer *batch;

    for (size_t i = 0; i < count; i++)
        store_do(&lab, "FCALL halley_publish 1 %s %b", channel, kinds[i].payload, kinds[i].length);
    batch = read_since(&lab, channel, "start");
    ck_assert_uint_eq(batch_count(batch), count);
    for (size_t i = 0; i < count; i++) {
        json_t *data = keep(json_loads(kinds[i].data, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL));
        const char *encoding =
            json_string_value(json_object_get(batch_message(batch, i), "encoding"));

        ck_assert_msg(json_equal(data, (json_t *)batch_data(batch, i)), "kind %zu: %s", i,
                      answer_text(batch));
        ck_assert_msg(!encoding == !kinds[i].encoding, "kind %zu: encoding", i);
    }
}
END_TEST

START_TEST(a_text_with_a_nul_reaches_the_subscriber) {
    const char *channel = keep_fresh("kinds");
    const struct answer *batch;

    store_do(&lab, "FCALL halley_publish 1 %s %b", channel, "a\0b", (size_t)3);
    batch = http_get(&lab, "/comet/poll?channel=%s&since=start", channel);
    ck_assert_int_eq(batch->status, 200);
    ck_assert_msg(strstr(batch->body, "\"a\\u0000b\"") != NULL, "%s", answer_text(batch));
}
END_TEST

START_TEST(a_read_after_an_acknowledged_publish_sees_it) {
    const char *channel = keep_fresh("open"), *cursor = cursor_now(&lab, channel);

    for (int i = 0; i < 60; i++) {
        const struct answer *batch;
        const char *id = store_add(&lab, channel, keepf("%d", i));

        batch = read_since(&lab, channel, cursor);
        ck_assert_msg(batch_count(batch) == 1, "after %d: %s", i, answer_text(batch));
        ck_assert_str_eq(batch_id(batch, 0), id);
        cursor = batch_cursor(batch);
    }
}
END_TEST

START_TEST(a_publisher_may_choose_the_history) {
    const char *channel = keep_fresh("chat"), *cursor = cursor_now(&lab, channel);
    struct flight *flight =
        http_get_begin(&lab, "/comet/wait?channel=%s&since=%s&timeout=40", channel, cursor);
    const struct answer *batch;

    until((http_pump(10), store_followers(&lab, channel) > 0), "nobody follows %s", channel);
    store_do(&lab, "FCALL halley_publish 1 %s 1 HISTORY 1", channel);
    batch = must_be_batch(http_land(flight));
    ck_assert_str_eq(batch_all_data(batch), "1");
    ck_assert(!batch_any_gap(batch));
    store_do(&lab, "FCALL halley_publish 1 %s 2 HISTORY 1", channel);
    ck_assert_int_eq(store_held(&lab, channel), 1);
}
END_TEST

START_TEST(info_health_and_status_say_what_they_must) {
    const struct answer *info = http_get(&lab, "/comet/info");
    const struct answer *health = http_get(&lab, "/comet/health");
    const struct answer *status = http_get(&lab, "/comet/status");

    ck_assert_int_eq(info->status, 200);
    ck_assert(json_is_string(json_object_get(info->json, "version")));
    ck_assert(json_object_get(info->json, "transports") != NULL);
    ck_assert(json_is_object(json_object_get(info->json, "limits")));
    ck_assert_int_eq(health->status, 200);
    ck_assert_int_eq(status->status, 200);
    ck_assert(json_is_integer(json_object_get(status->json, "waiters")));
    ck_assert_str_eq(answer_header(info, "Cache-Control"), "no-store");
    ck_assert_str_eq(answer_header(status, "X-Content-Type-Options"), "nosniff");
}
END_TEST

START_TEST(metrics_are_what_prometheus_reads) {
    const char *channel = keep_fresh("metrics");
    const char *line;

    http_get(&lab, "/comet/poll?channel=%s", channel);
    const struct answer *metrics = http_get(&lab, "/comet/metrics");
    ck_assert_int_eq(metrics->status, 200);
    ck_assert(strncmp(answer_header(metrics, "Content-Type"), "text/plain; version=0.0.4", 25) ==
              0);
    ck_assert(strstr(metrics->body, "# TYPE halley_requests_total counter\n") != NULL);
    line = strstr(metrics->body, "\nhalley_requests_total{endpoint=\"poll\"}");
    ck_assert(line != NULL && atoi(strchr(line, ' ') + 1) > 0);
    ck_assert(strstr(metrics->body, "transport=\"poll\"} ") != NULL);
}
END_TEST

START_TEST(head_answers_with_headers_and_no_body) {
    struct request request = {.method = "HEAD", .path = "/comet/poll?channel=chat"};
    const struct answer *answer = http_send(&lab, &request);

    ck_assert_msg(answer->status == 200 || answer->status == 405, "%d", answer->status);
    ck_assert_uint_eq(answer->length, 0);
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, poll_gives_what_came_after_the_cursor);
    tcase_add_test(tcase, wait_answers_as_soon_as_there_is_a_message);
    tcase_add_test(tcase, wait_gives_at_once_what_is_owed);
    tcase_add_test(tcase, wait_ends_with_an_empty_batch_and_a_cursor_that_misses_nothing);
    tcase_add_test(tcase, wait_with_timeout_0_is_poll);
    tcase_add_test(tcase, since_start_gives_the_whole_history);
    tcase_add_test(tcase, since_minus_k_gives_the_last_k_of_each_channel);
    tcase_add_test(tcase, since_now_gives_nothing_old);
    tcase_add_test(tcase, last_event_id_wins_over_since);
    tcase_add_test(tcase, limit_leaves_the_rest_for_the_next_answer);
    tcase_add_test(tcase, a_hundred_messages_are_the_default_limit);
    tcase_add_test(tcase, several_channels_are_merged_by_time);
    tcase_add_test(tcase, a_limit_over_several_channels_loses_nothing);
    tcase_add_test(tcase, a_post_form_reads_as_a_query_does);
    tcase_add_test(tcase, sixty_four_channels_fit_one_post);
    tcase_add_test(tcase, a_cursor_stays_good_when_the_set_of_channels_changes);
    tcase_add_test(tcase, channel_names_may_be_any_text);
    tcase_add_test(tcase, a_name_of_200_bytes_is_a_channel);
    tcase_add_test(tcase, a_hole_between_cursor_and_history_is_a_gap_and_nothing_else_is);
    tcase_add_test(tcase, a_wait_with_a_gap_answers_at_once);
    tcase_add_test(tcase, the_end_of_an_expired_history_is_no_gap);
    tcase_add_test(tcase, an_expired_history_with_something_owed_is_a_gap);
    tcase_add_test(tcase, every_kind_of_payload_arrives_as_the_contract_says);
    tcase_add_test(tcase, a_text_with_a_nul_reaches_the_subscriber);
    tcase_add_test(tcase, a_read_after_an_acknowledged_publish_sees_it);
    tcase_add_test(tcase, a_publisher_may_choose_the_history);
    tcase_add_test(tcase, info_health_and_status_say_what_they_must);
    tcase_add_test(tcase, metrics_are_what_prometheus_reads);
    tcase_add_test(tcase, head_answers_with_headers_and_no_body);
}

int main(void) {
    Suite *suite = suite_create("reading");

    e2e_on_each_server(suite, setup, teardown, add_tests);
    return e2e_run(suite);
}

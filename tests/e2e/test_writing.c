/* Writing: POST /comet/publish, FCALL halley_publish and bare PUBLISH.
 *
 * What was acknowledged is always read back, through the web server, by its
 * id; what was refused must have left no trace in Redis.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <stdlib.h>
#include <string.h>

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "writing", server);
}

static void teardown(void) {
    lab_close(&lab);
}

static const struct answer *publish(const char *channel, const char *body, size_t length) {
    return http_post(&lab, body, length, "/comet/publish?channel=%s", channel);
}

/* The id in the answer to a publish that was done; fails if it was not. */
static const char *published(const struct answer *answer) {
    const char *id = json_string_value(json_object_get(answer->json, "id"));

    ck_assert_msg(answer->status == 200 && id, "%s", answer_text(answer));
    id_parse(id);
    ck_assert(json_integer_value(json_object_get(answer->json, "at")) > 1000000000000);
    ck_assert_str_eq(answer_header(answer, "Cache-Control"), "no-store");
    return id;
}

/* `length` printable bytes that are no JSON. */
static char *filler(size_t length) {
    char *text = keep(malloc(length + 1));

    for (size_t i = 0; i < length; i++)
        text[i] = (char)('a' + i % 23);
    text[length] = '\0';
    return text;
}

START_TEST(an_acknowledged_post_is_in_the_history) {
    const char *channel = keep_fresh("open"), *id = published(publish(channel, "{\"a\":1}", 7));
    const struct answer *batch = read_since(&lab, channel, "start");

    ck_assert_str_eq(batch_id(batch, 0), id);
    ck_assert_str_eq(batch_all_data(batch), "{\"a\":1}");
    ck_assert_uint_eq(id_parse(id).n, 1);
    ck_assert_uint_eq(id_parse(published(publish(channel, "2", 1))).n, 2);
}
END_TEST

START_TEST(a_form_typed_body_is_a_payload_too) {
    const char *channel = keep_fresh("open");
    struct request request = {.path = keepf("/comet/publish?channel=%s", channel),
                              .body = "channel=x&a=b",
                              .length = 13,
                              .headers = {"Content-Type: application/x-www-form-urlencoded"}};

    published(http_send(&lab, &request));
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, "start")), "\"channel=x&a=b\"");
}
END_TEST

START_TEST(an_empty_body_is_an_empty_message) {
    const char *channel = keep_fresh("open");

    published(publish(channel, "", 0));
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, "start")), "\"\"");
}
END_TEST

START_TEST(the_same_idempotency_key_publishes_once) {
    const char *channel = keep_fresh("open"), *other = keep_fresh("open"), *first;
    struct request request = {.path = keepf("/comet/publish?channel=%s", channel),
                              .body = "1",
                              .length = 1,
                              .headers = {"Idempotency-Key: k-1"}};
    const struct answer *answer = http_send(&lab, &request), *again;

    first = published(answer);
    again = http_send(&lab, &request);
    ck_assert_str_eq(published(again), first);
    ck_assert_str_eq(again->body, answer->body);
    ck_assert_int_eq(store_held(&lab, channel), 1);
    request.headers[0] = "Idempotency-Key: k-2";
    ck_assert_str_ne(published(http_send(&lab, &request)), first);
    request.headers[0] = "Idempotency-Key: k-1";
    request.path = keepf("/comet/publish?channel=%s", other);
    published(http_send(&lab, &request));
    ck_assert_int_eq(store_held(&lab, channel), 2);
    ck_assert_int_eq(store_held(&lab, other), 1);
}
END_TEST

START_TEST(a_key_of_the_web_is_not_one_of_redis) {
    const char *channel = keep_fresh("open"), *script, *page;
    struct request request = {.path = keepf("/comet/publish?channel=%s", channel),
                              .body = "1",
                              .length = 1,
                              .headers = {"Idempotency-Key: shared"}};

    script = store_do(&lab, "FCALL halley_publish 1 %s 1 IDEMPOTENCY shared", channel)->str;
    page = published(http_send(&lab, &request));
    ck_assert_str_ne(script, page);
    ck_assert_str_eq(published(http_send(&lab, &request)), page);
    ck_assert_str_eq(store_do(&lab, "FCALL halley_publish 1 %s 1 IDEMPOTENCY shared", channel)->str,
                     script);
    ck_assert_int_eq(store_held(&lab, channel), 2);
}
END_TEST

START_TEST(a_body_of_exactly_max_message_is_taken_and_one_byte_more_is_not) {
    const char *tiny = keep_fresh("tiny"), *open = keep_fresh("open");
    const struct answer *answer;

    published(publish(tiny, "0123456789", 10));
    answer = must_be_problem(publish(tiny, "0123456789a", 11), 413, NULL);
    ck_assert_msg(strstr(answer->body, "10") != NULL, "%s", answer_text(answer));
    ck_assert_int_eq(store_held(&lab, tiny), 1);
    published(publish(open, filler(65536), 65536));
    must_be_problem(publish(open, filler(65537), 65537), 413, NULL);
    ck_assert_int_eq(store_held(&lab, open), 1);
}
END_TEST

static const size_t big_sizes[] = {100000, 102400, 200000, 1048576, 2097152};

/* Apache takes no body above FcgidMaxRequestLen, 1 MiB as shipped. */
static bool apache_refuses(size_t length) {
    return strcmp(lab.server, "apache") == 0 && length > 1048576;
}

START_TEST(big_bodies_arrive_whole_where_they_are_allowed) {
    const char *channel = keep_fresh("big");
    size_t length = apache_refuses(big_sizes[_i]) ? 1000000 : big_sizes[_i];
    const char *body = filler(length), *id = published(publish(channel, body, length));
    const struct answer *batch = read_since(&lab, channel, "start");
    const json_t *data = batch_data(batch, 0);

    ck_assert_str_eq(batch_id(batch, 0), id);
    ck_assert_uint_eq(json_string_length(data), length);
    ck_assert(memcmp(json_string_value(data), body, length) == 0);
}
END_TEST

START_TEST(big_bodies_are_refused_where_they_are_not) {
    const char *channel = keep_fresh("open");

    const struct answer *answer = publish(channel, filler(big_sizes[_i]), big_sizes[_i]);

    if (apache_refuses(big_sizes[_i]))
        ck_assert_msg(answer->status == 413, "%s", answer_text(answer));
    else
        must_be_problem(answer, 413, NULL);
    ck_assert_int_eq(store_held(&lab, channel), 0);
}
END_TEST

START_TEST(many_big_bodies_at_once_do_not_mix) {
    enum { COUNT = 6, LENGTH = 300000 };
    const char *channel = keep_fresh("big");
    struct flight *flights[COUNT];
    const struct answer *batch;

    for (int i = 0; i < COUNT; i++) {
        char *body = filler(LENGTH);
        struct request request = {.path = keepf("/comet/publish?channel=%s", channel),
                                  .body = memset(body, 'A' + i, LENGTH),
                                  .length = LENGTH};

        flights[i] = http_begin(&lab, &request);
    }
    for (int i = 0; i < COUNT; i++)
        published(http_land(flights[i]));
    for (size_t got = 0, seen = 0; got < COUNT; got += batch_count(batch)) {
        batch = read_since(&lab, channel, got ? batch_cursor(batch) : "start");
        ck_assert_uint_gt(batch_count(batch), 0);
        for (size_t i = 0; i < batch_count(batch); i++) {
            const char *text = json_string_value(batch_data(batch, i));

            ck_assert_uint_eq(strspn(text, (char[]){text[0], '\0'}), LENGTH);
            ck_assert_msg(!(seen >> (text[0] - 'A') & 1), "%c twice", text[0]);
            seen |= (size_t)1 << (text[0] - 'A');
        }
    }
}
END_TEST

START_TEST(a_chunked_upload_is_a_body_like_any_other) {
    const char *channel = keep_fresh("big");
    size_t length = 150000;
    struct request request = {.path = keepf("/comet/publish?channel=%s", channel),
                              .body = filler(length),
                              .length = length,
                              .chunked = true};
    const struct answer *batch;

    published(http_send(&lab, &request));
    request.body = "[1]";
    request.length = 3;
    published(http_send(&lab, &request));
    batch = read_since(&lab, channel, "start");
    ck_assert_uint_eq(json_string_length(batch_data(batch, 0)), length);
    ck_assert_uint_eq(json_array_size(batch_data(batch, 1)), 1);
}
END_TEST

START_TEST(a_chunked_upload_that_is_too_large_is_refused) {
    const char *channel = keep_fresh("tiny");
    struct request request = {.path = keepf("/comet/publish?channel=%s", channel),
                              .body = filler(5000),
                              .length = 5000,
                              .chunked = true};

    must_be_problem(http_send(&lab, &request), 413, NULL);
    ck_assert_int_eq(store_held(&lab, channel), 0);
}
END_TEST

START_TEST(names_that_nobody_may_publish_to_are_refused) {
    static const char *const bad[] = {"~own", "a{b", "a}b", "a*", "a%00b",    "a%0Ab",
                                      "a%7F", "%FF", "%C3", "",   "%ED%A0%80"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct answer *answer = publish(bad[i], "1", 1);
        const char *type = answer_header(answer, "Content-Type");

        /* lighttpd itself refuses control characters and %FF in a URL */
        if (strchr(bad[i], '%') && (!type || !strstr(type, "problem")))
            ck_assert_int_eq(answer->status, 400);
        else
            must_be_problem(answer, bad[i][0] == '~' ? 403 : 400, "channel");
    }
}
END_TEST

START_TEST(two_channels_in_one_publish_are_refused) {
    const char *a = keep_fresh("open"), *b = keep_fresh("open");

    must_be_problem(publish(keepf("%s&channel=%s", a, b), "1", 1), 400, "channel");
    ck_assert_int_eq(store_held(&lab, a) + store_held(&lab, b), 0);
}
END_TEST

/* --- FCALL ------------------------------------------------------------------- */

START_TEST(fcall_options_do_what_they_say) {
    const char *channel = keep_fresh("f"), *id, *key;

    id = store_do(&lab, "FCALL halley_publish 1 %s 1 IDEMPOTENCY one", channel)->str;
    ck_assert_str_eq(store_do(&lab, "FCALL halley_publish 1 %s 2 idempotency one", channel)->str,
                     id);
    ck_assert_int_eq(store_held(&lab, channel), 1);
    for (int i = 0; i < 5; i++)
        store_do(&lab, "FCALL halley_publish 1 %s %d HISTORY 3 TTL 77 IDEMPOTENCY k%d", channel, i,
                 i);
    ck_assert_int_eq(store_held(&lab, channel), 3);
    key = keepf("halley.history:{%s}", channel);
    ck_assert_int_le(store_do(&lab, "TTL %s", key)->integer, 77);
    ck_assert_int_gt(store_do(&lab, "TTL %s", key)->integer, 7);
}
END_TEST

START_TEST(fcall_returns_the_id_of_the_history_entry) {
    const char *channel = keep_fresh("f"), *id = store_add(&lab, channel, "x");
    const redisReply *entries = store_do(&lab, "XRANGE halley.history:{%s} %s %s", channel, id, id);

    ck_assert_uint_eq(entries->elements, 1);
    ck_assert_str_eq(entries->element[0]->element[0]->str, id);
}
END_TEST

/* What follows "FCALL halley_publish", and a word that the error must have. */
static const struct {
    const char *args, *word;
} wrong_calls[] = {
    {"0", "channel"},
    {"1 wrong", "payload"},
    {"2 wrong wrong2 x", "channel"},
    {"1 wrong x IDEMPOTENCY", "IDEMPOTENCY"},
    {"1 wrong x HISTORY many", "HISTORY"},
    {"1 wrong x HISTORY -1", "HISTORY"},
    {"1 wrong x HISTORY 1.5", "HISTORY"},
    {"1 wrong x TTL 0", "TTL"},
    {"1 wrong x TTL soon", "TTL"},
    {"1 wrong x COLOUR blue", "COLOUR"},
    {"1 ~wrong x", "channel"},
    {"1 wro{ng} x", "channel"},
    {"1 wrong* x", "channel"},
};

START_TEST(wrong_arguments_to_fcall_get_an_error_that_names_them) {
    for (size_t i = 0; i < sizeof wrong_calls / sizeof *wrong_calls; i++) {
        const char *command = keepf("FCALL halley_publish %s", wrong_calls[i].args);
        const redisReply *reply = store_try(&lab, command);

        ck_assert_msg(reply && reply->type == REDIS_REPLY_ERROR, "%s: no error", command);
        ck_assert_msg(strcasestr(reply->str, wrong_calls[i].word) != NULL, "%s: %s", command,
                      reply->str);
        ck_assert_msg(strstr(reply->str, "attempt to") == NULL, "%s: %s", command, reply->str);
    }
    ck_assert_int_eq(store_held(&lab, "wrong"), 0);
    ck_assert_int_eq(store_do(&lab, "EXISTS halley.meta:{wrong}")->integer, 0);
}
END_TEST

START_TEST(fcall_refuses_bytes_that_are_no_channel) {
    static const char *const bad[] = {"\xff", "a\nb", "a\x7f", "\xc3", ""};
    char name[202];

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const redisReply *reply =
            store_try(&lab, "FCALL halley_publish 1 %b x", bad[i], strlen(bad[i]));

        ck_assert_msg(reply && reply->type == REDIS_REPLY_ERROR, "name %zu is taken", i);
    }
    memset(name, 'x', 201);
    ck_assert_int_eq(store_try(&lab, "FCALL halley_publish 1 %b x", name, (size_t)201)->type,
                     REDIS_REPLY_ERROR);
    ck_assert_int_eq(store_try(&lab, "FCALL halley_publish 1 %b x", name, (size_t)200)->type,
                     REDIS_REPLY_STRING);
}
END_TEST

/* --- bare PUBLISH ------------------------------------------------------------ */

START_TEST(a_bare_publish_becomes_history) {
    const char *channel = keep_fresh("bare");

    ck_assert_int_ge(store_publish(&lab, channel, "{\"n\":1}"), 1);
    until(store_held(&lab, channel) == 1, "the worker does not take it");
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, "start")), "{\"n\":1}");
}
END_TEST

START_TEST(a_bare_publish_to_a_bad_name_harms_nobody) {
    const char *channel = keep_fresh("bare");

    store_do(&lab, "PUBLISH halley: x");
    store_do(&lab, "PUBLISH halley:~own x");
    store_do(&lab, "PUBLISH %b x", "halley:a{b}*\n\xff", (size_t)14);
    store_do(&lab, "PUBLISH halley:%s %b", channel, filler(70000), (size_t)70000);
    ck_assert_int_ge(store_publish(&lab, channel, "after"), 1);
    until(store_held(&lab, channel) >= 1, "the worker stopped working");
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, "start")), "\"after\"");
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, an_acknowledged_post_is_in_the_history);
    tcase_add_test(tcase, a_form_typed_body_is_a_payload_too);
    tcase_add_test(tcase, an_empty_body_is_an_empty_message);
    tcase_add_test(tcase, the_same_idempotency_key_publishes_once);
    tcase_add_test(tcase, a_key_of_the_web_is_not_one_of_redis);
    tcase_add_test(tcase, a_body_of_exactly_max_message_is_taken_and_one_byte_more_is_not);
    tcase_add_loop_test(tcase, big_bodies_arrive_whole_where_they_are_allowed, 0, 5);
    tcase_add_loop_test(tcase, big_bodies_are_refused_where_they_are_not, 0, 5);
    tcase_add_test(tcase, many_big_bodies_at_once_do_not_mix);
    tcase_add_test(tcase, a_chunked_upload_is_a_body_like_any_other);
    tcase_add_test(tcase, a_chunked_upload_that_is_too_large_is_refused);
    tcase_add_test(tcase, names_that_nobody_may_publish_to_are_refused);
    tcase_add_test(tcase, two_channels_in_one_publish_are_refused);
}

static void setup_lighttpd(void) {
    setup("lighttpd");
}

int main(void) {
    Suite *suite = suite_create("writing");
    TCase *redis;

    e2e_on_each_server(suite, setup, teardown, add_tests);
    redis = e2e_case(suite, "redis", setup_lighttpd, teardown);
    tcase_add_test(redis, fcall_options_do_what_they_say);
    tcase_add_test(redis, fcall_returns_the_id_of_the_history_entry);
    tcase_add_test(redis, wrong_arguments_to_fcall_get_an_error_that_names_them);
    tcase_add_test(redis, fcall_refuses_bytes_that_are_no_channel);
    tcase_add_test(redis, a_bare_publish_becomes_history);
    tcase_add_test(redis, a_bare_publish_to_a_bad_name_harms_nobody);
    return e2e_run(suite);
}

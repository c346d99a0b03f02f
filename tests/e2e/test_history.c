/* Pages of history, in both directions, on every web server. */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <string.h>

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "history");
    lab_conf(&lab, "[channel secret]\nsubscribe = none\n");
    lab_all(&lab, "history", server);
}

static void teardown(void) {
    lab_close(&lab);
}

static const char *const letters[] = {"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11"};
enum { MESSAGES = sizeof letters / sizeof *letters };

/* A channel with so many messages; `ids` are theirs. */
static const char *filled(const char *ids[MESSAGES]) {
    const char *channel = keep_fresh("past");

    for (size_t i = 0; i < MESSAGES; i++)
        ids[i] = store_add(&lab, channel, letters[i]);
    return channel;
}

static const struct answer *page(const char *channel, const char *place, int limit) {
    const struct answer *answer =
        http_get(&lab, "/comet/history?channel=%s%s&limit=%d", channel, place, limit);

    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    return answer;
}

static bool more(const struct answer *answer) {
    ck_assert(strstr(answer->body, "\"more\":true") || strstr(answer->body, "\"more\":false"));
    return strstr(answer->body, "\"more\":true") != NULL;
}

START_TEST(pages_lead_back_to_the_beginning_and_forward_again) {
    const char *ids[MESSAGES], *channel = filled(ids);
    const struct answer *last = page(channel, "", 4), *middle, *first;

    ck_assert_str_eq(batch_all_data(last), "8,9,10,11");
    ck_assert(more(last) && !batch_any_gap(last));
    middle = page(channel, keepf("&before=%s", batch_id(last, 0)), 4);
    ck_assert_str_eq(batch_all_data(middle), "4,5,6,7");
    ck_assert(more(middle) && !batch_any_gap(middle));
    first = page(channel, keepf("&before=%s", batch_id(middle, 0)), 4);
    ck_assert_str_eq(batch_all_data(first), "1,2,3");
    ck_assert(!more(first) && !batch_any_gap(first));
    ck_assert_uint_eq(batch_count(page(channel, keepf("&before=%s", ids[0]), 4)), 0);

    middle = page(channel, keepf("&after=%s", batch_id(first, 2)), 4);
    ck_assert_str_eq(batch_all_data(middle), "4,5,6,7");
    ck_assert(more(middle));
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(batch_id(middle, i), ids[3 + i]);
    last = page(channel, keepf("&after=%s", ids[6]), 4);
    ck_assert_str_eq(batch_all_data(last), "8,9,10,11");
    ck_assert(!more(last));
    ck_assert_uint_eq(batch_count(page(channel, keepf("&after=%s", ids[10]), 4)), 0);
}
END_TEST

START_TEST(what_is_missing_is_told_and_what_was_trimmed_before_is_not) {
    const char *ids[MESSAGES], *channel = filled(ids);
    const struct answer *answer;

    store_do(&lab, "XDEL halley.history:{%s} %s", channel, ids[5]);
    answer = page(channel, keepf("&before=%s", ids[8]), 4);
    ck_assert_str_eq(batch_all_data(answer), "4,5,7,8");
    ck_assert(batch_gap(answer, channel));
    ck_assert(batch_gap(page(channel, keepf("&before=%s", ids[6]), 2), channel));
    ck_assert(!batch_any_gap(page(channel, keepf("&before=%s", ids[8]), 2)));
    ck_assert(batch_gap(page(channel, keepf("&after=%s", ids[3]), 5), channel));

    store_do(&lab, "XTRIM halley.history:{%s} MINID %s", channel, ids[7]);
    answer = page(channel, "", 100);
    ck_assert_str_eq(batch_all_data(answer), "8,9,10,11");
    ck_assert(!more(answer) && !batch_any_gap(answer));
    answer = page(channel, keepf("&before=%s", ids[2]), 100);
    ck_assert_uint_eq(batch_count(answer), 0);
    ck_assert(batch_gap(answer, channel) && !more(answer));
    ck_assert(batch_gap(page(channel, keepf("&after=%s", ids[2]), 100), channel));
}
END_TEST

START_TEST(a_channel_without_history_has_an_empty_page) {
    const struct answer *answer = page(keep_fresh("past"), "", 10);

    ck_assert_str_eq(answer->body, "{\"messages\":[],\"more\":false}\n");
}
END_TEST

START_TEST(a_page_holds_what_an_answer_may_hold) {
    const char *channel = keep_fresh("past"), *text = keepf("\"%0*d\"", 15000, 0);
    size_t count = 0;

    for (int i = 0; i < 150; i++)
        store_add(&lab, channel, text);
    const struct answer *answer = page(channel, "", 1000);
    while (batch_count(answer) > 0) {
        count += batch_count(answer);
        ck_assert(answer->length < 1200 * 1024);
        ck_assert(more(answer) == (count < 150));
        answer = page(channel, keepf("&before=%s", batch_id(answer, 0)), 1000);
    }
    ck_assert_uint_eq(count, 150);
}
END_TEST

START_TEST(what_is_wrong_is_told_by_its_name) {
    static const struct {
        const char *query, *names;
        int status;
    } rows[] = {
        {"", "channel", 400},
        {"channel=a&channel=b", "channel", 400},
        {"channel=news%2F*", "channel", 400},
        {"channel=a&pattern=news%2F*", "pattern", 400},
        {"pattern=*", "pattern", 400},
        {"channel=a&limit=0", "limit", 400},
        {"channel=a&limit=1001", "limit", 400},
        {"channel=a&before=5", "before", 400},
        {"channel=a&before=", "before", 400},
        {"channel=a&after=%2B", "after", 400},
        {"channel=a&before=1-1&after=1-1", "before", 400},
        {"channel=a&after=1-1&after=1-2", "after", 400},
        {"channel=secret", "secret", 403},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        must_be_problem(http_get(&lab, "/comet/history?%s", rows[i].query), rows[i].status,
                        rows[i].names);
    const struct request head = {.method = "HEAD", .path = "/comet/history?channel=a"};
    const struct answer *answer = http_send(&lab, &head);
    ck_assert_int_eq(answer->status, 200);
    ck_assert_uint_eq(answer->length, 0);
    const struct request post = {.method = "POST", .path = "/comet/history?channel=a", .body = "x"};
    ck_assert_int_eq(http_send(&lab, &post)->status, 405);
}
END_TEST

START_TEST(looking_back_counts_as_reading) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "looking");
    lab_set(&lab, "READ_RATE", "3/60");
    lab_all(&lab, "looking", e2e_servers[0]);
    ck_assert_int_eq(http_get(&lab, "/comet/poll?channel=a")->status, 200);
    for (int i = 0; i < 2; i++)
        page("a", "", 1);
    const struct answer *over = http_get(&lab, "/comet/history?channel=a");
    must_be_problem(over, 429, "read_rate");
    ck_assert_ptr_nonnull(answer_header(over, "Retry-After"));
    lab_close(&lab);
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, pages_lead_back_to_the_beginning_and_forward_again);
    tcase_add_test(tcase, what_is_missing_is_told_and_what_was_trimmed_before_is_not);
    tcase_add_test(tcase, a_channel_without_history_has_an_empty_page);
    tcase_add_test(tcase, a_page_holds_what_an_answer_may_hold);
    tcase_add_test(tcase, what_is_wrong_is_told_by_its_name);
}

int main(void) {
    Suite *suite = suite_create("history");

    e2e_on_each_server(suite, setup, teardown, add_tests);
    TCase *limits = tcase_create("limits");
    tcase_set_timeout(limits, 120);
    tcase_add_test(limits, looking_back_counts_as_reading);
    suite_add_tcase(suite, limits);
    return e2e_run(suite);
}

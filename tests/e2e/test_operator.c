/* The operator's program, against a real Redis, a worker, and applications that hold requests. */
#include "tests/lib/e2e.h"
#include "tests/lib/flow.h"
#include "tests/lib/held.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lab lab;

enum { WORDS = 16 };

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "operator");
    lab_conf(&lab, "[channel short/*]\nhistory = 3\n[channel brief/*]\nttl = 1\n"
                   "[channel small/*]\nmax_message = 10\n");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_app(&lab, 0);
    lab_app(&lab, 1);
    flow_until_well(&lab);
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- running it ------------------------------------------------------------------------ */

static char *written(const char *name, const char *text) {
    char *path = keepf("%s/%s", lab.dir, name);
    FILE *file = fopen(path, "w");

    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
    return path;
}

/* Runs `halley` with words parted by blanks; what it writes goes to *output, kept. */
static int halley_with(const char *line, const char *input, char **output) {
    const char *argv[WORDS + 1] = {lab_program("halley"), "-f", lab.conf};
    char *text = keepf("%s", line), *rest = NULL;
    int in = input != NULL ? open(written("input", input), O_RDONLY | O_CLOEXEC) : -1;
    size_t count = 3;

    for (char *at = strtok_r(text, " ", &rest); at != NULL && count < WORDS;
         at = strtok_r(NULL, " ", &rest))
        argv[count++] = at;
    int result = proc_run(argv, lab_env(&lab, NULL), in, output, NULL);
    if (in >= 0)
        close(in);
    return result;
}

static char *halley(const char *line) {
    char *output;

    ck_assert_msg(halley_with(line, NULL, &output) == 0, "halley %s: %s", line, output);
    return output;
}

static json_t *halley_json(const char *line) {
    char *output = halley(keepf("%s --json", line));
    json_error_t error;
    json_t *json = json_loads(output, 0, &error);

    ck_assert_msg(json != NULL, "halley %s: %s: %s", line, error.text, output);
    return keep(json);
}

static const char *text_of(const json_t *json, const char *name) {
    const char *text = json_string_value(json_object_get(json, name));
    ck_assert_msg(text != NULL, "no %s", name);
    return text;
}

/* --- publish, history ------------------------------------------------------------------- */

START_TEST(what_is_published_is_held_as_it_came) {
    char *output;
    const char *channel = keep_fresh("written");

    ck_assert_int_eq(halley_with(keepf("publish %s", channel), "{\"a\": 1}", &output), 0);
    ck_assert_str_eq(output,
                     keepf("%s\n", text_of(halley_json(keepf("history %s", channel)), "id")));
    ck_assert_int_eq(halley_with(keepf("publish %s %s --json", channel, written("file", "hello")),
                                 NULL, &output),
                     0);
    json_t *posted = keep(json_loads(output, 0, NULL));
    json_t *last = halley_json(keepf("history %s --limit 1", channel));
    ck_assert_str_eq(text_of(posted, "id"), text_of(last, "id"));
    ck_assert_int_eq(json_integer_value(json_object_get(posted, "at")),
                     json_integer_value(json_object_get(last, "at")));
    ck_assert_str_eq(text_of(last, "data"), "hello");
    ck_assert_str_eq(text_of(last, "channel"), channel);
}
END_TEST

START_TEST(a_publish_reaches_who_waits) {
    const char *channel = keep_fresh("waited");
    struct held *wait = held_app(
        lab.app_socket[0], keepf("/comet/wait?channel=%s&since=now&timeout=50", channel), NULL);
    char *output;

    until(store_followers(&lab, channel) > 0, "nobody follows");
    ck_assert_int_eq(halley_with(keepf("publish %s", channel), "news", &output), 0);
    held_reach_end(wait);
    ck_assert(strstr(wait->body.data, "\"data\":\"news\"") != NULL);
    held_close(wait);
}
END_TEST

START_TEST(a_token_is_taken_back) {
    char *output;

    ck_assert_int_eq(halley_with("revoke sub alice", "", &output), 0);
    ck_assert_str_eq(output, "OK\n");
    ck_assert_int_eq(halley_with("revoke --json jti x-1 until 99999999999", "", &output), 0);
    ck_assert_str_eq(output, "{\"revoked\":true}\n");
    ck_assert_int_eq(halley_with("revoke channel chat sub bob", "", &output), 0);
    ck_assert_int_eq((int)store_do(&lab, "HLEN halley.revoked")->integer, 3);
}
END_TEST

static const struct misuse {
    const char *line;
    int result;
} misuses[] = {
    {"", 2},
    {"frob", 2},
    {"publish", 2},
    {"publish a b c", 2},
    {"publish {x}", 2},
    {"publish ~own", 2},
    {"history x --limit 0", 2},
    {"history x --frob", 2},
    {"explain x y", 2},
    {"explain no-cursor", 2},
    {"tail x --since yesterday", 2},
    {"tail", 2},
    {"revoke user alice", 2},
    {"revoke sub alice bob", 2},
    {"revoke sub alice until", 2},
    {"revoke channel chat alice", 2},
    {"revoke sub alice until tomorrow", 1},
    {"revoke channel {x} sub alice", 1},
    {"publish small/x", 1},
    {"publish chat /nowhere/at/all", 1},
    {"-o redis=unix:/nowhere/at/all channels", 1},
    {"-f /nowhere/at/all channels", 1},
    {"-o frob=1 channels", 2},
    {"-o prefix=other channels", 1},
};

START_TEST(what_cannot_be_done_is_told_by_the_exit_code) {
    for (size_t i = 0; i < sizeof misuses / sizeof *misuses; i++) {
        char *output;
        int result = halley_with(misuses[i].line, "longer than ten", &output);
        ck_assert_msg(result == misuses[i].result, "halley %s: %d", misuses[i].line, result);
        ck_assert_str_eq(output, "");
    }
}
END_TEST

START_TEST(nothing_that_a_terminal_obeys_is_written) {
    const char *channel = keep_fresh("evil");
    char *output;

    ck_assert_int_eq(
        halley_with(keepf("publish %s", channel), "\x1b]0;x\x07 \xc2\x9b \xff z\xc3\xa4", &output),
        0);
    output = halley(keepf("history %s", channel));
    ck_assert_msg(strstr(output, "\\x1b]0;x\\x07 \\xc2\\x9b \\xff z\xc3\xa4") != NULL, "%s",
                  output);
}
END_TEST

START_TEST(a_long_history_is_whole_and_a_part_is_its_end) {
    const char *channel = keep_fresh("long");
    size_t lines = 0;

    store_add_many(&lab, channel, 1000);
    for (const char *at = halley(keepf("history %s --json", channel)); *at != '\0'; at++)
        lines += *at == '\n';
    ck_assert_uint_eq(lines, 1000);
    char *part = halley(keepf("history %s --json --limit 2", channel));
    ck_assert(strstr(part, "\"data\":999}\n") != NULL);
    ck_assert(strstr(part, "\"data\":1000}\n") != NULL);
    ck_assert_ptr_null(strstr(part, "\"data\":998}"));
}
END_TEST

/* --- tail ------------------------------------------------------------------------------- */

static struct proc tail;
static char *tail_log;

static void tail_begin(const char *channel, const char *since) {
    const char *const argv[] = {
        lab_program("halley"), "-f", lab.conf, "tail", channel, "--json", "--since", since, NULL};

    tail_log = keepf("%s/%s.log", lab.dir, keep_fresh("tail"));
    proc_start(&tail, "halley", tail_log, -1, argv, lab_env(&lab, NULL));
}

static char *tail_text(void) {
    const char *const argv[] = {"cat", tail_log, NULL};
    char *text = NULL;

    proc_run(argv, environ, -1, &text, NULL);
    return keepf("%s", text);
}

/* Waits for the number, and holds all numbers so far to their order, from `first` on. */
static void tail_must_have(int first, int last) {
    const char *at;

    until(strstr(tail_text(), keepf("\"data\":%d}\n", last)), "%d does not come: %s", last,
          tail_text());
    at = tail_text();
    for (int i = first; i <= last; i++) {
        at = strstr(at, "\"data\":");
        ck_assert_msg(at != NULL && atoi(at + 7) == i, "%d is not next: %s", i, tail_text());
        at++;
    }
    ck_assert_ptr_null(strstr(at, "\"data\":"));
}

START_TEST(a_tail_writes_what_comes_once_and_in_order) {
    const char *channel = keep_fresh("tailed");

    store_add_many(&lab, channel, 5);
    tail_begin(channel, "-2");
    tail_must_have(4, 5);
    for (int i = 6; i <= 300; i++) {
        if (i % 2 == 0)
            store_add(&lab, channel, keepf("%d", i));
        else
            until(store_publish(&lab, channel, keepf("%d", i)) > 0, "no worker");
        if (i % 2 != 0) /* else the next one may overtake it */
            until(strcmp(store_do(&lab, "HGET halley.meta:{%s} n", channel)->str, keepf("%d", i)) ==
                      0,
                  "%d is not sequenced", i);
    }
    tail_must_have(4, 300);
    ck_assert_ptr_null(strstr(tail_text(), "gap"));
    proc_kill(&tail);
}
END_TEST

/* They are away for some seconds, each by itself. */
static void until_applications_are_well(void) {
    for (size_t i = 0; i < 2; i++) {
        int status = 0;
        while (status != 200) {
            struct held *held = held_app(lab.app_socket[i], "/comet/health", NULL);
            held_reach_end(held);
            status = held->status;
            held_close(held);
        }
    }
}

START_TEST(a_tail_goes_on_when_its_connections_were_cut) {
    const char *channel = keep_fresh("cut");

    tail_begin(channel, "start");
    store_add(&lab, channel, "1");
    tail_must_have(1, 1); /* who cannot begin ends */
    for (int i = 2; i <= 60; i++) {
        store_add(&lab, channel, keepf("%d", i));
        if (i % 20 == 0)
            store_do(&lab, "CLIENT KILL TYPE pubsub");
        if (i % 30 == 0)
            store_do(&lab, "CLIENT KILL TYPE normal SKIPME yes");
    }
    tail_must_have(1, 60);
    ck_assert_ptr_null(strstr(tail_text(), "gap"));
    proc_kill(&tail);
    until_applications_are_well();
}
END_TEST

START_TEST(a_tail_tells_what_is_missing) {
    const char *channel = keepf("short/%s", keep_fresh("gap"));
    const char *first;

    for (int i = 1; i <= 10; i++)
        halley_with(keepf("publish %s", channel), keepf("%d", i), &(char *){NULL});
    first = keepf("%lld-1", atoll(store_do(&lab, "HGET halley.meta:{%s} epoch", channel)->str));
    tail_begin(channel, first);
    tail_must_have(8, 10);
    char *gap = strstr(tail_text(), keepf("{\"gap\":[\"%s\"]}\n", channel));
    ck_assert_msg(gap != NULL && strstr(gap, "\"data\":8}") != NULL, "%s", tail_text());
    proc_kill(&tail);
}
END_TEST

/* --- channels --------------------------------------------------------------------------- */

static const json_t *row_of(const json_t *rows, const char *channel) {
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *row = json_array_get(rows, i);
        if (strcmp(text_of(row, "channel"), channel) == 0)
            return row;
    }
    return NULL;
}

static long long figure(const json_t *row, const char *name) {
    return json_integer_value(json_object_get(row, name));
}

START_TEST(channels_are_listed_with_who_waits_in_all_processes) {
    const char *channel = keep_fresh("listed"), *silent = keep_fresh("silent");
    struct held *waits[3];

    store_add_many(&lab, channel, 120);
    for (size_t i = 0; i < 3; i++)
        waits[i] = held_app(lab.app_socket[i % 2],
                            keepf("/comet/wait?channel=%s&since=now&timeout=50",
                                  i == 0 ? keepf("%s&channel=%s", silent, channel) : channel),
                            NULL);
    until(figure(row_of(halley_json("channels"), channel), "waiters") == 3, "not all wait");
    const json_t *rows = halley_json(keepf("channels %s", silent));
    ck_assert_uint_eq(json_array_size(rows), 1);
    ck_assert_int_eq(figure(row_of(rows, silent), "waiters"), 1);
    ck_assert_int_eq(figure(row_of(rows, silent), "history"), 0);
    const json_t *row = row_of(halley_json(keepf("channels %.5s*", channel)), channel);
    ck_assert_int_eq(figure(row, "history"), 120);
    double rate = json_real_value(json_object_get(row, "rate"));
    ck_assert_msg(rate > 0 && rate <= 2.0, "%f",
                  rate); /* 120 in a minute; fewer, once it is over */
    ck_assert(strstr(halley("channels"), channel) != NULL);
    for (size_t i = 0; i < 3; i++)
        held_close(waits[i]);
}
END_TEST

START_TEST(a_census_leaves_nothing_behind) {
    halley("channels");
    until(store_do(&lab, "KEYS halley.census:*")->elements == 0, "a list stays");
}
END_TEST

/* --- explain ---------------------------------------------------------------------------- */

static void must_be(const char *channel, const char *id, const char *state) {
    const json_t *told = halley_json(keepf("explain %s %s", channel, id));

    ck_assert_msg(strcmp(text_of(told, "state"), state) == 0, "%s %s: %s, not %s", channel, id,
                  text_of(told, "state"), state);
    ck_assert(strstr(halley(keepf("explain %s %s", channel, id)), keepf("%s: ", state)) != NULL);
}

START_TEST(each_end_of_a_message_is_explained) {
    const char *held = keep_fresh("held"), *over = keepf("short/%s", keep_fresh("over"));
    const char *brief = keepf("brief/%s", keep_fresh("brief"));
    const char *first, *last;
    char *id;

    first = store_add(&lab, held, "1");
    last = store_add(&lab, held, "2");
    must_be(held, first, "held");
    must_be(held, keepf("%.*s-3", (int)strcspn(last, "-"), last), "never given");
    must_be(held, "17-1", "another epoch");
    must_be(keep_fresh("unknown"), "17-1", "never given");
    store_do(&lab, "XDEL halley.history:{%s} %s", held, first);
    must_be(held, first, "deleted");
    must_be(held, last, "held");

    halley_with(keepf("publish %s", over), "1", &id);
    for (int i = 0; i < 3; i++)
        halley_with(keepf("publish %s", over), "2", &(char *){NULL});
    must_be(over, keepf("%.*s", (int)strcspn(id, "\n"), id), "trimmed");

    halley_with(keepf("publish %s", brief), "1", &id);
    until(store_do(&lab, "EXISTS halley.history:{%s}", brief)->integer == 0, "it does not expire");
    must_be(brief, keepf("%.*s", (int)strcspn(id, "\n"), id), "expired");
}
END_TEST

START_TEST(a_cursor_is_explained_as_a_reader_is_told) {
    const char *whole = keep_fresh("a-whole"), *over = keepf("short/%s", keep_fresh("b-over"));
    const char *first = store_add(&lab, whole, "1");
    char *id;

    store_add_many(&lab, whole, 2);
    halley_with(keepf("publish %s", over), "1", &id);
    for (int i = 0; i < 4; i++)
        halley_with(keepf("publish %s", over), "2", &(char *){NULL});
    const json_t *told =
        halley_json(keepf("explain %s@%s,%s@%.*s", whole, first, over, (int)strcspn(id, "\n"), id));
    ck_assert_uint_eq(json_array_size(told), 2);
    const json_t *one = row_of(told, whole), *other = row_of(told, over);
    ck_assert_int_eq(figure(one, "messages"), 2);
    ck_assert(json_is_false(json_object_get(one, "gap")));
    ck_assert_int_eq(figure(other, "messages"), 3);
    ck_assert(json_is_true(json_object_get(other, "gap")));
    ck_assert(strstr(text_of(other, "why"), "trimmed") != NULL);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("operator");
    TCase *all = e2e_case(suite, "operator", setup, teardown);

    tcase_add_test(all, what_is_published_is_held_as_it_came);
    tcase_add_test(all, a_publish_reaches_who_waits);
    tcase_add_test(all, a_token_is_taken_back);
    tcase_add_test(all, what_cannot_be_done_is_told_by_the_exit_code);
    tcase_add_test(all, nothing_that_a_terminal_obeys_is_written);
    tcase_add_test(all, a_long_history_is_whole_and_a_part_is_its_end);
    tcase_add_test(all, a_tail_writes_what_comes_once_and_in_order);
    tcase_add_test(all, a_tail_goes_on_when_its_connections_were_cut);
    tcase_add_test(all, a_tail_tells_what_is_missing);
    tcase_add_test(all, channels_are_listed_with_who_waits_in_all_processes);
    tcase_add_test(all, a_census_leaves_nothing_behind);
    tcase_add_test(all, each_end_of_a_message_is_explained);
    tcase_add_test(all, a_cursor_is_explained_as_a_reader_is_told);
    return e2e_run(suite);
}

/* Plain CGI: halley.fcgi run by hand, one request a process, as the simplest
 * web server would run it.
 *
 * Each run is a process that remembers nothing, so what a reader is told comes
 * from Redis alone: the gap tests here are exact where a process with a
 * memory may still hold what Redis has dropped.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "cgi");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
}

static void teardown(void) {
    lab_close(&lab);
}

/* A file that holds the body, open for reading. */
static int body_file(const char *body) {
    char *path = keepf("%s/body-%s", lab.dir, keep_fresh("b"));
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    ck_assert(fd >= 0 && write(fd, body, strlen(body)) == (ssize_t)strlen(body));
    lseek(fd, 0, SEEK_SET);
    return fd;
}

static const struct answer *run(const char *method, const char *endpoint, const char *query,
                                const char *body) {
    const char *const more[] = {"GATEWAY_INTERFACE=CGI/1.1",
                                "SERVER_PROTOCOL=HTTP/1.1",
                                "SCRIPT_NAME=/comet",
                                "REMOTE_ADDR=127.0.0.1",
                                keepf("REQUEST_METHOD=%s", method),
                                keepf("PATH_INFO=/%s", endpoint),
                                keepf("REQUEST_URI=/comet/%s?%s", endpoint, query),
                                keepf("QUERY_STRING=%s", query),
                                keepf("CONTENT_LENGTH=%s", body ? keepf("%zu", strlen(body)) : ""),
                                NULL};
    const char *const argv[] = {lab_program("halley.fcgi"), "-f", lab.conf, NULL};
    int input = body ? body_file(body) : -1;
    char *output;
    size_t length;

    ck_assert_int_eq(proc_run(argv, lab_env(&lab, more), input, &output, &length), 0);
    if (input >= 0)
        close(input);
    return answer_from_cgi(output, length);
}

static const struct answer *poll_since(const char *channel, const char *since) {
    return must_be_batch(
        run("GET", "poll", keepf("channel=%s&since=%s&limit=1000", channel, since), NULL));
}

static const char *post(const char *channel, const char *body) {
    const struct answer *answer = run("POST", "publish", keepf("channel=%s", channel), body);

    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    return json_string_value(json_object_get(answer->json, "id"));
}

START_TEST(poll_reads_and_publish_writes) {
    const char *channel = keep_fresh("open"), *cursor = batch_cursor(poll_since(channel, "now"));
    const char *id = post(channel, "{\"a\":[1,2]}");
    const struct answer *batch = poll_since(channel, cursor);

    ck_assert_str_eq(batch_id(batch, 0), id);
    ck_assert_str_eq(batch_all_data(batch), "{\"a\":[1,2]}");
    ck_assert_uint_eq(batch_count(poll_since(channel, batch_cursor(batch))), 0);
}
END_TEST

/* Publishes once somebody follows the channel. */
static pid_t publish_when_followed(const char *channel) {
    pid_t pid = fork();

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    until(store_followers(&lab, channel) > 0, "nobody follows %s", channel);
    store_publish(&lab, channel, "\"awaited\"");
    _exit(0);
}

START_TEST(wait_is_answered_by_a_publish) {
    const char *channel = keep_fresh("cgi");
    /* who has only just subscribed may yet have to ask where "now" is */
    const char *since = batch_cursor(run("GET", "poll", keepf("channel=%s", channel), NULL));
    pid_t pid = publish_when_followed(channel);
    int64_t begun = now_ms();
    const struct answer *batch = must_be_batch(
        run("GET", "wait", keepf("channel=%s&since=%s&timeout=55", channel, since), NULL));

    ck_assert_str_eq(batch_all_data(batch), "\"awaited\"");
    ck_assert_int_lt(now_ms() - begun, 45000);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(wait_ends_with_an_empty_batch) {
    const struct answer *batch =
        must_be_batch(run("GET", "wait", keepf("channel=%s&timeout=1", keep_fresh("cgi")), NULL));

    ck_assert_uint_eq(batch_count(batch), 0);
}
END_TEST

START_TEST(errors_are_problems_here_too) {
    must_be_problem(run("GET", "poll", "", NULL), 400, "channel");
    must_be_problem(run("GET", "poll", "channel=closed-1", NULL), 403, NULL);
    must_be_problem(run("GET", "nothing", "channel=a", NULL), 404, NULL);
    must_be_problem(run("DELETE", "poll", "channel=a", NULL), 405, NULL);
    must_be_problem(run("POST", "publish", "channel=tiny-1", "0123456789a"), 413, NULL);
}
END_TEST

START_TEST(control_characters_in_a_name_are_refused) {
    static const char *const bad[] = {"a%00b", "%00",  "a%0Ab", "a%0D%0Ab",
                                      "a%1F",  "a%7F", "%C2%85"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        must_be_problem(run("GET", "poll", keepf("channel=%s", bad[i]), NULL), 400, "channel");
}
END_TEST

START_TEST(a_trimmed_history_is_a_gap_exactly_where_it_ends) {
    const char *channel = keep_fresh("short"), *cursors[9];

    cursors[0] = batch_cursor(poll_since(channel, "now"));
    for (int i = 1; i <= 8; i++) {
        post(channel, keepf("%d", i));
        cursors[i] = batch_cursor(poll_since(channel, "now"));
    }
    int first = 9 - (int)store_held(&lab, channel);
    ck_assert_int_gt(first, 1);
    for (int i = 0; i <= 8; i++) {
        const struct answer *batch = poll_since(channel, cursors[i]);

        ck_assert_msg(batch_gap(batch, channel) == (i + 1 < first), "from %d, held from %d: %s", i,
                      first, answer_text(batch));
        ck_assert_uint_eq(batch_count(batch), (size_t)(8 - (i + 1 < first ? first - 1 : i)));
    }
}
END_TEST

START_TEST(an_expired_history_is_a_gap_only_for_who_was_owed_something) {
    const char *channel = keep_fresh("brief"), *owed, *end;
    const struct answer *batch;

    post(channel, "1");
    owed = batch_cursor(poll_since(channel, "now"));
    post(channel, "2");
    end = batch_cursor(poll_since(channel, "now"));
    until(store_held(&lab, channel) == 0, "the history does not expire");
    ck_assert(!batch_any_gap(poll_since(channel, end)));
    batch = poll_since(channel, owed);
    ck_assert(batch_gap(batch, channel));
    ck_assert(!batch_any_gap(poll_since(channel, batch_cursor(batch))));
    ck_assert_uint_eq(id_parse(post(channel, "3")).n, 3);
    batch = poll_since(channel, end);
    ck_assert(!batch_any_gap(batch));
    ck_assert_str_eq(batch_all_data(batch), "3");
    batch = poll_since(channel, owed);
    ck_assert(batch_gap(batch, channel));
    ck_assert_str_eq(batch_all_data(batch), "3");
}
END_TEST

START_TEST(without_redis_it_says_503_and_ends) {
    const struct answer *answer;

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "cgi-alone");
    lab_set(&lab, "REDIS_TIMEOUT", "1");
    answer = must_be_problem(run("GET", "poll", "channel=a", NULL), 503, NULL);
    ck_assert(answer_header(answer, "Retry-After") != NULL);
    must_be_problem(run("GET", "health", "", NULL), 503, NULL);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("cgi");
    TCase *cgi = e2e_case(suite, "by hand", setup, teardown);
    TCase *alone = e2e_case(suite, "alone", NULL, NULL);

    tcase_add_test(cgi, poll_reads_and_publish_writes);
    tcase_add_test(cgi, wait_is_answered_by_a_publish);
    tcase_add_test(cgi, wait_ends_with_an_empty_batch);
    tcase_add_test(cgi, errors_are_problems_here_too);
    tcase_add_test(cgi, control_characters_in_a_name_are_refused);
    tcase_add_test(cgi, a_trimmed_history_is_a_gap_exactly_where_it_ends);
    tcase_add_test(cgi, an_expired_history_is_a_gap_only_for_who_was_owed_something);
    tcase_add_test(alone, without_redis_it_says_503_and_ends);
    return e2e_run(suite);
}

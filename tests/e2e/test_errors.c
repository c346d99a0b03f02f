/* Errors: every 4xx and 5xx row of the contract, on every web server.
 *
 * The table holds what one request alone can cause. What needs a state (Redis
 * away, shutting down, no room, a rate used up) has a test of its own below.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "errors", server);
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- one request ------------------------------------------------------------- */

static const struct row {
    const char *method, *path, *header;
    int status;
    const char *names; /* what the detail must name */
} rows[] = {
    {NULL, "/comet/poll", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=", NULL, 400, "channel"},
    {NULL, "/comet/wait?since=now", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=a%7Bb", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=a%7Db", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=a*", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=%FF", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=%C0%80", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=ok&channel=%F5%80%80%80", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=a&since=yesterday", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a&since=-", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a&since=-0", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a&since=-x", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a&since=-99999999999999999999", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a&since=a@", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a&since=a@1-x", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a&since=a@99999999999999999999999-1", NULL, 400, "since"},
    {NULL, "/comet/poll?channel=a", "Last-Event-ID: not a cursor", 400, "Last-Event-ID"},
    {NULL, "/comet/wait?channel=a&timeout=soon", NULL, 400, "timeout"},
    {NULL, "/comet/wait?channel=a&timeout=-1", NULL, 400, "timeout"},
    {NULL, "/comet/wait?channel=a&timeout=56", NULL, 400, "timeout"},
    {NULL, "/comet/wait?channel=a&timeout=", NULL, 400, "timeout"},
    {NULL, "/comet/wait?channel=a&timeout=99999999999999999999", NULL, 400, "timeout"},
    {NULL, "/comet/poll?channel=a&limit=0", NULL, 400, "limit"},
    {NULL, "/comet/poll?channel=a&limit=1001", NULL, 400, "limit"},
    {NULL, "/comet/poll?channel=a&limit=ten", NULL, 400, "limit"},
    {NULL, "/comet/poll?channel=a&limit=5x", NULL, 400, "limit"},
    {"POST", "/comet/publish", NULL, 400, "channel"},
    {"POST", "/comet/publish?channel=a*", NULL, 400, "channel"},
    {NULL, "/comet/poll?channel=closed-1", NULL, 403, "channel"},
    {NULL, "/comet/wait?channel=open-1&channel=closed-1", NULL, 403, "channel"},
    {"POST", "/comet/publish?channel=closed-1", NULL, 403, "channel"},
    {"POST", "/comet/publish?channel=nobody-said-so", NULL, 403, "channel"},
    {"POST", "/comet/publish?channel=~open", NULL, 403, "channel"},
    {NULL, "/comet/nothing", NULL, 404, NULL},
    {NULL, "/comet/", NULL, 404, NULL},
    {NULL, "/comet/poll/more", NULL, 404, NULL},
    {NULL, "/comet/poll%2Fmore?channel=a", NULL, 404, NULL},
    {"POST", "/comet/nothing", NULL, 404, NULL},
    {NULL, "/comet/status?tag=a", NULL, 404, "tags"},
    {"DELETE", "/comet/poll?channel=a", NULL, 405, NULL},
    {"PUT", "/comet/wait?channel=a", NULL, 405, NULL},
    {NULL, "/comet/publish?channel=open-1", NULL, 405, NULL},
    {"POST", "/comet/info", NULL, 405, NULL},
    {"POST", "/comet/health", NULL, 405, NULL},
    {"POST", "/comet/status", NULL, 405, NULL},
};

enum { ROWS = sizeof rows / sizeof *rows };

static const struct answer *ask(const struct row *row) {
    bool posts = row->method && strcmp(row->method, "POST") == 0;
    struct request request = {.method = row->method,
                              .path = row->path,
                              .body = row->method ? "x" : NULL, /* lighttpd wants a length */
                              .length = posts,
                              .headers = {row->header}};

    return http_send(&lab, &request);
}

START_TEST(each_row_is_answered_with_its_problem) {
    for (size_t i = 0; i < ROWS; i++) {
        const struct answer *answer = ask(&rows[i]);
        const char *type = answer_header(answer, "Content-Type");
        /* what is not well encoded may be refused by the web server itself */
        bool theirs = strchr(rows[i].path, '%') && (!type || !strstr(type, "problem"));

        ck_assert_msg(answer->status == rows[i].status, "%s %s: %d expected, got %s",
                      rows[i].method ? rows[i].method : "GET", rows[i].path, rows[i].status,
                      answer_text(answer));
        if (!theirs)
            must_be_problem(answer, rows[i].status, rows[i].names);
    }
}
END_TEST

START_TEST(a_wrong_method_is_told_the_right_ones) {
    static const struct {
        const char *method, *path, *allow;
    } wrong[] = {
        {"DELETE", "/comet/poll?channel=a", "GET"},
        {"PUT", "/comet/wait?channel=a", "POST"},
        {"GET", "/comet/publish?channel=a", "POST"},
        {"PUT", "/comet/publish?channel=a", "POST"},
        {"POST", "/comet/health", "GET"},
        {"DELETE", "/comet/info", "GET"},
    };

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct request request = {
            .method = wrong[i].method, .path = wrong[i].path, .body = "", .length = 0};
        const struct answer *answer = must_be_problem(http_send(&lab, &request), 405, NULL);
        const char *allow = answer_header(answer, "Allow");

        ck_assert_msg(allow && strstr(allow, wrong[i].allow), "%s %s: Allow: %s", wrong[i].method,
                      wrong[i].path, allow ? allow : "(none)");
        ck_assert_msg(!strstr(allow, wrong[i].method), "Allow: %s", allow);
    }
}
END_TEST

START_TEST(more_than_max_channels_is_400) {
    const char *query = "channel=c0";

    for (int i = 1; i < 64; i++)
        query = keepf("%s&channel=c%d", query, i);
    must_be_batch(http_get(&lab, "/comet/poll?%s", query));
    must_be_problem(http_get(&lab, "/comet/poll?%s&channel=c64", query), 400, "channel");
}
END_TEST

START_TEST(a_name_of_201_bytes_is_400) {
    char name[202];

    memset(name, 'x', 201);
    name[201] = '\0';
    must_be_problem(http_get(&lab, "/comet/poll?channel=%s", name), 400, "channel");
}
END_TEST

START_TEST(a_form_of_another_type_is_no_form) {
    struct request request = {.path = "/comet/poll",
                              .body = "{\"channel\":\"a\"}",
                              .length = 15,
                              .headers = {"Content-Type: application/json"}};
    const struct answer *answer = http_send(&lab, &request);

    ck_assert_msg(answer->status == 400 || answer->status == 415, "%s", answer_text(answer));
    must_be_problem(answer, answer->status, NULL);
}
END_TEST

static char *long_query(size_t length) {
    char *query = keep(malloc(length + 1));

    memset(query, 'x', length);
    memcpy(query, "channel=a&pad=", 14);
    query[length] = '\0';
    return query;
}

START_TEST(a_query_over_8_kib_is_413) {
    const struct answer *answer = http_get(&lab, "/comet/poll?%s", long_query(8300));

    /* lighttpd and Apache have limits of their own near it */
    ck_assert_msg(answer->status == 413 || answer->status == 414 || answer->status == 431, "%s",
                  answer_text(answer));
    if (answer->status == 413)
        must_be_problem(answer, 413, NULL);
    must_be_batch(http_get(&lab, "/comet/poll?%s", long_query(7000)));
}
END_TEST

START_TEST(a_query_over_8_kib_that_the_web_server_lets_through_is_413) {
    const char *path = lab.app_socket[0];

    if (!lab.apps)
        return; /* the others have no socket to speak to */
    must_be_problem(fcgi_get(path, "/comet/poll?%s", long_query(8193)), 413, "8192");
    must_be_problem(fcgi_get(path, "/comet/poll?%s", long_query(60000)), 413, NULL);
    must_be_batch(fcgi_get(path, "/comet/poll?%s", long_query(8192)));
}
END_TEST

START_TEST(a_form_of_a_megabyte_is_413) {
    char *form = long_query(1000000);
    struct request request = {.path = "/comet/poll",
                              .body = form,
                              .length = strlen(form),
                              .headers = {"Content-Type: application/x-www-form-urlencoded"}};

    must_be_problem(http_send(&lab, &request), 413, NULL);
}
END_TEST

/* Whoever notices first, the web server or Halley; nobody reads all of it. */
START_TEST(a_body_that_is_said_to_be_longer_than_any_is_413) {
    static const char *const lengths[] = {"17825793", "104857600", "5000000000",
                                          "9000000000000000000"};
    static const char some[4096];

    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        const char *head = keepf("POST /comet/publish?channel=open HTTP/1.1\r\nHost: a\r\n"
                                 "Content-Length: %s\r\nConnection: close\r\n\r\n",
                                 lengths[i]);
        int fd = wire_tcp(lab.port);
        ck_assert(wire_send(fd, head, strlen(head)));
        until(wire_stirs(fd, 0) || !wire_send(fd, some, sizeof some), "%s: no answer", lengths[i]);
        const char *said = wire_read_all(fd, NULL);
        ck_assert_msg(strncmp(said, "HTTP/1.1 413 ", 13) == 0, "%s on %s: %s", lengths[i],
                      lab.server, said);
        close(fd);
    }
}
END_TEST

/* Seconds in Retry-After; fails if there are none. */
static long retry_after(const struct answer *answer) {
    const char *value = answer_header(answer, "Retry-After");
    char *end = NULL;
    long seconds = value ? strtol(value, &end, 10) : 0;

    ck_assert_msg(value && *end == '\0' && seconds >= 1, "Retry-After: %s",
                  value ? value : "(none)");
    return seconds;
}

START_TEST(a_rate_that_is_used_up_is_429_whatever_the_channels_are_called) {
    const char *channel = keep_fresh("rated");
    const struct answer *answer;

    for (int i = 0; i < 2; i++)
        ck_assert_int_eq(http_post(&lab, "1", 1, "/comet/publish?channel=%s%d", channel, i)->status,
                         200);
    answer = http_post(&lab, "1", 1, "/comet/publish?channel=%s", channel);
    must_be_problem(answer, 429, NULL);
    ck_assert_int_le(retry_after(answer), 600);
    ck_assert_int_eq(store_held(&lab, channel), 0);
}
END_TEST

START_TEST(without_the_option_tags_cost_nothing) {
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(http_get(&lab, "/comet/poll?channel=open&tag=invented%d", i)->status, 200);
    ck_assert_int_eq(http_get(&lab, "/comet/poll?channel=open&tag=no%%20tag")->status, 200);
    pause_ms(600); /* more than twice as long as accounts are collected */
    ck_assert_int_eq((int)store_do(&lab, "KEYS halley.tag*")->elements, 0);
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, without_the_option_tags_cost_nothing);
    tcase_add_test(tcase, each_row_is_answered_with_its_problem);
    tcase_add_test(tcase, a_wrong_method_is_told_the_right_ones);
    tcase_add_test(tcase, more_than_max_channels_is_400);
    tcase_add_test(tcase, a_name_of_201_bytes_is_400);
    tcase_add_test(tcase, a_form_of_another_type_is_no_form);
    tcase_add_test(tcase, a_query_over_8_kib_is_413);
    tcase_add_test(tcase, a_query_over_8_kib_that_the_web_server_lets_through_is_413);
    tcase_add_test(tcase, a_form_of_a_megabyte_is_413);
    tcase_add_test(tcase, a_body_that_is_said_to_be_longer_than_any_is_413);
    tcase_add_test(tcase, a_rate_that_is_used_up_is_429_whatever_the_channels_are_called);
}

/* --- states: each test has a lab of its own ---------------------------------- */

static void must_be_away(const struct answer *answer) {
    must_be_problem(answer, 503, NULL);
    retry_after(answer);
}

static bool says_away(void) {
    return http_get(&lab, "/comet/health")->status == 503;
}

START_TEST(redis_away_is_503_until_it_is_back) {
    const char *channel = keep_fresh("open");

    setup(e2e_servers[_i]);
    proc_stop(&lab.redis, SIGTERM);
    until(says_away(), "health does not notice that Redis is away");
    must_be_away(http_get(&lab, "/comet/health"));
    must_be_away(http_post(&lab, "1", 1, "/comet/publish?channel=%s", channel));
    must_be_away(http_get(&lab, "/comet/poll?channel=%s", channel));
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    until(http_get(&lab, "/comet/health")->status == 200, "health does not notice its return");
    until(http_post(&lab, "1", 1, "/comet/publish?channel=%s", channel)->status == 200,
          "nothing can be published after Redis has come back");
    must_be_batch(http_get(&lab, "/comet/poll?channel=%s", channel));
    teardown();
}
END_TEST

static int waiters(void) {
    return (int)json_integer_value(
        json_object_get(http_get(&lab, "/comet/status")->json, "waiters"));
}

START_TEST(near_its_limit_a_wait_is_asked_to_poll) {
    enum { NEAR = 9 }; /* of ten: the last tenth is for quick answers */
    const char *channel = keep_fresh("chat");
    struct flight *flights[NEAR];
    const struct answer *answer;

    lab_open(&lab, "room");
    lab_set(&lab, "MAX_WAITERS", "10");
    lab_all(&lab, "room", "lighttpd-socket");
    for (int i = 0; i < NEAR; i++)
        flights[i] = http_get_begin(&lab, "/comet/wait?channel=%s&timeout=55", channel);
    until((http_pump(5), waiters() >= NEAR), "the waits are not held");
    answer = must_be_batch(http_get(&lab, "/comet/wait?channel=%s&timeout=55", channel));
    ck_assert_msg(batch_retry(answer), "%s", answer_text(answer));
    ck_assert(answer->seconds < 40);
    store_add(&lab, channel, "1");
    answer = read_since(&lab, channel, batch_cursor(answer));
    ck_assert_str_eq(batch_all_data(answer), "1");
    for (int i = 0; i < NEAR; i++) {
        answer = must_be_batch(http_land(flights[i]));
        ck_assert(!batch_retry(answer));
        ck_assert_str_eq(batch_all_data(answer), "1");
    }
    answer = must_be_batch(http_get(&lab, "/comet/wait?channel=%s&timeout=1", channel));
    ck_assert_msg(!batch_retry(answer), "there is room again: %s", answer_text(answer));
    teardown();
}
END_TEST

static int landed(struct flight *const *flights, int count) {
    int landed = 0;

    for (int i = 0; i < count; i++)
        landed += http_landed(flights[i]);
    return landed;
}

START_TEST(no_room_for_another_waiter_is_503) {
    struct flight *asked[3];

    lab_open(&lab, "full");
    lab_set(&lab, "MAX_WAITERS", "2");
    lab_set(&lab, "REDIS_TIMEOUT", "60");
    lab_all(&lab, "full", "lighttpd-socket");
    proc_signal(&lab.redis, SIGSTOP);
    /* not even a poll can be answered now: of more than may be held Redis is not waited for long */
    for (int i = 0; i < 3; i++)
        asked[i] = http_get_begin(&lab, "/comet/%s?channel=%s", i == 1 ? "wait" : "poll",
                                  keep_fresh("full"));
    until((http_pump(5), landed(asked, 3) == 1), "nobody is refused");
    for (int i = 0; i < 3; i++)
        if (http_landed(asked[i]))
            must_be_away(http_land(asked[i]));
    proc_signal(&lab.redis, SIGCONT);
    store_add(&lab, "probe", "x");
    until((http_pump(5), landed(asked, 3) >= 2), "nobody is answered");
    must_be_batch(http_get(&lab, "/comet/poll?channel=%s", keep_fresh("full")));
    teardown();
}
END_TEST

START_TEST(a_request_that_arrives_while_it_shuts_down_is_answered_at_once) {
    struct bytes request = {0};
    const struct answer *answer;
    int fd;

    lab_open(&lab, "drain");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_app(&lab, 0);
    fcgi_request(&request, "GET", "/comet/wait?channel=a&timeout=50", NULL, 0);
    ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/health")->status, 200);
    fd = wire_unix(lab.app_socket[0]);
    wire_send(fd, request.data, 20);
    /* accepted for certain, as what came later on the same socket is answered */
    ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/health")->status, 200);
    proc_signal(&lab.app[0], SIGTERM);
    wire_send(fd, request.data + 20, request.length - 20);
    answer = fcgi_answer(fd);
    close(fd);
    ck_assert_uint_eq(batch_count(must_be_batch(answer)), 0);
    ck_assert_int_eq(proc_wait(&lab.app[0]), 0);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("errors");
    TCase *states;

    e2e_on_each_server(suite, setup, teardown, add_tests);
    states = e2e_case(suite, "states", NULL, NULL);
    tcase_add_loop_test(states, redis_away_is_503_until_it_is_back, 0, E2E_SERVERS);
    tcase_add_test(states, near_its_limit_a_wait_is_asked_to_poll);
    tcase_add_test(states, no_room_for_another_waiter_is_503);
    tcase_add_test(states, a_request_that_arrives_while_it_shuts_down_is_answered_at_once);
    return e2e_run(suite);
}

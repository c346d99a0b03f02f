/* Connections that nginx keeps open to the application (FCGI_KEEP_CONN), with the
 * configuration that is shipped: requests come over them, and when they end no browser
 * sees anything of it.
 *
 * A kept connection may be closed by the application in the very instant in which nginx
 * sends the next request over it. That instant is made here: the application is stopped
 * (SIGSTOP), requests are sent, another application takes its place, and it is killed.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/follower.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CROWD = 40 };

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "kept", "nginx");
}

static void teardown(void) {
    lab_close(&lab);
}

static size_t figure(const char *name) {
    const struct answer *status = http_get(&lab, "/comet/status");

    return (size_t)json_integer_value(json_object_get(status->json, name));
}

/* Over a connection of the browser's that stays open: it has its nginx worker. */
static struct flight *ask(const char *path) {
    struct request request = {.path = path, .kept_open = true};

    return http_begin(&lab, &request);
}

static void ask_all(struct flight **flights, const char *path) {
    for (int i = 0; i < CROWD; i++)
        flights[i] = ask(path);
}

static void all_land(struct flight **flights) {
    for (int i = 0; i < CROWD; i++)
        must_be_batch(http_land(flights[i]));
}

static void park(struct flight **flights, const char *channel) {
    ask_all(flights, keepf("/comet/wait?channel=%s&timeout=55", channel));
    until((http_pump(5), figure("waiters") >= CROWD), "%zu are held", figure("waiters"));
}

/* Over a connection of its own between nginx and the application. */
static void publish(const char *channel, const char *payload, size_t length) {
    const struct answer *answer =
        http_post(&lab, payload, length, "/comet/publish?channel=%s", channel);

    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
}

/* Waits that are answered leave a connection each, with the worker of each browser. */
static void keep_connections(void) {
    const char *channel = keep_fresh("keep");
    struct flight *flights[CROWD];

    park(flights, channel);
    store_add(&lab, channel, "1");
    all_land(flights);
    until(figure("connections_kept") >= CROWD, "%zu are kept", figure("connections_kept"));
}

/* --- while the application runs ------------------------------------------------------ */

START_TEST(thousands_of_requests_come_over_kept_connections) {
    enum { ROUNDS = 100 };
    const char *channel = keep_fresh("open");
    size_t requests = figure("requests"), reused = figure("requests_reused");
    size_t broken = figure("requests_broken");
    struct flight *flights[CROWD];

    for (int round = 0; round < ROUNDS; round++) {
        publish(channel, "1", 1);
        ask_all(flights,
                keepf("/comet/%s?channel=%s&since=-7", round % 2 ? "poll" : "wait", channel));
        all_land(flights);
    }
    ck_assert_int_eq(store_held(&lab, channel), ROUNDS);
    requests = figure("requests") - requests;
    reused = figure("requests_reused") - reused;
    ck_assert_uint_ge(requests, ROUNDS * (CROWD + 1));
    ck_assert_msg(reused > requests * 8 / 10, "only %zu of %zu were reused", reused, requests);
    ck_assert_uint_eq(figure("requests_broken"), broken);
}
END_TEST

/* Whatever nginx reads at a time, the end of an answer may be on either side. */
START_TEST(an_answer_of_any_size_leaves_its_connection_in_order) {
    static const struct {
        size_t from, to;
    } sizes[] = {{3700, 3860}, {7780, 7960}, {65100, 65160}, {65500, 65560}, {130900, 131100}};
    const char *channel = keep_fresh("big");
    char *payload = keep(calloc(1, 131101));
    size_t broken = figure("requests_broken");

    memset(payload, 'x', 131100);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t size = sizes[i].from; size < sizes[i].to; size += i < 2 ? 1 : 7) {
            const struct answer *answer;

            publish(channel, payload + 131100 - size, size);
            answer =
                must_be_batch(http_land(ask(keepf("/comet/poll?channel=%s&since=-1", channel))));
            ck_assert_uint_eq(json_string_length(batch_data(answer, 0)), size);
        }
    ck_assert_uint_eq(figure("requests_broken"), broken);
}
END_TEST

START_TEST(a_browser_that_leaves_takes_its_connection_along) {
    struct flight *flights[CROWD];
    size_t gone;

    keep_connections();
    gone = figure("gone");
    park(flights, keep_fresh("leave"));
    for (int i = 0; i < CROWD; i++)
        http_abandon(flights[i]);
    until(figure("waiters") == 0, "%zu are held", figure("waiters"));
    ck_assert_uint_eq(figure("gone") - gone, CROWD);
    keep_connections();
}
END_TEST

/* --- when it ends: each test has a lab of its own -------------------------------------- */

/* Another application at the place of the first, which still runs. */
static void take_its_place(void) {
    lab_app(&lab, 1);
    ck_assert_int_eq(rename(lab.app_socket[1], lab.app_socket[0]), 0);
}

START_TEST(a_kept_connection_that_breaks_under_a_request_is_not_seen) {
    const char *channel = keep_fresh("open");
    struct flight *flights[CROWD];

    setup();
    store_add(&lab, channel, "1");
    keep_connections();
    proc_signal(&lab.app[0], SIGSTOP);
    ask_all(flights, keepf("/comet/poll?channel=%s&since=start", channel));
    for (int64_t end = now_ms() + 300; now_ms() < end;) /* they are on their way */
        http_pump(20);
    take_its_place();
    for (int i = 1; i <= 5; i++) { /* a message goes to who is there, once */
        publish(channel, "2", 1);
        ck_assert_int_eq(store_held(&lab, channel), 1 + i);
    }
    proc_signal(&lab.app[0], SIGKILL);
    proc_wait(&lab.app[0]);
    all_land(flights);
    teardown();
}
END_TEST

START_TEST(an_application_that_was_killed_leaves_no_broken_connection_behind) {
    const char *channel = keep_fresh("open");
    struct flight *flights[CROWD];

    setup();
    for (int round = 1; round <= 5; round++) {
        keep_connections();
        proc_signal(&lab.app[0], SIGKILL);
        proc_wait(&lab.app[0]);
        lab_app(&lab, 0);
        ask_all(flights, keepf("/comet/poll?channel=%s&since=start", channel));
        publish(channel, "1", 1);
        all_land(flights);
        ck_assert_int_eq(store_held(&lab, channel), round);
    }
    teardown();
}
END_TEST

START_TEST(draining_does_not_wait_for_connections_that_are_only_kept) {
    struct flight *flights[CROWD];
    int64_t begun;

    setup();
    keep_connections();
    begun = now_ms();
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
    ck_assert_int_lt(now_ms() - begun, 40000); /* nginx would keep them for a minute */
    lab_app(&lab, 0);
    keep_connections();
    park(flights, keep_fresh("drain"));
    begun = now_ms();
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
    ck_assert_int_lt(now_ms() - begun, 40000);
    all_land(flights);
    teardown();
}
END_TEST

/* The workers there were end what they have begun, and new ones take what is new. */
START_TEST(a_reload_of_nginx_loses_no_message) {
    enum { COUNT = 60, RELOADS = 3 };
    const char *channel = keep_fresh("reload");
    struct follower follower = {.forgives = true};

    setup();
    follower_begin(&follower, &lab, channel, "now");
    for (int i = 1; i <= COUNT; i++) {
        if (i % (COUNT / RELOADS) == 0)
            proc_signal(&lab.web, SIGHUP);
        store_add(&lab, channel, keepf("%d", i));
        if (i % 2)
            followers_reach(&follower, 1, (size_t)i);
    }
    followers_reach(&follower, 1, COUNT);
    follower_must_have(&follower, 1, COUNT);
    follower_end(&follower);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("kept");
    TCase *kept = e2e_case(suite, "kept", setup, teardown);
    TCase *ending = e2e_case(suite, "ending", NULL, NULL);

    tcase_add_test(kept, thousands_of_requests_come_over_kept_connections);
    tcase_add_test(kept, an_answer_of_any_size_leaves_its_connection_in_order);
    tcase_add_test(kept, a_browser_that_leaves_takes_its_connection_along);
    tcase_add_test(ending, a_kept_connection_that_breaks_under_a_request_is_not_seen);
    tcase_add_test(ending, an_application_that_was_killed_leaves_no_broken_connection_behind);
    tcase_add_test(ending, draining_does_not_wait_for_connections_that_are_only_kept);
    tcase_add_test(ending, a_reload_of_nginx_loses_no_message);
    return e2e_run(suite);
}

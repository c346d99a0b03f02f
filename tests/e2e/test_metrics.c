/* The figures of all processes, whichever of them is asked: sums that no end of a process takes
 * anything from, and nothing that names a process.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/flow.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static struct lab lab;

static void setup(const char *server, size_t apps) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "metrics");
    lab_conf(&lab, "[channel room]\npublish = anyone\nhistory = 100\n");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, server, apps);
}

static void teardown(void) {
    lab_close(&lab);
}

/* The number of a series, named as it stands in the page; -1: there is none. */
static double figure(const char *series) {
    const struct answer *answer = http_get(&lab, "/comet/metrics");
    const char *line = strstr(answer->body, keepf("\n%s ", series));

    ck_assert_int_eq(answer->status, 200);
    ck_assert_ptr_null(strstr(answer->body, "process=\""));
    return line != NULL ? atof(line + 2 + strlen(series)) : -1;
}

static double polls(void) {
    return figure("halley_requests_total{endpoint=\"poll\"}");
}

static void poll_often(int times) {
    for (int i = 0; i < times; i++)
        ck_assert_int_eq(http_get(&lab, "/comet/poll?channel=room")->status, 200);
}

/* Several scrapes, as the web server gives them to its processes in turn. An answer may be here
 * before its process has told the others. */
static void must_all_say(const char *series, double number) {
    until(figure(series) == number, "%s is %g, not %g", series, figure(series), number);
    for (int i = 0; i < 6; i++)
        ck_assert_msg(figure(series) == number, "%s is %g, not %g", series, figure(series), number);
}

START_TEST(whichever_process_is_asked_says_the_same) {
    setup("lighttpd-socket", 2);
    poll_often(20);
    must_all_say("halley_requests_total{endpoint=\"poll\"}", 20);
    must_all_say("halley_processes", 2);
    must_all_say("halley_transport_messages_total{transport=\"poll\"}", 0);
    ck_assert_double_gt(figure("halley_start_time_seconds"), 1.7e9);
    until(figure("halley_worker_leader") == 1,
          "nobody leads"); /* as workers say from time to time */
    ck_assert_double_eq(figure("halley_max_waiters"), 10000);
    lab_close(&lab);
}
END_TEST

START_TEST(workers_are_told_of_by_whichever_process_and_one_of_them_leads) {
    setup("lighttpd-socket", 2);
    lab_worker(&lab, 1);
    /* they say how they are every few seconds */
    until(figure("halley_workers") == 2 && figure("halley_worker_leader") == 1, "%g work, %g lead",
          figure("halley_workers"), figure("halley_worker_leader"));
    must_all_say("halley_workers", 2);
    proc_stop(&lab.worker[0], SIGTERM);
    until(figure("halley_workers") == 1 && figure("halley_worker_leader") == 1, "%g work, %g lead",
          figure("halley_workers"), figure("halley_worker_leader"));
    must_all_say("halley_worker_queue", 0);
    lab_close(&lab);
}
END_TEST

START_TEST(nothing_is_forgotten_when_processes_end) {
    setup("lighttpd-socket", 2);
    poll_often(20);
    must_all_say("halley_requests_total{endpoint=\"poll\"}", 20);
    for (int i = 0; i < 4; i++) { /* one after the other, in either way */
        proc_stop(&lab.app[i / 2], i % 2 ? SIGTERM : SIGKILL);
        lab_app(&lab, (size_t)i / 2);
        flow_until_well(&lab);
        must_all_say("halley_requests_total{endpoint=\"poll\"}", 20 + i);
        poll_often(1);
    }
    until(figure("halley_processes") == 2, "the dead are counted");
    lab_close(&lab);
}
END_TEST

START_TEST(what_is_held_is_told_by_transport_and_goes_with_who_held_it) {
    setup("lighttpd-socket", 2);
    struct flight *waits[6];
    for (int i = 0; i < 6; i++)
        waits[i] = http_get_begin(&lab, "/comet/wait?channel=room&timeout=50");
    const char *held = "halley_transport_held{transport=\"wait\",class=\"\"}";
    until((http_pump(10), figure(held) == 6), "not all are held");
    must_all_say(held, 6);
    const struct answer *status = http_get(&lab, "/comet/status");
    ck_assert_int_eq(
        json_integer_value(json_object_get(
            json_object_get(json_object_get(status->json, "transports"), "wait"), "held")),
        6);
    proc_stop(&lab.app[0], SIGKILL);
    proc_stop(&lab.app[1], SIGKILL);
    lab_app(&lab, 0);
    lab_app(&lab, 1);
    flow_until_well(&lab);
    until(figure(held) == 0, "the killed still hold");
    for (int i = 0; i < 6; i++)
        http_abandon(waits[i]);
    lab_close(&lab);
}
END_TEST

START_TEST(every_process_of_mod_fcgid_is_counted) {
    setup("apache", 1);
    struct flight *waits[3];
    for (int i = 0; i < 3; i++)
        waits[i] = http_get_begin(&lab, "/comet/wait?channel=room");
    const char *held = "halley_transport_held{transport=\"wait\",class=\"wait\"}";
    until((http_pump(10), figure(held) == 3), "they are not held");
    store_add(&lab, "room", "1");
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(http_land(waits[i])->status, 200);
    must_all_say(held, 0);
    must_all_say("halley_transport_messages_total{transport=\"wait\"}", 3);
    lab_close(&lab);
}
END_TEST

START_TEST(times_are_counted_where_somebody_waited) {
    setup("lighttpd-socket", 2);
    store_add(&lab, "room", "1");
    http_get(&lab, "/comet/wait?channel=room&since=start");
    must_all_say("halley_delivery_seconds_count", 0);
    struct flight *wait = http_get_begin(&lab, "/comet/wait?channel=room");
    until((http_pump(10), figure("halley_waiters") == 1), "it is not held");
    store_add(&lab, "room", "2");
    ck_assert_int_eq(http_land(wait)->status, 200);
    must_all_say("halley_delivery_seconds_count", 1);
    must_all_say("halley_delivery_seconds_bucket{le=\"+Inf\"}", 1);
    ck_assert_double_gt(figure("halley_redis_roundtrip_seconds_count"), 0);
    lab_close(&lab);
}
END_TEST

START_TEST(refusals_are_told_by_what_they_name) {
    setup("lighttpd-socket", 2);
    http_get(&lab, "/comet/poll?channel=room&since=never");
    http_get(&lab, "/comet/poll");
    http_get(&lab, "/comet/nothing");
    must_all_say("halley_problems_total{status=\"400\",reason=\"since\"}", 1);
    must_all_say("halley_problems_total{status=\"400\",reason=\"channel\"}", 1);
    must_all_say("halley_problems_total{status=\"404\",reason=\"other\"}", 1);
    must_all_say("halley_requests_total{endpoint=\"none\"}", 1);
    lab_close(&lab);
}
END_TEST

START_TEST(who_counts_alone_says_so_and_answers) {
    setenv("HALLEY_COUNTS", "", 1);
    setup("nginx", 1);
    poll_often(3);
    ck_assert_double_eq(polls(), 3);
    ck_assert_double_eq(figure("halley_processes"), 1);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("metrics");
    TCase *tcase = e2e_case(suite, "metrics", NULL, teardown);

    tcase_add_test(tcase, whichever_process_is_asked_says_the_same);
    tcase_add_test(tcase, workers_are_told_of_by_whichever_process_and_one_of_them_leads);
    tcase_add_test(tcase, nothing_is_forgotten_when_processes_end);
    tcase_add_test(tcase, what_is_held_is_told_by_transport_and_goes_with_who_held_it);
    tcase_add_test(tcase, every_process_of_mod_fcgid_is_counted);
    tcase_add_test(tcase, times_are_counted_where_somebody_waited);
    tcase_add_test(tcase, refusals_are_told_by_what_they_name);
    tcase_add_test(tcase, who_counts_alone_says_so_and_answers);
    return e2e_run(suite);
}

/* A clean stop leaves no traces in Redis: what was queued for it at the end is written. */
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/reader.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <string.h>

static struct lab lab;

static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
enum { SIGNALS = sizeof signals / sizeof signals[0] };

static void open_lab(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "stop");
    lab_set(&lab, "TAGS", "on");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
}

static void teardown(void) {
    lab_close(&lab);
}

static long long reports(void) {
    return store_do(&lab, "HLEN halley.processes")->integer;
}

static long long servers_of_websockets(void) {
    return store_do(&lab, "ZCARD halley.websocket")->integer;
}

static bool offers_websockets(size_t app) {
    return strstr(fcgi_get(lab.app_socket[app], "/comet/info")->body, "\"ws\"") != NULL;
}

START_TEST(its_report_and_its_websockets_are_gone_with_a_process) {
    open_lab();
    lab_app(&lab, 1); /* somebody else, who is asked */
    lab_websockets(&lab);
    lab_app(&lab, 0);
    until(reports() == 2 && servers_of_websockets() == 1, "not all say that they are there");
    until(offers_websockets(1), "no WebSockets");
    ck_assert_int_eq(proc_stop(&lab.app[0], signals[_i]), 0);
    ck_assert_int_eq(reports(), 1);
    ck_assert_int_eq(servers_of_websockets(), 0);
    ck_assert(!offers_websockets(1));
    ck_assert_int_eq(proc_stop(&lab.app[1], signals[_i]), 0);
    ck_assert_int_eq(store_do(&lab, "EXISTS halley.processes halley.websocket")->integer, 0);
    teardown();
}
END_TEST

START_TEST(websockets_are_offered_as_long_as_one_process_serves_them) {
    open_lab();
    lab_app(&lab, 1);
    lab_websockets(&lab);
    lab_set(&lab, "PROCESSES", "2");
    lab_app(&lab, 0);
    until(reports() == 3 && servers_of_websockets() == 2, "not all say that they are there");
    pid_t children[4];
    ck_assert_uint_eq(proc_family(lab.app[0].pid, "halley.fcgi", children, 4), 2);
    store_do(&lab, "ZREM halley.websocket %s", "nobody");
    ck_assert(offers_websockets(1));
    ck_assert_int_eq(proc_stop(&lab.app[0], signals[_i]), 0);
    ck_assert_int_eq(reports(), 1);
    ck_assert_int_eq(servers_of_websockets(), 0);
    ck_assert(!offers_websockets(1));
    teardown();
}
END_TEST

/* What was spent in the last quarter of a second before the end, in which nothing is sent. */
START_TEST(the_last_tallies_are_counted) {
    enum { POLLS = 20 };

    open_lab();
    lab_app(&lab, 0);
    until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 200, "it does not serve");
    for (int round = 1; round <= 3; round++) {
        for (int i = 0; i < POLLS; i++)
            fcgi_get(lab.app_socket[0], "/comet/poll?channel=a&tag=last");
        ck_assert_int_eq(proc_stop(&lab.app[0], signals[_i]), 0);
        const redisReply *reply = store_do(&lab, "HGET halley.tag:{tags}:last requests");
        ck_assert_int_eq(reply->type, REDIS_REPLY_STRING);
        ck_assert_str_eq(reply->str, keepf("%d", POLLS * round));
        lab_app(&lab, 0);
        until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 200, "it does not serve");
    }
    teardown();
}
END_TEST

START_TEST(under_a_web_server_too) {
    static const char *const servers[] = {"lighttpd", "apache"};

    open_lab();
    lab_worker(&lab, 0);
    lab_web(&lab, servers[_i], 1);
    http_get(&lab, "/comet/poll?channel=a&tag=last");
    until(reports() >= 2, "no reports");
    proc_stop(&lab.web, SIGTERM);
    until(reports() == 1, "%lld reports", reports()); /* the worker's */
    ck_assert_int_eq(servers_of_websockets(), 0);
    teardown();
}
END_TEST

/* A Redis that does not answer delays the end by a second, and no more. */
START_TEST(a_redis_that_does_not_answer_keeps_nobody) {
    open_lab();
    lab_app(&lab, 0);
    until(reports() == 1, "no report");
    proc_signal(&lab.redis, SIGSTOP);
    ck_assert_int_eq(proc_stop(&lab.app[0], SIGTERM), 0);
    proc_signal(&lab.redis, SIGCONT);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("stop");
    TCase *stop = e2e_case(suite, "stop", NULL, NULL);

    tcase_add_loop_test(stop, its_report_and_its_websockets_are_gone_with_a_process, 0, SIGNALS);
    tcase_add_loop_test(stop, websockets_are_offered_as_long_as_one_process_serves_them, 0,
                        SIGNALS);
    tcase_add_loop_test(stop, the_last_tallies_are_counted, 0, SIGNALS);
    tcase_add_loop_test(stop, under_a_web_server_too, 0, 2);
    tcase_add_test(stop, a_redis_that_does_not_answer_keeps_nobody);
    return e2e_run(suite);
}

/* A crowd: thousands of waits parked in one process, all answered at once.
 *
 * The figure of 5,000 is the project's promise for lighttpd and nginx on a small
 * machine; `make bench` says what each of them costs.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/swarm.h"

#include <string.h>

enum { CROWD = 5000, DESCRIPTORS = 20000 };

static struct lab lab;

static void setup(const char *server) {
    swarm_allow(DESCRIPTORS);
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "crowd", server);
}

static size_t waiters(void) {
    const struct answer *status = http_get(&lab, "/comet/status");

    return (size_t)json_integer_value(json_object_get(status->json, "waiters"));
}

static const char *wait_request(const char *channel) {
    return keepf("GET /comet/wait?channel=%s&timeout=55 HTTP/1.1\r\n"
                 "Host: localhost\r\nConnection: close\r\n\r\n",
                 channel);
}

START_TEST(five_thousand_parked_waits_are_answered_by_one_publish) {
    const char *channel = keep_fresh("crowd");
    struct swarm *swarm;
    pid_t pid, same;

    setup(e2e_servers[_i]);
    ck_assert_uint_eq(lab_app_pids(&lab, &pid, 1), 1);
    swarm = swarm_begin(lab.port, CROWD, wait_request(channel));
    until((swarm_pump(swarm, 0), waiters() >= CROWD),
          "only %zu of %d are parked, the first has: %s", waiters(), CROWD, swarm_first(swarm));
    ck_assert_uint_eq(swarm_pump(swarm, 0), 0);
    ck_assert_int_ge(store_publish(&lab, channel, "{\"to\":\"all of you\"}"), 1);
    until(swarm_pump(swarm, 100) == CROWD, "%zu of %d have an answer", swarm_pump(swarm, 0), CROWD);
    ck_assert_uint_eq(swarm_holding(swarm, "HTTP/1.1 200 "), CROWD);
    ck_assert_uint_eq(swarm_holding(swarm, "\"data\":{\"to\":\"all of you\"}"), CROWD);
    ck_assert_uint_eq(waiters(), 0);
    ck_assert_uint_eq(lab_app_pids(&lab, &same, 1), 1);
    ck_assert_int_eq(same, pid);
    swarm_end(swarm);
    lab_close(&lab);
}
END_TEST

/* Requests that are given up as soon as they are sent, some before they were looked at. */
START_TEST(who_leaves_while_a_crowd_asks_harms_nobody) {
    enum { LEAVING = 300, STAYING = 1000, ROUNDS = 5 };
    const char *channel = keep_fresh("leaving");
    pid_t pid, same;

    setup(e2e_servers[_i]);
    ck_assert_uint_eq(lab_app_pids(&lab, &pid, 1), 1);
    for (int i = 0; i < ROUNDS; i++)
        swarm_end(swarm_begin(lab.port, LEAVING, wait_request(channel)));
    struct swarm *swarm =
        swarm_begin(lab.port, STAYING, wait_request(keepf("%s&since=start", channel)));
    swarm_end(swarm_begin(lab.port, LEAVING, wait_request(channel)));
    until((swarm_pump(swarm, 0), waiters() >= STAYING), "only %zu are parked", waiters());
    ck_assert_int_ge(store_publish(&lab, channel, "{\"to\":\"who stayed\"}"), 1);
    until(swarm_pump(swarm, 100) == STAYING, "%zu have an answer", swarm_pump(swarm, 0));
    ck_assert_uint_eq(swarm_holding(swarm, "\"data\":{\"to\":\"who stayed\"}"), STAYING);
    swarm_end(swarm);
    until(waiters() == 0, "%zu are held for who has left", waiters());
    ck_assert_uint_eq(lab_app_pids(&lab, &same, 1), 1);
    ck_assert_int_eq(same, pid);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("crowd");
    TCase *crowd = e2e_case(suite, "crowd", NULL, NULL);

    tcase_add_loop_test(crowd, five_thousand_parked_waits_are_answered_by_one_publish, 0,
                        E2E_THREADLESS);
    tcase_add_loop_test(crowd, who_leaves_while_a_crowd_asks_harms_nobody, 0, E2E_THREADLESS);
    return e2e_run(suite);
}

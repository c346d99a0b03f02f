/* Order: messages published as fast as possible, each seen once and in order.
 *
 * The follower itself (tests/lib/follower.c) judges every message by its id;
 * the tests look at what was published: 1, 2, 3 ... The publishers are
 * processes of their own, real redis-cli calls or a loop on one connection.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/follower.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MESSAGES = 300, SUBSCRIBERS = 4 };

static struct lab lab;

static void setup(const char *server) {
    memset(&lab, 0, sizeof lab);
    lab_all(&lab, "order", server);
}

static void teardown(void) {
    lab_close(&lab);
}

/* --- publishers -------------------------------------------------------------- */

/* One call of the real redis-cli; false unless somebody listened. */
static bool cli_publish(const char *channel, int number) {
    const char *const argv[] = {
        "redis-cli",         "-s", lab.redis_socket, "PUBLISH", keepf("halley:%s", channel),
        keepf("%d", number), NULL};
    char *heard = NULL;

    return proc_run(argv, environ, -1, &heard, NULL) == 0 && heard[0] >= '1' && heard[0] <= '9';
}

static bool connection_publish(const char *channel, int number) {
    return store_publish(&lab, channel, keepf("%d", number)) > 0;
}

/* Publishes 1 ... `count` in a process of its own, `pause` ms between two. */
static pid_t publisher(bool (*publish)(const char *, int), const char *channel, int count,
                       int pause) {
    pid_t pid = fork();

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i <= count; i++) {
        if (!publish(channel, i))
            _exit(1);
        if (pause)
            pause_ms(pause);
    }
    _exit(0);
}

static void must_have_published(pid_t pid) {
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the publisher failed: %d",
                  status);
}

/* --- one worker -------------------------------------------------------------- */

START_TEST(redis_cli_calls_reach_a_long_poller_once_and_in_order) {
    const char *channel = keep_fresh("order");
    struct follower follower = {0};
    pid_t pid;

    follower_begin(&follower, &lab, channel, "now");
    pid = publisher(cli_publish, channel, MESSAGES, 0);
    followers_reach(&follower, 1, MESSAGES);
    must_have_published(pid);
    follower_must_have(&follower, 1, MESSAGES);
    follower_end(&follower);
}
END_TEST

START_TEST(all_subscribers_see_the_same_in_the_same_order) {
    const char *channel = keep_fresh("order");
    struct follower followers[SUBSCRIBERS] = {0};
    pid_t pid;

    for (int i = 0; i < SUBSCRIBERS; i++)
        follower_begin(&followers[i], &lab, channel, "now");
    pid = publisher(connection_publish, channel, MESSAGES, 0);
    followers_reach(followers, SUBSCRIBERS, MESSAGES);
    must_have_published(pid);
    for (int i = 0; i < SUBSCRIBERS; i++) {
        follower_must_have(&followers[i], 1, MESSAGES);
        for (size_t k = 0; k < MESSAGES; k++)
            ck_assert_str_eq(follower_id(&followers[i], k), follower_id(&followers[0], k));
        follower_end(&followers[i]);
    }
}
END_TEST

START_TEST(a_burst_on_several_channels_is_in_order_in_each) {
    const char *a = keep_fresh("a"), *b = keep_fresh("b");
    struct follower follower = {0};
    pid_t pids[2];
    int next[2] = {0, 0};

    follower_begin(&follower, &lab, keepf("%s&channel=%s", a, b), "now");
    pids[0] = publisher(connection_publish, a, MESSAGES, 0);
    pids[1] = publisher(connection_publish, b, MESSAGES, 0);
    followers_reach(&follower, 1, 2 * MESSAGES);
    must_have_published(pids[0]);
    must_have_published(pids[1]);
    ck_assert_uint_eq(follower.gaps, 0);
    for (size_t i = 0; i < 2 * MESSAGES; i++) {
        const json_t *message = json_array_get(follower.messages, i);
        bool of_b = strcmp(json_string_value(json_object_get(message, "channel")), b) == 0;

        ck_assert_int_eq(json_integer_value(follower_data(&follower, i)), ++next[of_b]);
    }
    follower_end(&follower);
}
END_TEST

static void add_tests(TCase *tcase) {
    tcase_add_test(tcase, redis_cli_calls_reach_a_long_poller_once_and_in_order);
    tcase_add_test(tcase, all_subscribers_see_the_same_in_the_same_order);
    tcase_add_test(tcase, a_burst_on_several_channels_is_in_order_in_each);
}

/* --- several processes in turn ------------------------------------------------ */

static void setup_several(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "several");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, "lighttpd-socket", 3);
}

START_TEST(a_publish_is_seen_at_once_in_every_process) {
    const char *channel = keep_fresh("open"), *cursor = cursor_now(&lab, channel);

    for (int i = 1; i <= 60; i++) {
        const char *id = store_add(&lab, channel, keepf("%d", i));

        for (size_t app = 0; app < 3; app++) {
            const struct answer *batch =
                http_get(&lab, "/comet/poll?channel=%s&since=%s&limit=1000", channel, cursor);

            must_be_batch(batch);
            ck_assert_msg(batch_count(batch) == 1, "after %s: %s", id, answer_text(batch));
            ck_assert_str_eq(batch_id(batch, 0), id);
            if (app == 2)
                cursor = batch_cursor(batch);
        }
    }
}
END_TEST

/* Polls without end, in a process of its own. */
static pid_t poller(const char *channel) {
    const struct request request = {
        .path = keepf("/comet/poll?channel=%s&since=start&limit=1", channel), .kept_open = true};
    pid_t pid = fork();

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;)
        (void)http_send(&lab, &request);
}

/* Of how many processes it is known that they answered polls without asking Redis. */
static size_t processes_fresh(void) {
    const json_t *each, *list = json_object_get(http_get(&lab, "/comet/status")->json, "processes");
    size_t count = 0, i;

    json_array_foreach ((json_t *)(uintptr_t)list, i, each) {
        count += json_integer_value(json_object_get(each, "polls_fresh")) > 0;
    }
    return count;
}

/* Where polls come thick, Redis is no longer asked for each, and nothing is missed. */
START_TEST(a_publish_is_seen_at_once_where_redis_is_not_asked_for_each_poll) {
    const char *channel = keep_fresh("thick"), *cursor = cursor_now(&lab, channel);
    pid_t pollers[3];

    for (size_t i = 0; i < 3; i++)
        pollers[i] = poller(keep_fresh("other"));
    until(processes_fresh() == 3, "not every process has answered a poll without asking Redis");
    for (int i = 1; i <= 200; i++) {
        const char *id = store_add(&lab, channel, keepf("%d", i));
        const struct answer *batch =
            http_get(&lab, "/comet/poll?channel=%s&since=%s", channel, cursor);

        must_be_batch(batch);
        ck_assert_msg(batch_count(batch) == 1, "after %s: %s", id, answer_text(batch));
        ck_assert_str_eq(batch_id(batch, 0), id);
        cursor = batch_cursor(batch);
    }
    for (size_t i = 0; i < 3; i++) {
        kill(pollers[i], SIGKILL);
        waitpid(pollers[i], NULL, 0);
    }
}
END_TEST

/* --- several workers ----------------------------------------------------------- */

static void setup_workers(size_t count) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "workers");
    lab_set(&lab, "LEASE", "1000");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    for (size_t i = 0; i < count; i++)
        lab_worker(&lab, i);
    lab_web(&lab, "lighttpd", 1);
    until(store_leader(&lab) > 0, "no worker takes the lease");
}

/* The worker that holds the lease. */
static struct proc *leader(void) {
    pid_t pid = store_leader(&lab);

    for (size_t i = 0; i < LAB_WORKERS; i++)
        if (proc_started(&lab.worker[i]) && lab.worker[i].pid == pid)
            return &lab.worker[i];
    ck_abort_msg("the lease belongs to process %d, which is none of ours", (int)pid);
    return NULL;
}

/* Follows until the follower has `messages` messages. */
static void follow_to(struct follower *follower, size_t messages) {
    followers_reach(follower, 1, messages);
}

START_TEST(a_leader_killed_in_mid_run_loses_and_doubles_nothing) {
    const char *channel = keep_fresh("killed");
    struct follower follower = {0};
    struct proc *first;
    pid_t pid;

    setup_workers(2);
    follower_begin(&follower, &lab, channel, "now");
    pid = publisher(_i ? cli_publish : connection_publish, channel, MESSAGES, _i ? 0 : 2);
    follow_to(&follower, MESSAGES / 3);
    first = leader();
    proc_signal(first, SIGKILL);
    proc_wait(first);
    follow_to(&follower, MESSAGES);
    must_have_published(pid);
    follower_must_have(&follower, 1, MESSAGES);
    ck_assert_int_eq(store_held(&lab, channel), MESSAGES);
    follower_end(&follower);
    teardown();
}
END_TEST

START_TEST(leaders_killed_one_after_the_other_lose_and_double_nothing) {
    const char *channel = keep_fresh("killed");
    struct follower follower = {0};
    pid_t pid;

    setup_workers(3);
    follower_begin(&follower, &lab, channel, "now");
    pid = publisher(connection_publish, channel, MESSAGES, 8);
    for (int i = 1; i <= 2; i++) {
        struct proc *first;

        follow_to(&follower, (size_t)(MESSAGES / 4 * i));
        first = leader();
        proc_signal(first, SIGKILL);
        proc_wait(first);
    }
    follow_to(&follower, MESSAGES);
    must_have_published(pid);
    follower_must_have(&follower, 1, MESSAGES);
    ck_assert_int_eq(store_held(&lab, channel), MESSAGES);
    follower_end(&follower);
    teardown();
}
END_TEST

START_TEST(a_leader_paused_past_its_lease_wakes_and_does_no_harm) {
    const char *channel = keep_fresh("paused");
    struct follower follower = {0};
    struct proc *first;
    pid_t pid, paused;

    setup_workers(2);
    follower_begin(&follower, &lab, channel, "now");
    pid = publisher(connection_publish, channel, MESSAGES, 5);
    follow_to(&follower, MESSAGES / 4);
    first = leader();
    paused = first->pid;
    proc_signal(first, SIGSTOP);
    until((follower_turn(&follower), http_pump(10), store_leader(&lab) != paused),
          "nobody takes over from a paused leader");
    proc_signal(first, SIGCONT);
    follow_to(&follower, MESSAGES);
    must_have_published(pid);
    store_publish(&lab, channel, keepf("%d", MESSAGES + 1));
    follow_to(&follower, MESSAGES + 1);
    follower_must_have(&follower, 1, MESSAGES + 1);
    ck_assert_int_eq(store_held(&lab, channel), MESSAGES + 1);
    ck_assert(proc_runs(first));
    follower_end(&follower);
    teardown();
}
END_TEST

START_TEST(workers_that_come_and_go_in_order_lose_nothing) {
    const char *channel = keep_fresh("rolling");
    struct follower follower = {0};
    pid_t pid;

    setup_workers(2);
    follower_begin(&follower, &lab, channel, "now");
    pid = publisher(connection_publish, channel, MESSAGES, 8);
    for (size_t i = 0; i < 2; i++) {
        follow_to(&follower, MESSAGES / 5 * (i + 1));
        ck_assert_int_eq(proc_stop(&lab.worker[i], SIGTERM), 0);
        lab_worker(&lab, i);
    }
    follow_to(&follower, MESSAGES);
    must_have_published(pid);
    follower_must_have(&follower, 1, MESSAGES);
    follower_end(&follower);
    teardown();
}
END_TEST

START_TEST(what_a_worker_heard_before_it_was_stopped_is_history) {
    const char *channel = keep_fresh("stopped");
    int heard = 0, sent = 0;

    setup_workers(1);
    for (int i = 0; i < 100; i++)
        heard += connection_publish(channel, ++sent);
    proc_signal(&lab.worker[0], SIGTERM);
    for (bool listens = true; listens && sent < 100000;)
        heard += listens = connection_publish(channel, ++sent);
    ck_assert_int_eq(proc_wait(&lab.worker[0]), 0);
    lab_worker(&lab, 0);
    ck_assert_int_eq(heard, sent - 1);
    connection_publish(channel, 0);
    until(json_integer_value(batch_data(read_since(&lab, channel, "-1"), 0)) == 0,
          "the new worker does not work");
    ck_assert_int_eq(id_parse(batch_id(read_since(&lab, channel, "-1"), 0)).n, heard + 1);
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("order");
    TCase *several, *workers;

    e2e_on_each_server(suite, setup, teardown, add_tests);
    several = e2e_case(suite, "several processes", setup_several, teardown);
    add_tests(several);
    tcase_add_test(several, a_publish_is_seen_at_once_in_every_process);
    tcase_add_test(several, a_publish_is_seen_at_once_where_redis_is_not_asked_for_each_poll);
    workers = e2e_case(suite, "several workers", NULL, NULL);
    tcase_add_loop_test(workers, a_leader_killed_in_mid_run_loses_and_doubles_nothing, 0, 2);
    tcase_add_test(workers, leaders_killed_one_after_the_other_lose_and_double_nothing);
    tcase_add_test(workers, a_leader_paused_past_its_lease_wakes_and_does_no_harm);
    tcase_add_test(workers, workers_that_come_and_go_in_order_lose_nothing);
    tcase_add_test(workers, what_a_worker_heard_before_it_was_stopped_is_history);
    return e2e_run(suite);
}

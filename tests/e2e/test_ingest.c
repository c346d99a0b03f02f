/* What others publish in Redis: Laravel, Socket.IO's emitters, Juggernaut, Django, scripts. It
 * has an id and history, reaches readers through the web, and is lost by no worker's death.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/flow.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORKERS = 3, NUMBERS = 100000, KILLS = 6 };

#define SECTIONS                                                                                   \
    "[ingest shop]\npattern = laravel_database_*\nformat = laravel\n"                              \
    "[ingest emitters]\npattern = socket.io#*\nformat = socketio\n"                                \
    "[ingest applets]\npattern = juggernaut\nformat = juggernaut\n"                                \
    "[ingest django]\npattern = asgi__group__*\nformat = channels\n"                               \
    "[ingest scripts]\npattern = script.*\nchannel = scripts/*\n"

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "ingest");
    lab_conf(&lab, SECTIONS);
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_web(&lab, "http", 1);
}

static void teardown(void) {
    lab_close(&lab);
}

/* How many listened. */
static long long publish(const char *name, const char *payload, size_t len) {
    return store_do(&lab, "PUBLISH %s %b", name, payload, len)->integer;
}

static void must_arrive(const char *channel, const char *data) {
    until(batch_count(read_since(&lab, channel, "start")) > 0, "nothing arrives in %s", channel);
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, "start")), data);
}

#define HEAD                                                                                       \
    "\x93\xa7"                                                                                     \
    "emitter\x83\xa4type\x02\xa4"                                                                  \
    "data"
#define TAIL                                                                                       \
    "\xa3nsp\xa1/\x83\xa5rooms\x90\xa5"                                                            \
    "flags\x80\xa6"                                                                                \
    "except\x90"
#define ROOM                                                                                       \
    "\xa3nsp\xa1/\x83\xa5rooms\x91\xa4room\xa5"                                                    \
    "flags\x80\xa6"                                                                                \
    "except\x90"
#define BYTES(text) text, sizeof(text) - 1

static const struct {
    const char *name, *payload;
    size_t len;
    const char *channel, *data; /* with its members in order */
} rows[] = {
    {"laravel_database_orders",
     BYTES("{\"event\":\"App\\\\Events\\\\OrderShipped\",\"data\":{\"i\":1},\"socket\":null}"),
     "orders", "{\"data\":{\"i\":1},\"event\":\"App\\\\Events\\\\OrderShipped\",\"socket\":null}"},
    {"socket.io#/#",
     BYTES(HEAD "\x92\xa5hello\x81\xa1"
                "a\x01" TAIL),
     "%2F", "{\"data\":{\"a\":1},\"event\":\"hello\"}"},
    {"socket.io#/#room#", BYTES(HEAD "\x93\xa5hello\x01\xc4\x02hi" ROOM), "room",
     "{\"args\":true,\"binary\":[\"/1\"],\"data\":[1,\"aGk=\"],\"event\":\"hello\"}"},
    {"juggernaut", BYTES("{\"channels\":[\"j1\",\"j2\"],\"data\":{\"x\":1}}"), "j1", "{\"x\":1}"},
    {"asgi__group__lobby",
     BYTES("\x82\xa4type\xa4"
           "chat\xa4text\xa2hi"),
     "lobby", "{\"text\":\"hi\",\"type\":\"chat\"}"},
    {"script.news", BYTES("plain"), "scripts%2Fnews", "\"plain\""},
};

enum { ROWS = sizeof rows / sizeof *rows };

START_TEST(what_others_publish_arrives_as_their_pages_expect_it) {
    ck_assert_int_eq(publish(rows[_i].name, rows[_i].payload, rows[_i].len), 1);
    must_arrive(rows[_i].channel, rows[_i].data);
    if (strcmp(rows[_i].name, "juggernaut") == 0)
        must_arrive("j2", rows[_i].data);
}
END_TEST

START_TEST(who_waits_is_answered_with_it) {
    const char *cursor = cursor_now(&lab, "waited");
    struct flight *flight = http_get_begin(&lab, "/comet/wait?channel=waited&cursor=%s", cursor);
    const char *event = "{\"data\":{\"i\":2},\"event\":\"a\",\"socket\":\"7\"}";

    until((http_pump(5), store_followers(&lab, "waited") > 0), "nobody waits");
    publish("laravel_database_waited", event, strlen(event));
    ck_assert_str_eq(batch_all_data(http_land(flight)), event);
}
END_TEST

static int dropped(void) {
    const char *at =
        strstr(http_get(&lab, "/comet/metrics")->body, "\nhalley_worker_dropped_total ");
    return at != NULL ? atoi(at + strlen("\nhalley_worker_dropped_total ")) : -1;
}

START_TEST(what_is_not_understood_is_dropped_and_what_follows_it_is_not) {
    static const char *const bad[][2] = {{"laravel_database_next", "no JSON"},
                                         {"socket.io#/#", "{}"},
                                         {"juggernaut", "{\"channels\":[\"{}\"],\"data\":1}"},
                                         {"asgi__group__x", "\x91\x01"},
                                         {"script.{next}", "x"}};
    const char *event = "{\"data\":3,\"event\":\"a\"}";

    for (size_t i = 0; i < 5; i++)
        ck_assert_int_eq(publish(bad[i][0], bad[i][1], strlen(bad[i][1])), 1);
    publish("laravel_database_next", event, strlen(event));
    must_arrive("next", event);
    ck_assert_uint_ge(flow_lines(&lab, "worker0", "sequencer.ignored"), 1);
    until(dropped() >= 5, "%s", http_get(&lab, "/comet/metrics")->body);
}
END_TEST

START_TEST(nobody_reads_laravels_private_channels) {
    must_be_problem(http_get(&lab, "/comet/poll?channel=private-orders"), 403, "private-orders");
    must_be_problem(http_get(&lab, "/comet/poll?channel=presence-room"), 403, "presence-room");
}
END_TEST

/* Its own Redis and workers. */
static void open_alone(const char *name) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, name);
    lab_conf(&lab, SECTIONS "[channel *]\nhistory = 1000000\n");
    lab_set(&lab, "LEASE", "600");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
}

START_TEST(a_worker_that_hears_other_patterns_waits_until_the_last_has_left) {
    open_alone("patterns");
    lab_worker(&lab, 0);
    lab_conf(&lab, "[ingest scripts]\npattern = script.*\n");
    flow_worker(&lab, 1);
    until(flow_lines(&lab, "worker1", "sequencer.unjoined answer=\"ERR PATTERNS") > 0,
          "it does not say that it cannot join");
    ck_assert_int_eq(publish("script.a", "1", 1), 1);
    until(store_held(&lab, "scripts/a") == 1, "the first does not work any more");
    proc_stop(&lab.worker[0], SIGTERM);
    until(publish("script.b", "2", 1) == 1, "the other does not join");
    until(store_held(&lab, "b") > 0, "the other does not work");
    lab_close(&lab);
}
END_TEST

/* Stopped for longer than a lease. As long as it is subscribed its publishers are told that it
 * hears them, so nobody who hears others joins in its place. */
START_TEST(a_worker_that_was_stopped_loses_nothing_to_one_with_other_patterns) {
    open_alone("stopped");
    lab_worker(&lab, 0);
    proc_signal(&lab.worker[0], SIGSTOP);
    usleep(1500000); /* the lease ends */
    lab_conf(&lab, "[ingest scripts]\npattern = other.*\nchannel = new/*\n");
    flow_worker(&lab, 1);
    until(flow_lines(&lab, "worker1", "sequencer.unjoined answer=\"ERR PATTERNS") > 0,
          "it joins beside one that is stopped");
    for (int i = 0; i < 5; i++)
        ck_assert_int_eq(publish("script.a", "1", 1), 1);
    proc_signal(&lab.worker[0], SIGCONT);
    until(store_held(&lab, "scripts/a") == 5, "what it was told is lost");
    proc_signal(&lab.worker[0], SIGSTOP);
    usleep(1500000);
    proc_signal(&lab.worker[0], SIGKILL);
    proc_wait(&lab.worker[0]);
    until(publish("other.b", "2", 1) == 1, "the other does not join when it is dead");
    until(store_held(&lab, "new/b") > 0, "the other does not work");
    ck_assert_int_eq(publish("script.a", "3", 1), 0); /* and publishers are told */
    lab_close(&lab);
}
END_TEST

static void worker_becomes(int index, const char *role) {
    const char *worker = keepf("worker%d", index);
    until(flow_lines(&lab, worker, keepf("role=%s", role)) > 0, "%s is not %s", worker, role);
}

/* All workers hear it, and the one who leads counts it. */
START_TEST(what_is_dropped_is_counted_once_and_the_count_outlives_workers) {
    open_alone("dropped");
    lab_worker(&lab, 0);
    worker_becomes(0, "leading");
    lab_worker(&lab, 1);
    worker_becomes(1, "standby");
    lab_web(&lab, "nginx", 1);
    for (int i = 0; i < 2; i++) {
        worker_becomes(i, "leading");
        for (int j = 0; j < 3; j++)
            ck_assert_int_eq(publish("laravel_database_next", "no JSON", 7), 2 - i);
        until(dropped() == 3 * (i + 1), "%s", http_get(&lab, "/comet/metrics")->body);
        proc_stop(&lab.worker[i], SIGTERM);
    }
    ck_assert_int_eq(dropped(), 6);
    lab_close(&lab);
}
END_TEST

/* --- workers are killed ------------------------------------------------------------------ */

static struct log {
    int last;
    bool stop;
    int answers[NUMBERS + 1];
} * published;

/* In turn to two channels in one publish, and bare to one of them. */
static pid_t publisher(void) {
    pid_t pid = fork();
    redisContext *redis;

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    redis = redisConnectUnix(lab.redis_socket);
    while (!published->stop && published->last < NUMBERS) {
        int number = published->last + 1;
        redisReply *reply = number % 2
                                ? redisCommand(redis,
                                               "PUBLISH juggernaut {\"channels\":[\"a\",\"b\"],"
                                               "\"data\":%d}",
                                               number)
                                : redisCommand(redis, "PUBLISH halley:a %d", number);
        if (reply == NULL || reply->type != REDIS_REPLY_INTEGER)
            _exit(1);
        published->answers[number] = (int)reply->integer;
        published->last = number;
        freeReplyObject(reply);
        usleep(1000);
    }
    _exit(0);
}

/* In history are all the numbers of that step, in order. */
static void must_have_all(const char *channel, int step) {
    const redisReply *entries = store_do(&lab, "XRANGE halley.history:{%s} - +", channel);
    int number = 1 - step;

    for (size_t i = 0; i < entries->elements; i++) {
        const redisReply *fields = entries->element[i]->element[1];
        for (size_t k = 0; k + 1 < fields->elements; k += 2) {
            if (strcmp(fields->element[k]->str, "data") != 0)
                continue;
            number += step;
            ck_assert_msg(atoi(fields->element[k + 1]->str) == number, "%s: %s instead of %d",
                          channel, fields->element[k + 1]->str, number);
        }
    }
    ck_assert_int_ge(number, published->last - 1);
}

START_TEST(workers_that_die_lose_and_double_nothing_of_it) {
    pid_t pid;
    int status;

    open_alone("killed");
    published =
        mmap(NULL, sizeof *published, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(published != MAP_FAILED);
    for (size_t i = 0; i < WORKERS; i++)
        lab_worker(&lab, i);
    pid = publisher();
    for (size_t i = 0; i < KILLS; i++) {
        int from = published->last;
        until(published->last > from + 100, "nothing is published");
        proc_signal(&lab.worker[i % WORKERS], SIGKILL);
        proc_wait(&lab.worker[i % WORKERS]);
        lab_worker(&lab, i % WORKERS);
        from = published->last; /* those who heard it live until it is done */
        until(store_held(&lab, "a") >= from, "nobody takes over");
    }
    published->stop = true;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    for (int i = 1; i <= published->last; i++)
        ck_assert_int_ge(published->answers[i], 1);
    until(store_held(&lab, "a") == published->last, "%lld of %d become history",
          store_held(&lab, "a"), published->last);
    must_have_all("a", 1);
    must_have_all("b", 2);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("ingest");
    TCase *shared = e2e_case(suite, "formats", setup, teardown);
    TCase *alone = e2e_case(suite, "workers", NULL, NULL);

    tcase_add_loop_test(shared, what_others_publish_arrives_as_their_pages_expect_it, 0, ROWS);
    tcase_add_test(shared, who_waits_is_answered_with_it);
    tcase_add_test(shared, what_is_not_understood_is_dropped_and_what_follows_it_is_not);
    tcase_add_test(shared, nobody_reads_laravels_private_channels);
    tcase_add_test(alone, a_worker_that_hears_other_patterns_waits_until_the_last_has_left);
    tcase_add_test(alone, a_worker_that_was_stopped_loses_nothing_to_one_with_other_patterns);
    tcase_add_test(alone, what_is_dropped_is_counted_once_and_the_count_outlives_workers);
    tcase_add_test(alone, workers_that_die_lose_and_double_nothing_of_it);
    return e2e_run(suite);
}

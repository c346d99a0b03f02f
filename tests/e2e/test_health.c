/* /comet/health says what a publish and a wait would meet, whatever state Redis is in, in words
 * that name it; it is good again when that is over, and costs Redis next to nothing.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/flow.h"
#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct lab lab;

static void setup(void) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "health");
    lab_set(&lab, "REDIS_TIMEOUT", "2");
    lab_redis(&lab, REDIS_KEEPS_NOTHING);
    lab_worker(&lab, 0);
    lab_app(&lab, 0);
    flow_until_well(&lab);
}

static void teardown(void) {
    lab_close(&lab);
}

/* What administrators can do to it, and undo. */
static const struct row {
    const char *cause[2], *cure;
    const char *words;
} rows[] = {
    {{"REPLICAOF 127.0.0.1 1"}, "REPLICAOF NO ONE", "it is a replica"},
    {{"CONFIG SET maxmemory 1"}, "CONFIG SET maxmemory 0", "OOM "},
    {{"CONFIG SET min-replicas-to-write 1"}, "CONFIG SET min-replicas-to-write 0", "NOREPLICAS "},
    {{"ACL SETUSER default resetchannels"}, "ACL SETUSER default allchannels", "NOPERM "},
    {{"ACL SETUSER default -subscribe"}, "ACL SETUSER default +subscribe", "'subscribe'"},
    {{"ACL SETUSER default -publish"}, "ACL SETUSER default +publish", "can't run this command"},
    {{"ACL SETUSER default -fcall"}, "ACL SETUSER default +fcall", "'fcall'"},
    {{"ACL SETUSER default -function|load", "FUNCTION FLUSH"},
     "ACL SETUSER default +function|load",
     "'function|load'"},
    {{"ACL SETUSER default resetkeys"}, "ACL SETUSER default allkeys", "one of the keys"},
};

START_TEST(each_state_is_named_and_is_over_when_it_is_over) {
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int64_t begun_ms = now_ms(), named_ms;

        for (size_t k = 0; k < 2 && rows[i].cause[k]; k++)
            store_do(&lab, rows[i].cause[k]);
        flow_until_ill(&lab, rows[i].words);
        named_ms = now_ms();
        store_do(&lab, rows[i].cure);
        flow_until_well(&lab);
        printf("%s: named after %lld ms, good again after %lld\n", rows[i].words,
               (long long)(named_ms - begun_ms), (long long)(now_ms() - named_ms));
    }
}
END_TEST

/* Something stands where Redis wants to put its file. */
START_TEST(a_disk_that_takes_nothing_is_named) {
    const char *in_the_way = keepf("%s/dump.rdb", lab.dir);
    const char *const argv[] = {"rm", "-rf", in_the_way, NULL};

    proc_run(argv, environ, -1, NULL, NULL);
    ck_assert_int_eq(mkdir(in_the_way, 0700), 0);
    store_do(&lab, "CONFIG SET save %s", "3600 100000");
    store_do(&lab, "BGSAVE");
    flow_until_ill(&lab, "MISCONF ");
    proc_run(argv, environ, -1, NULL, NULL);
    store_do(&lab, "BGSAVE");
    flow_until_well(&lab);
    store_do(&lab, "CONFIG SET save %s", "");
}
END_TEST

/* One that hangs is told of as soon as its time is over, also to who asks in that time. */
START_TEST(a_redis_that_hangs_is_named) {
    int64_t begun_ms = now_ms();

    proc_signal(&lab.redis, SIGSTOP);
    flow_until_ill(&lab, "Redis ");
    printf("hangs: named after %lld ms\n", (long long)(now_ms() - begun_ms));
    proc_signal(&lab.redis, SIGCONT);
    flow_until_well(&lab);
}
END_TEST

static void start_loading(void) {
    const char *const argv[] = {
        "redis-server",   "--port",           "0",    "--unixsocket",
        lab.redis_socket, "--unixsocketperm", "777",  "--dir",
        lab.dir,          "--save",           "",     "--loading-process-events-interval-bytes",
        "1024",           "--key-load-delay", "2000", NULL};
    proc_start(&lab.redis, "redis-server", keepf("%s/redis.log", lab.dir), -1, argv, environ);
}

START_TEST(a_redis_that_is_away_or_loads_is_named) {
    for (int i = 0; i < 2000; i++)
        store_do(&lab, "SET key-%d %s", i, keep_nested(50));
    store_do(&lab, "SAVE");
    proc_kill(&lab.redis);
    flow_until_ill(&lab, "Redis is away: ");
    start_loading();
    flow_until_ill(&lab, "LOADING ");
    flow_until_well(&lab);
    store_do(&lab, "FLUSHALL");
}
END_TEST

static long long commands_done(void) {
    long long count = -1;
    const char *stats = store_do(&lab, "INFO stats")->str;

    sscanf(strstr(stats, "total_commands_processed:"), "total_commands_processed:%lld", &count);
    return count;
}

START_TEST(a_hundred_questions_cost_redis_a_few_commands) {
    enum { QUESTIONS = 400, EACH_SECOND = 20 };
    int64_t begun_ms = now_ms();
    long long before = commands_done(), more;

    for (int i = 0; i < QUESTIONS; i++)
        ck_assert_int_eq(flow_ask(&lab, "health")->status, 200);
    more = commands_done() - before;
    begun_ms = now_ms() - begun_ms;
    printf("%d questions in %lld ms: %lld commands\n", QUESTIONS, (long long)begun_ms, more);
    ck_assert_int_le(more, EACH_SECOND * (begun_ms / 1000 + 2));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("health");
    TCase *tcase = e2e_case(suite, "health", setup, teardown);
    TCase *alone = e2e_case(suite, "alone", NULL, NULL);

    tcase_add_test(tcase, each_state_is_named_and_is_over_when_it_is_over);
    tcase_add_test(tcase, a_disk_that_takes_nothing_is_named);
    tcase_add_test(tcase, a_redis_that_hangs_is_named);
    tcase_add_test(tcase, a_hundred_questions_cost_redis_a_few_commands);
    tcase_add_checked_fixture(alone, setup, teardown);
    tcase_add_test(alone, a_redis_that_is_away_or_loads_is_named); /* starts another */
    return e2e_run(suite);
}

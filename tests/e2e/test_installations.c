/* Several installations on one Redis: each with a database and a prefix of its own,
 * they never touch each other; without, they are not let in, and it is said.
 *
 * The first lab has the Redis; the second is a complete Halley beside it, whose programs
 * and whose publishers use another database of that Redis.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/follower.h"
#include "tests/lib/keep.h"
#include "tests/lib/reader.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { PAIR = 2, REDIS_DATABASE = 5 };

static struct lab pair[PAIR];
static int redis_port;

static void open_pair(void) {
    for (int i = 0; i < PAIR; i++) {
        memset(&pair[i], 0, sizeof pair[i]);
        lab_open(&pair[i], keepf("installation%d", i));
        lab_set(&pair[i], "LEASE", "600");
    }
}

static void close_pair(void) {
    for (int i = 0; i < PAIR; i++)
        lab_close(&pair[i]);
}

static void set_place(struct lab *lab, const char *prefix, int database) {
    lab_set(lab, "PREFIX", prefix);
    lab_set(lab, "REDIS", keepf("redis://127.0.0.1:%d/%d", redis_port, database));
}

/* Redis listens at a port too, because its socket's address names no database. */
static void start_redis(void) {
    lab_redis(&pair[0], REDIS_KEEPS_AOF);
    redis_port = redis_port != 0 ? redis_port : lab_free_port();
    store_do(&pair[0], "CONFIG SET port %d", redis_port);
    snprintf(pair[1].redis_socket, sizeof pair[1].redis_socket, "%s", pair[0].redis_socket);
}

/* The first is in database 0, the second in another one. */
static void begin(const char *first, const char *second) {
    open_pair();
    start_redis();
    store_do(&pair[1], "SELECT %d", REDIS_DATABASE);
    set_place(&pair[0], first, 0);
    set_place(&pair[1], second, REDIS_DATABASE);
}

static const char *log_of(const struct lab *lab, const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s.log", lab->dir, name);
    FILE *file = fopen(path, "r");
    static char text[1 << 20];
    size_t len = file != NULL ? fread(text, 1, sizeof text - 1, file) : 0;

    text[len] = '\0';
    if (file != NULL)
        fclose(file);
    return text;
}

static long long publish_bare(struct lab *lab, const char *prefix, const char *channel, int n) {
    return store_do(lab, "PUBLISH %s:%s %d", prefix, channel, n)->integer;
}

/* ------------------------------------------------------------ side by side */

enum { PUBLISHERS = 4, READ_BY = 4, READERS = PUBLISHERS * READ_BY, NUMBERS = 60 };

static const char *const prefixes[PAIR] = {"halley", "site-2"};
static const char *const channels[PUBLISHERS] = {"open-call", "open-bare", "open-post", "open-ws"};
static const enum transport read_by[READ_BY] = {WAIT, POLL, EVENTS, WS};

struct side {
    struct lab *lab;
    const char *prefix;
    struct websock *socket; /* that publishes */
    struct reader readers[READERS];
};

static void start_side(struct side *side, int which, const char *server) {
    struct lab *lab = side->lab = &pair[which];

    side->prefix = prefixes[which];
    lab_websockets(lab);
    for (size_t i = 0; i < 2; i++)
        lab_worker(lab, i);
    lab_web(lab, server, 1);
    until(publish_bare(lab, side->prefix, "probe", 0) == 2, "not both workers listen");
    until(store_leader(lab) != 0, "nobody leads");
    side->socket = websock_on(wire_tcp(lab->port), "/comet/ws", "");
    ck_assert_int_eq(websock_reach_status(side->socket), 101);
    for (int i = 0; i < READERS; i++)
        reader_begin(&side->readers[i], lab, BY_WEB, read_by[i % READ_BY], channels[i / READ_BY]);
}

static void publish_each_way(struct side *side, int n) {
    const char *text = keepf("%d", n);

    store_add(side->lab, channels[0], text);
    ck_assert_int_ge(publish_bare(side->lab, side->prefix, channels[1], n), 1);
    const struct answer *answer =
        http_post(side->lab, text, strlen(text), "/comet/publish?channel=%s", channels[2]);
    ck_assert_msg(answer->status == 200, "%s", answer_text(answer));
    ck_assert(websock_say(side->socket,
                          keepf("{\"publish\":{\"channel\":\"%s\",\"data\":%d}}", channels[3], n)));
    const char *said;
    do {
        said = websock_reach_text(side->socket);
        ck_assert_msg(strstr(said, "\"error\"") == NULL, "%s", said);
    } while (strstr(said, "\"published\"") == NULL);
    for (int i = 0; i < READERS; i++)
        reader_turn(&side->readers[i]);
}

static void kill_leader(struct side *side) {
    pid_t leader = store_leader(side->lab);

    ck_assert_int_ne(leader, 0);
    for (size_t i = 0; i < LAB_WORKERS; i++) {
        if (side->lab->worker[i].pid == leader)
            proc_signal(&side->lab->worker[i], SIGKILL);
    }
}

/* The readers' judge fails on a number that is not the next one: what the other side has
 * published would be one that was there before. */
START_TEST(installations_with_their_own_never_touch_each_other) {
    struct side *sides = keep(calloc(PAIR, sizeof *sides));

    begin(prefixes[0], prefixes[1]);
    for (int i = 0; i < PAIR; i++)
        start_side(&sides[i], i, i == 0 ? "lighttpd" : "nginx");
    for (int n = 1; n <= NUMBERS; n++) {
        for (int i = 0; i < PAIR; i++)
            publish_each_way(&sides[i], n);
        if (n == NUMBERS / 2) {
            kill_leader(&sides[0]);
            kill_leader(&sides[1]);
        }
    }
    for (int i = 0; i < PAIR; i++) {
        readers_reach(sides[i].readers, READERS, NUMBERS);
        for (int k = 0; k < READERS; k++) {
            reader_must_have(&sides[i].readers[k], NUMBERS);
            reader_end(&sides[i].readers[k]);
        }
        websock_close(sides[i].socket);
        for (int k = 0; k < PUBLISHERS; k++)
            ck_assert_int_eq(store_held(&pair[i], channels[k]), NUMBERS);
        const struct answer *status = http_get(&pair[i], "/comet/status");
        ck_assert_str_eq(json_string_value(json_object_get(status->json, "prefix")), prefixes[i]);
        ck_assert_int_eq(json_integer_value(json_object_get(status->json, "prefix_conflicts")), 0);
        /* what the other side publishes is not even heard */
        json_int_t heard = json_integer_value(json_object_get(status->json, "live"));
        ck_assert_int_eq(heard, PUBLISHERS * NUMBERS);
    }
    close_pair();
}
END_TEST

/* ------------------------------------------------------------ what is taken away */

static void remove_append_only_file(void) {
    const char *const argv[] = {"rm", "-rf", "--", keepf("%s/appendonlydir", pair[0].dir), NULL};
    ck_assert_int_eq(proc_run(argv, lab_env(&pair[0], NULL), -1, NULL, NULL), 0);
}

static void must_publish(struct lab *lab, const char *channel, int n) {
    const redisReply *reply = NULL;

    until((reply = store_try(lab, "FCALL halley_publish 1 %s %d", channel, n)) != NULL &&
              reply->type == REDIS_REPLY_STRING,
          "%s", reply != NULL ? reply->str : "no answer");
}

START_TEST(a_flushed_database_is_told_its_prefix_again) {
    const char *channel = keep_fresh("flushed");
    struct follower follower = {.forgives = true};

    begin("site", "other");
    lab_worker(&pair[0], 0);
    lab_web(&pair[0], "lighttpd", 1);
    follower_begin(&follower, &pair[0], channel, "now");
    for (int round = 1; round <= 3; round++) {
        store_do(&pair[0], "MULTI");
        store_do(&pair[0], round == 2 ? "FLUSHALL" : "FLUSHDB");
        store_do(&pair[0], "FCALL halley_publish 1 %s lost", channel);
        const redisReply *done = store_do(&pair[0], "EXEC");
        ck_assert_int_eq(done->element[1]->type, REDIS_REPLY_ERROR);
        ck_assert_msg(strstr(done->element[1]->str, "try again in a second") != NULL, "%s",
                      done->element[1]->str);
        must_publish(&pair[0], channel, round);
        followers_reach(&follower, 1, (size_t)round);
        ck_assert_int_eq(json_integer_value(follower_data(&follower, (size_t)round - 1)), round);
    }
    follower_end(&follower);
    close_pair();
}
END_TEST

/* Whichever installation's programs come first load the library. */
START_TEST(a_redis_that_forgot_everything_is_told_the_prefixes_again) {
    const char *channel = keep_fresh("forgot");
    struct follower followers[PAIR] = {{.forgives = true}, {.forgives = true}};

    begin("halley", "site");
    for (int i = 0; i < PAIR; i++) {
        lab_web(&pair[i], "lighttpd", 1);
        follower_begin(&followers[i], &pair[i], channel, "now");
    }
    for (int round = 1; round <= 3; round++) {
        proc_stop(&pair[0].redis, SIGKILL);
        store_close(&pair[1]);
        remove_append_only_file();
        start_redis();
        store_do(&pair[1], "SELECT %d", REDIS_DATABASE);
        for (int i = 0; i < PAIR; i++)
            must_publish(&pair[i], channel, 10 * i + round);
        for (int i = 0; i < PAIR; i++) {
            followers_reach(&followers[i], 1, (size_t)round);
            ck_assert_int_eq(json_integer_value(follower_data(&followers[i], (size_t)round - 1)),
                             10 * i + round);
        }
    }
    for (int i = 0; i < PAIR; i++)
        follower_end(&followers[i]);
    close_pair();
}
END_TEST

static bool redis_has_run_for(int seconds) {
    const char *at = strstr(store_do(&pair[0], "INFO server")->str, "uptime_in_seconds:");
    return strtol(at + 18, NULL, 10) >= seconds;
}

static char *library_text(void) {
    FILE *file = fopen(keepf("%s/core/redis/halley.lua", lab_root()), "r");
    char *text = keep(calloc(1, 1 << 20));

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_gt(fread(text, 1, (1 << 20) - 1, file), 1000);
    fclose(file);
    return text;
}

/* Somebody else's program loads the library into a Redis that has forgotten all: until ours
 * have looked, a publish is announced with the default prefix. Nobody misses it. */
START_TEST(what_was_announced_under_another_prefix_is_found_by_reading) {
    const char *channel = keep_fresh("forgotten");
    struct follower follower = {.forgives = true};

    begin("site", "other");
    lab_worker(&pair[0], 0);
    lab_web(&pair[0], "lighttpd", 1);
    until(redis_has_run_for(3), "time stands still"); /* who was there before, it knows by then */
    follower_begin(&follower, &pair[0], channel, "now");
    for (int n = 1; n <= 5; n++) {
        store_do(&pair[0], "MULTI");
        store_do(&pair[0], "DEL halley.prefix");
        store_do(&pair[0], "FUNCTION FLUSH");
        store_do(&pair[0], "FUNCTION LOAD %s", library_text());
        store_do(&pair[0], "FCALL halley_publish 1 %s %d", channel, n);
        ck_assert_int_eq(store_do(&pair[0], "EXEC")->element[3]->type, REDIS_REPLY_STRING);
        followers_reach(&follower, 1, (size_t)n);
    }
    follower_must_have(&follower, 1, 5);
    follower_end(&follower);
    close_pair();
}
END_TEST

/* ------------------------------------------------------------ one thing twice */

static int times_said(const char *log, const char *what) {
    int times = 0;
    for (const char *at = log; (at = strstr(at, what)) != NULL; at++)
        times++;
    return times;
}

/* Starts a program of `lab` that must not stay; its log is `name`. Each of so many processes
 * says why once, unless it is ended for what another has said. */
static void must_not_start(struct lab *lab, const char *program, const char *name, const char *says,
                           int processes) {
    const char *const argv[] = {lab_program(program),
                                "-f",
                                lab->conf,
                                strcmp(program, "halley.fcgi") == 0 ? "-l" : NULL,
                                keepf("unix:%s/refused.sock", lab->dir),
                                NULL};
    struct proc proc = {0};

    proc_start(&proc, program, keepf("%s/%s.log", lab->dir, name), -1, argv, lab_env(lab, NULL));
    ck_assert_int_eq(proc_wait(&proc), EX_CONFIG);
    const char *log = log_of(lab, name), *line = strstr(log, "error configuration prefix = ");
    ck_assert_msg(line != NULL && strstr(line, says) != NULL, "%s", log);
    ck_assert_int_le(times_said(log, "error configuration"), processes);
}

static void must_not_start_at_all(struct lab *lab, const char *says) {
    must_not_start(lab, "halley.fcgi", "refused", says, 1);
    must_not_start(lab, "halley-worker", "refused-worker", says, 1);
    lab_set(lab, "PROCESSES", "2");
    must_not_start(lab, "halley.fcgi", "refused-family", "prefix", 2);
    lab_set(lab, "PROCESSES", "1");
}

static void start_first(void) {
    lab_worker(&pair[0], 0);
    lab_web(&pair[0], "lighttpd", 1);
}

START_TEST(one_prefix_in_two_databases_does_not_start) {
    begin("halley", "halley");
    start_first();
    must_not_start_at_all(&pair[1],
                          keepf("in database 0, and this one is database %d", REDIS_DATABASE));
    ck_assert_ptr_nonnull(strstr(log_of(&pair[0], "lighttpd"), "installation.conflict prefix = "));
    until(strstr(http_get(&pair[0], "/comet/health")->body, "conflict") == NULL,
          "the conflict does not end");
    ck_assert_int_eq(http_get(&pair[0], "/comet/health")->status, 200);
    const struct answer *status = http_get(&pair[0], "/comet/status");
    ck_assert_int_ge(json_integer_value(json_object_get(status->json, "prefix_conflicts")), 1);
    close_pair();
}
END_TEST

START_TEST(two_prefixes_in_one_database_do_not_start) {
    begin("one", "two");
    set_place(&pair[1], "two", 0);
    start_first();
    must_not_start_at_all(&pair[1], "has prefix one in the same database 0");
    close_pair();
}
END_TEST

START_TEST(a_prefix_may_be_changed_once_the_old_programs_are_stopped) {
    const char *channel = keep_fresh("changed");

    begin("old", "other");
    start_first();
    proc_stop(&pair[0].web, SIGTERM);
    proc_stop(&pair[0].worker[0], SIGTERM);
    lab_set(&pair[0], "PREFIX", "new");
    start_first();
    struct follower follower = {0};
    follower_begin(&follower, &pair[0], channel, "now");
    ck_assert_int_eq(publish_bare(&pair[0], "old", channel, 0), 0);
    until(publish_bare(&pair[0], "new", "probe", 0) == 1, "the worker does not listen");
    publish_bare(&pair[0], "new", channel, 1);
    followers_reach(&follower, 1, 1);
    must_publish(&pair[0], channel, 2);
    followers_reach(&follower, 1, 2);
    follower_must_have(&follower, 1, 2);
    follower_end(&follower);
    close_pair();
}
END_TEST

/* A worker that was stopped so long that another installation has taken the database: what
 * is published with the old prefix would be lost in silence if it went on. */
START_TEST(a_worker_that_lost_its_database_listens_no_more) {
    begin("old", "new");
    set_place(&pair[1], "new", 0);
    store_do(&pair[1], "SELECT 0");
    lab_worker(&pair[0], 0);
    proc_signal(&pair[0].worker[0], SIGSTOP);
    lab_app(&pair[1], 0);
    until(fcgi_get(pair[1].app_socket[0], "/comet/health")->status == 200, "it does not serve");
    until(strncmp(store_do(&pair[0], "GET halley.prefix")->str, "new 0 ", 6) == 0,
          "the database is not taken");
    proc_signal(&pair[0].worker[0], SIGCONT);
    ck_assert_int_eq(proc_wait(&pair[0].worker[0]), EX_TEMPFAIL);
    ck_assert_ptr_nonnull(strstr(log_of(&pair[0], "worker0"), "error installation.lost prefix = "));
    ck_assert_int_eq(publish_bare(&pair[0], "old", "chat", 1), 0);
    close_pair();
}
END_TEST

/* Programs that were started before Redis cannot be refused: they say it, and do no harm. */
static void begin_late(const char *first, const char *second, int database) {
    open_pair();
    redis_port = lab_free_port();
    set_place(&pair[0], first, 0);
    set_place(&pair[1], second, database);
    for (int i = 0; i < PAIR; i++) {
        lab_app(&pair[i], 0);
        until(strstr(log_of(&pair[i], "app0"), "redis.away") != NULL, "Redis is not missed");
    }
    pause_ms(1200); /* a start that is over: Redis could not be reached */
    start_redis();
    store_do(&pair[1], "SELECT %d", database);
}

static const struct answer *app_health(int which) {
    return fcgi_get(pair[which].app_socket[0], "/comet/health");
}

/* Which of the two came second; both say what is wrong. */
static int reach_conflict(void) {
    const struct answer *health[PAIR];
    int second;

    do {
        for (int i = 0; i < PAIR; i++)
            until(strstr((health[i] = app_health(i))->body, "prefix = ") != NULL, "%s",
                  answer_text(health[i]));
        second = health[1]->status == 503;
    } while (health[second]->status != 503 || health[!second]->status != 200);
    for (int i = 0; i < PAIR; i++)
        ck_assert_ptr_nonnull(strstr(log_of(&pair[i], "app0"), "warning installation.conflict"));
    return second;
}

static const struct answer *app_wait(int which, const char *channel, const char *since) {
    return fcgi_get(pair[which].app_socket[0], "/comet/poll?channel=%s&since=%s", channel, since);
}

START_TEST(one_prefix_in_two_databases_that_is_found_late_does_no_harm) {
    const char *channel = keep_fresh("late");

    begin_late("halley", "halley", REDIS_DATABASE);
    int second = reach_conflict();
    for (int i = 0; i < PAIR; i++) { /* each has its own messages */
        until(app_wait(i, channel, "now")->status == 200, "it does not serve");
        must_publish(&pair[i], channel, i + 1);
    }
    for (int i = 0; i < PAIR; i++) {
        const char *body = app_wait(i, channel, "start")->body;
        ck_assert_msg(strstr(body, keepf("\"data\":%d}", i + 1)) != NULL, "%s", body);
        ck_assert_msg(strstr(body, keepf("\"data\":%d}", 2 - i)) == NULL, "%s", body);
    }
    /* a bare publish is sequenced by one of them */
    for (int i = 0; i < PAIR; i++) {
        const char *const argv[] = {lab_program("halley-worker"), "-f", pair[i].conf, NULL};
        proc_start(&pair[i].worker[0], "halley-worker", keepf("%s/worker0.log", pair[i].dir), -1,
                   argv, lab_env(&pair[i], NULL));
    }
    const char *bare = keep_fresh("bare");
    until(publish_bare(&pair[0], "halley", "probe", 0) == 1, "no worker listens");
    ck_assert_int_eq(proc_wait(&pair[second].worker[0]), EX_CONFIG);
    ck_assert_int_eq(publish_bare(&pair[0], "halley", bare, 1), 1);
    until(store_held(&pair[!second], bare) == 1, "it is not sequenced");
    ck_assert_int_eq(store_held(&pair[second], bare), 0);
    /* the other one ends, and this one has what is his */
    proc_stop(&pair[!second].app[0], SIGTERM);
    proc_stop(&pair[!second].worker[0], SIGTERM);
    until(app_health(second)->status == 200, "%s", answer_text(app_health(second)));
    close_pair();
}
END_TEST

START_TEST(two_prefixes_in_one_database_that_are_found_late_do_no_harm) {
    const char *channel = keep_fresh("late");

    begin_late("one", "two", 0);
    reach_conflict();
    for (int i = 0; i < PAIR; i++)
        until(app_wait(i, channel, "now")->status == 200, "it does not serve");
    must_publish(&pair[0], channel, 1);
    for (int i = 0; i < PAIR; i++)
        until(strstr(app_wait(i, channel, "start")->body, "\"data\":1}") != NULL, "not read");
    close_pair();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("installations");
    TCase *apart = e2e_case(suite, "apart", NULL, NULL);
    TCase *gone = e2e_case(suite, "gone", NULL, NULL);
    TCase *twice = e2e_case(suite, "twice", NULL, NULL);

    tcase_add_test(apart, installations_with_their_own_never_touch_each_other);
    tcase_add_test(gone, a_flushed_database_is_told_its_prefix_again);
    tcase_add_test(gone, a_redis_that_forgot_everything_is_told_the_prefixes_again);
    tcase_add_test(gone, what_was_announced_under_another_prefix_is_found_by_reading);
    tcase_add_test(twice, one_prefix_in_two_databases_does_not_start);
    tcase_add_test(twice, two_prefixes_in_one_database_do_not_start);
    tcase_add_test(twice, a_prefix_may_be_changed_once_the_old_programs_are_stopped);
    tcase_add_test(twice, a_worker_that_lost_its_database_listens_no_more);
    tcase_add_test(twice, one_prefix_in_two_databases_that_is_found_late_does_no_harm);
    tcase_add_test(twice, two_prefixes_in_one_database_that_are_found_late_do_no_harm);
    return e2e_run(suite);
}

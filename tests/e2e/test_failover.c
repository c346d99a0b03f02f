/* The master becomes another Redis: its address is turned, or sentinels name another. From then
 * on everything flows through the new one, and what it did not have is told as a gap.
 *
 * Times are printed, not judged: from the promotion until each way of publishing and reading
 * works again. They are below five seconds on a machine that has nothing else to do.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/flow.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NODES = 3, SENTINELS = 3 };

#define SECRET "of the sentinels"

static struct lab nodes[NODES]; /* a Redis each; the first one has the programs, too */
static int ports[NODES];
static struct proc sentinels[SENTINELS];
static int sentinel_ports[SENTINELS];

static struct lab *programs(void) {
    return &nodes[0];
}

static void start_node(size_t node) {
    lab_redis(&nodes[node], REDIS_KEEPS_NOTHING);
    store_do(&nodes[node], "CONFIG SET port %d", ports[node]);
    store_do(&nodes[node], "CONFIG SET repl-diskless-sync-delay 0");
}

static void follow(size_t node, size_t master) {
    store_do(&nodes[node], "REPLICAOF 127.0.0.1 %d", ports[master]);
}

static bool is_master(size_t node) {
    const redisReply *role = store_try(&nodes[node], "ROLE");
    return role && role->type == REDIS_REPLY_ARRAY && strcmp(role->element[0]->str, "master") == 0;
}

/* Whether the replica has all that its master has. */
static bool in_step(size_t node) {
    const redisReply *role = store_try(&nodes[node], "ROLE");
    return role && role->elements == 5 && strcmp(role->element[3]->str, "connected") == 0;
}

static void setup(void) {
    for (size_t i = 0; i < NODES; i++) {
        lab_open(&nodes[i], keepf("node%zu", i));
        ports[i] = lab_free_port();
        start_node(i);
    }
    for (size_t i = 1; i < NODES; i++)
        follow(i, 0);
    for (size_t i = 1; i < NODES; i++)
        until(in_step(i), "no replica");
    memset(sentinels, 0, sizeof sentinels);
}

static void teardown(void) {
    for (size_t i = 0; i < SENTINELS; i++)
        proc_kill(&sentinels[i]);
    for (size_t i = 0; i < NODES; i++)
        lab_close(&nodes[i]);
}

static void start_programs(struct flow *flow, const char *redis) {
    lab_set(programs(), "REDIS", redis);
    lab_app(programs(), 0);
    flow_worker(programs(), 0);
    flow_until_well(programs());
    flow_begin(flow, programs(), &nodes[0], keep_fresh("open-failover"));
    flow_must_run(flow, "at first", now_ms());
}

/* --- an address that is turned to another Redis --------------------------------------------- */

static const char *address(void) {
    return keepf("%s/master.sock", programs()->dir);
}

static void turn_address(size_t node) {
    const char *fresh = keepf("%s.new", address());

    ck_assert_int_eq(symlink(nodes[node].redis_socket, fresh), 0);
    ck_assert_int_eq(rename(fresh, address()), 0);
}

static bool left(size_t node) {
    const redisReply *clients = store_try(&nodes[node], "CLIENT LIST");
    return clients && clients->str && strstr(clients->str, "name=halley") == NULL;
}

static const struct turned {
    const char *name;
    const char *rights, *settings; /* of the old master */
    bool dead;                     /* what it follows is not there */
} ways[] = {
    {"a replica", "+@all", NULL, false},
    {"a replica whose role nobody may ask for", "+@all -role", NULL, false},
    {"a replica without its master", "+@all", "replica-serve-stale-data no", true},
    {"one without a master, its role a secret", "+@all -role", "replica-serve-stale-data no", true},
};

START_TEST(an_address_that_is_turned_to_the_new_master_is_followed) {
    const struct turned *way = &ways[_i];
    struct flow flow;
    int64_t since_ms;

    for (size_t i = 0; i < 2; i++)
        store_do(&nodes[i], keepf("ACL SETUSER visitor on >pw ~* &* %s", way->rights));
    turn_address(0);
    start_programs(&flow, keepf("unix:%s?user=visitor&password=pw", address()));
    until(store_held(&nodes[1], flow.channel) == 3, "not replicated");
    since_ms = now_ms();
    store_do(&nodes[1], "REPLICAOF NO ONE");
    turn_address(1);
    if (way->settings)
        store_do(&nodes[0], keepf("CONFIG SET %s", way->settings));
    if (way->dead)
        store_do(&nodes[0], "REPLICAOF 127.0.0.1 1");
    else
        follow(0, 1);
    until(left(0), "they stay with the old master"); /* though nobody publishes */
    printf("%s: left after %lld ms\n", way->name, (long long)(now_ms() - since_ms));
    flow.redis = &nodes[1];
    flow_must_run(&flow, way->name, since_ms);
    flow_must_be_whole(&flow);
    flow_until_well(programs());
    flow_end(&flow);
}
END_TEST

/* --- sentinels ------------------------------------------------------------------------------- */

static void write_sentinel(size_t which, const char *password) {
    FILE *file = fopen(keepf("%s/sentinel%zu.conf", programs()->dir, which), "w");

    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "port %d\nbind 127.0.0.1\ndir %s\n"
            "sentinel monitor the-master 127.0.0.1 %d 2\n"
            "sentinel down-after-milliseconds the-master 1000\n"
            "sentinel failover-timeout the-master 4000\n"
            "sentinel parallel-syncs the-master 2\n",
            sentinel_ports[which], programs()->dir, ports[0]);
    if (password)
        fprintf(file, "requirepass \"%s\"\nsentinel sentinel-pass \"%s\"\n", password, password);
    ck_assert_int_eq(fclose(file), 0);
}

static redisContext *connect_sentinel(size_t which, const char *password) {
    redisContext *sentinel = redisConnect("127.0.0.1", sentinel_ports[which]);

    if (sentinel && !sentinel->err && password)
        freeReplyObject(redisCommand(sentinel, "AUTH %s", password));
    return sentinel;
}

/* What a sentinel says of the master in one of its fields; -1: it does not answer. */
static long sentinel_field(size_t which, const char *password, const char *name) {
    redisContext *sentinel = connect_sentinel(which, password);
    redisReply *reply = sentinel ? redisCommand(sentinel, "SENTINEL MASTER the-master") : NULL;
    long value = -1;

    for (size_t i = 0; reply && i + 1 < reply->elements; i += 2)
        if (strcmp(reply->element[i]->str, name) == 0)
            value = atol(reply->element[i + 1]->str);
    freeReplyObject(reply);
    redisFree(sentinel);
    return value;
}

static void start_sentinels(const char *password) {
    for (size_t i = 0; i < SENTINELS; i++) {
        sentinel_ports[i] = lab_free_port();
        write_sentinel(i, password);
        const char *const argv[] = {
            "redis-server", keepf("%s/sentinel%zu.conf", programs()->dir, i), "--sentinel", NULL};
        proc_start(&sentinels[i], "redis-server", keepf("%s/sentinel%zu.log", programs()->dir, i),
                   -1, argv, environ);
    }
    for (size_t i = 0; i < SENTINELS; i++)
        until(sentinel_field(i, password, "num-other-sentinels") == SENTINELS - 1 &&
                  sentinel_field(i, password, "num-slaves") == NODES - 1,
              "the sentinels do not find each other");
}

/* In front of the others stands one that is not there. */
static const char *sentinel_address(void) {
    return keepf("sentinel://the-master@127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d,127.0.0.1:%d/0",
                 lab_free_port(), sentinel_ports[0], sentinel_ports[1], sentinel_ports[2]);
}

static size_t promoted(void) {
    size_t node = 0;

    until((is_master(1) && (node = 1)) || (is_master(2) && (node = 2)), "nobody is promoted");
    return node;
}

/* Somebody who stood behind `flow`'s message number `last` and comes back now. */
static struct reader came_back(const struct flow *flow, const char *cursor, int last) {
    return (struct reader){.lab = programs(),
                           .way = DIRECTLY,
                           .transport = EVENTS,
                           .channel = flow->channel,
                           .cursor = cursor,
                           .last = last,
                           .count = (size_t)last};
}

static const char *cursor_of(const struct flow *flow) {
    return batch_cursor(
        must_be_batch(flow_ask(programs(), keepf("poll?channel=%s", flow->channel))));
}

/*
 * Publishes three more that no replica gets, because they are cut off from their master and
 * asleep, and kills it.
 */
static void lose_some_and_the_master(struct flow *flow) {
    for (size_t i = 1; i < NODES; i++)
        proc_signal(&nodes[i].redis, SIGSTOP);
    store_do(&nodes[0], "CLIENT KILL TYPE replica");
    flow_add(flow);
    flow_post(flow);
    flow_bare(flow);
    readers_reach(flow->readers, FLOW_READERS, flow->last);
    proc_kill(&nodes[0].redis);
    for (size_t i = 1; i < NODES; i++)
        proc_signal(&nodes[i].redis, SIGCONT);
}

START_TEST(a_master_that_is_killed_has_a_successor_and_what_that_lacks_is_a_gap) {
    struct flow flow;

    start_sentinels(SECRET);
    lab_set(programs(), "SENTINEL_PASSWORD", SECRET);
    start_programs(&flow, sentinel_address());
    const char *before = cursor_of(&flow); /* behind number 3 */
    flow_add(&flow);
    flow_add(&flow);
    readers_reach(flow.readers, FLOW_READERS, flow.last);
    for (size_t i = 1; i < NODES; i++)
        until(store_held(&nodes[i], flow.channel) == 5, "not replicated");
    lose_some_and_the_master(&flow); /* 6, 7 and 8 */
    size_t node = promoted();
    int64_t since_ms = now_ms();
    flow.redis = &nodes[node];
    for (int i = 0; i < 5; i++) /* more than were lost, before anybody has come */
        flow_add(&flow);
    flow_must_run(&flow, "killed", since_ms);
    flow_must_be_whole(&flow);
    struct reader late = came_back(&flow, before, 3);
    readers_reach(&late, 1, 16);
    ck_assert_uint_eq(late.count, 16 - 3); /* 4, 5, a gap, 9 and the rest */
    ck_assert_uint_eq(late.gaps, 1);
    const struct answer *all =
        flow_ask(programs(), keepf("poll?channel=%s&since=%s&limit=1000", flow.channel, before));
    ck_assert_str_eq(batch_all_data(all), "4,5,9,10,11,12,13,14,15,16");
    ck_assert(batch_gap(all, flow.channel));
    reader_end(&late);
    flow_end(&flow);
}
END_TEST

START_TEST(a_failover_that_is_asked_for_is_followed) {
    struct flow flow;
    redisReply *reply;

    start_sentinels(NULL);
    start_programs(&flow, sentinel_address());
    redisContext *sentinel = connect_sentinel(1, NULL);
    until((reply = redisCommand(sentinel, "SENTINEL FAILOVER the-master")) != NULL &&
              reply->type == REDIS_REPLY_STATUS,
          "no failover: %s", reply ? reply->str : "no answer");
    redisFree(sentinel);
    flow.redis = &nodes[promoted()];
    int64_t since_ms = now_ms();
    /* for some seconds the old one takes what it will forget: who asks there is told a gap */
    until(left(0), "they stay with the old master");
    flow_must_run(&flow, "failed over", since_ms);
    flow_must_be_whole(&flow);
    flow_until_well(programs());
    flow_end(&flow);
}
END_TEST

/* Two that are not there, one that names what is no master any more, and one that is right. */
START_TEST(a_sentinel_that_is_away_or_wrong_is_left_for_the_next) {
    struct flow flow;

    start_sentinels(NULL);
    proc_kill(&sentinels[1]);
    proc_kill(&sentinels[2]);
    store_do(&nodes[2], "REPLICAOF NO ONE"); /* whom nobody names but the last */
    ports[0] = ports[2];
    write_sentinel(2, NULL);
    const char *const argv[] = {"redis-server", keepf("%s/sentinel2.conf", programs()->dir),
                                "--sentinel", NULL};
    proc_start(&sentinels[2], "redis-server", keepf("%s/sentinel2.log", programs()->dir), -1, argv,
               environ);
    until(sentinel_field(2, NULL, "port") == ports[2], "no sentinel");
    proc_kill(&nodes[0].redis);
    lab_set(programs(), "REDIS", sentinel_address());
    lab_app(programs(), 0);
    flow_worker(programs(), 0);
    flow_until_well(programs());
    flow_begin(&flow, programs(), &nodes[2], keep_fresh("open-wrong"));
    flow_must_run(&flow, "a wrong sentinel first", now_ms());
    flow_must_be_whole(&flow);
    flow_end(&flow);
}
END_TEST

START_TEST(no_sentinel_and_a_wrong_password_are_named) {
    start_sentinels(SECRET);
    lab_set(programs(), "SENTINEL_PASSWORD", "another");
    lab_set(programs(), "REDIS", sentinel_address());
    lab_app(programs(), 0);
    flow_worker(programs(), 0);
    flow_until_ill(programs(), "sentinel");
    until(flow_lines(programs(), "app0", "WRONGPASS") > 0 &&
              flow_lines(programs(), "worker0", "WRONGPASS") > 0,
          "the password is not named");
    size_t app_lines = flow_lines(programs(), "app0", "");
    size_t worker_lines = flow_lines(programs(), "worker0", "");
    pause_ms(5000); /* five sentinels are asked */
    ck_assert_uint_le(flow_lines(programs(), "app0", ""), app_lines + 3);
    ck_assert_uint_le(flow_lines(programs(), "worker0", ""), worker_lines + 3);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("failover");
    TCase *tcase = e2e_case(suite, "failover", NULL, NULL);

    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, an_address_that_is_turned_to_the_new_master_is_followed, 0,
                        sizeof ways / sizeof *ways);
    tcase_add_test(tcase, a_master_that_is_killed_has_a_successor_and_what_that_lacks_is_a_gap);
    tcase_add_test(tcase, a_failover_that_is_asked_for_is_followed);
    tcase_add_test(tcase, a_sentinel_that_is_away_or_wrong_is_left_for_the_next);
    tcase_add_test(tcase, no_sentinel_and_a_wrong_password_are_named);
    return e2e_run(suite);
}

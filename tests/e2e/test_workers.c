/* Workers and bare publishes while everything is hurt: what Redis answered with 1 or
 * more is in history once and in order, or its readers are told of a gap.
 *
 * The publisher is a process of its own that writes down what Redis answered to each
 * number; the judge reads the channel's whole history at the end. What Redis had written
 * to no worker yet when it was killed is Redis's loss: that can only be the last number
 * that it answered before, and the epoch tells of it that a later process began.
 */
#include "tests/lib/e2e.h"
#include "tests/lib/follower.h"
#include "tests/lib/keep.h"
#include "tests/lib/lab.h"
#include "tests/lib/store.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { NUMBERS = 200000, WORKERS = 3, KILLS = 6, CUTS = 6 };

/* What only one worker heard keeps its place if he is back within a lease: where order is
 * judged that is longer than any back-off, and than a crowded machine lets him wait. Where a
 * worker dies his lease has to run out. */
#define LEASE_SHORT "600"
#define LEASE_LONG  "60000"

static struct lab lab;

/* What Redis answered to each number: how many listened, or UNKNOWN if it was killed. */
enum { UNKNOWN = -1 };
static struct log {
    int last; /* the number that is being published */
    bool stop;
    int answers[NUMBERS + 1];
    unsigned long long asked[NUMBERS + 1]; /* when, in Redis's clock, as epochs are */
} * published;

static void setup(size_t workers, enum redis_keeps keeps, const char *lease) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "workers");
    lab_conf(&lab, "[channel *]\nhistory = 1000000\n");
    lab_set(&lab, "LEASE", lease);
    lab_redis(&lab, keeps);
    for (size_t i = 0; i < workers; i++)
        lab_worker(&lab, i);
    until(workers == 0 || store_leader(&lab) > 0, "no worker takes the lease");
    published =
        mmap(NULL, sizeof *published, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(published != MAP_FAILED);
}

static unsigned long long unix_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (unsigned long long)now.tv_sec * 1000 + (unsigned long long)now.tv_nsec / 1000000;
}

/* --- the publisher ------------------------------------------------------------------- */

static void publish_next(redisContext **redis, const char *channel) {
    int number = published->last + 1;
    char text[16];
    redisReply *reply = NULL;

    if (*redis == NULL || (*redis)->err) {
        if (*redis != NULL)
            redisFree(*redis);
        *redis = redisConnectUnix(lab.redis_socket);
        if (*redis == NULL || (*redis)->err)
            return;
    }
    published->answers[number] = UNKNOWN;
    published->asked[number] = unix_ms();
    published->last = number;
    snprintf(text, sizeof text, "%d", number);
    reply = redisCommand(*redis, "PUBLISH halley:%s %s", channel, text);
    if (reply != NULL && reply->type == REDIS_REPLY_INTEGER)
        published->answers[number] = (int)reply->integer;
    freeReplyObject(reply);
}

/* Publishes 1, 2, 3 ... until it is told to stop, a pause of about a millisecond between. */
static pid_t publisher(const char *channel) {
    redisContext *redis = NULL;
    pid_t pid = fork();

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (!published->stop && published->last < NUMBERS) {
        publish_next(&redis, channel);
        usleep(1000);
    }
    _exit(0);
}

static void stop(pid_t pid) {
    int status;
    published->stop = true;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* --- the judge -------------------------------------------------------------------------- */

/* The number of an entry of the history, and the parts of its id. */
static int entry_of(const redisReply *entry, unsigned long long *epoch, unsigned long long *n) {
    const redisReply *fields = entry->element[1];
    char *end;

    *epoch = strtoull(entry->element[0]->str, &end, 10);
    *n = strtoull(end + 1, NULL, 10);
    for (size_t i = 0; i + 1 < fields->elements; i += 2)
        if (strcmp(fields->element[i]->str, "data") == 0)
            return atoi(fields->element[i + 1]->str);
    return 0;
}

/* Whether Redis was killed right after it had answered this number, before that epoch began. */
static bool was_last_before(int number, unsigned long long epoch) {
    return published->answers[number + 1] == UNKNOWN && epoch > published->asked[number];
}

/*
 * The numbers from `from` on, and before `to`, are not in history: each of them reached nobody,
 * or its readers were told: by a hole at this place; or, as the last that a Redis process
 * answered, by the epoch that goes on behind it, for a later process began that. Returns how
 * many were lost of those that were answered.
 */
static int judge_missing(int from, int to, bool hole, unsigned long long epoch) {
    int lost = 0;
    for (int i = from; i < to; i++) {
        if (published->answers[i] <= 0)
            continue;
        lost++;
        ck_assert_msg(hole || was_last_before(i, epoch),
                      "%d was answered %d, is lost, and nobody is told", i, published->answers[i]);
    }
    return lost;
}

static int judge(const char *channel) {
    const redisReply *entries = store_do(&lab, "XRANGE halley.history:{%s} - +", channel);
    unsigned long long epoch = 0, n = 0, next_epoch, next_n;
    int at = 0, lost = 0;

    for (size_t i = 0; i < entries->elements; i++) {
        int number = entry_of(entries->element[i], &next_epoch, &next_n);

        ck_assert_msg(number > at, "%d comes behind %d", number, at);
        lost += judge_missing(at + 1, number, next_epoch == epoch && next_n > n + 1, next_epoch);
        at = number;
        epoch = next_epoch;
        n = next_n;
    }
    ck_assert_int_eq(at, published->last); /* the last one is published in peace */
    return lost;
}

/* Publishes until a number has reached all workers and has become history. */
static void publish_in_peace(const char *channel) {
    const char *last;
    redisContext *redis = NULL;

    until((publish_next(&redis, channel), published->answers[published->last] >= WORKERS),
          "the workers do not come back");
    redisFree(redis);
    last = keepf("%d", published->last);
    for (bool there = false; !there;) {
        const redisReply *entries =
            store_do(&lab, "XREVRANGE halley.history:{%s} + - COUNT 1", channel);
        unsigned long long epoch, n;
        there = entries->elements > 0 && entry_of(entries->element[0], &epoch, &n) == atoi(last);
        pause_ms(5);
    }
}

/* Until so many more were published; they are, in the end. */
static void until_published(int more) {
    int from = published->last;
    until(published->last >= from + more, "nothing is published");
}

static int heard_from(int first) {
    int heard = 0;
    for (int i = first; i <= published->last; i++)
        heard += published->answers[i] > 0;
    return heard;
}

/* Until workers heard so many more. */
static void until_heard(int more) {
    int from = published->last + 1;
    until(heard_from(from) >= more, "no worker hears anything");
}

/* --- Redis is killed ----------------------------------------------------------------------- */

START_TEST(what_redis_answered_outlives_it_whoever_comes_back_first) {
    const char *channel = keep_fresh("killed");
    pid_t pid;

    setup(WORKERS, REDIS_KEEPS_AOF, LEASE_LONG);
    pid = publisher(channel);
    for (int i = 0; i < KILLS; i++) {
        until_heard(150);
        proc_signal(&lab.redis, SIGKILL);
        proc_wait(&lab.redis);
        lab_redis(&lab, lab.keeps);
    }
    until_heard(150);
    stop(pid);
    publish_in_peace(channel);
    judge(channel);
    lab_close(&lab);
}
END_TEST

/* Which worker leads. */
static size_t leader(void) {
    pid_t pid = store_leader(&lab);
    for (size_t i = 0; i < WORKERS; i++)
        if (lab.worker[i].pid == pid)
            return i;
    ck_abort_msg("the lease belongs to process %d, which is none of ours", (int)pid);
    return 0;
}

/* How often each number is in history. */
static void must_be_there_once(const char *channel) {
    const redisReply *entries = store_do(&lab, "XRANGE halley.history:{%s} - +", channel);
    int *times = keep(calloc((size_t)published->last + 1, sizeof(int)));
    unsigned long long epoch, n;

    for (size_t i = 0; i < entries->elements; i++)
        times[entry_of(entries->element[i], &epoch, &n)]++;
    for (int i = 1; i <= published->last; i++)
        ck_assert_msg(times[i] == 1 || (times[i] == 0 && published->answers[i] <= 0),
                      "%d was answered %d, and is there %d times", i, published->answers[i],
                      times[i]);
}

/* They have it in their sockets when Redis is killed, and a new one comes back before them. */
START_TEST(what_only_some_workers_heard_is_not_passed_over_by_one_who_is_first) {
    const char *channel = keep_fresh("some");
    redisContext *redis = NULL;

    setup(WORKERS, REDIS_KEEPS_AOF, LEASE_SHORT);
    for (int round = 0; round < 3; round++) {
        size_t first = leader();
        for (size_t i = 0; i < WORKERS; i++)
            proc_signal(&lab.worker[i], SIGSTOP);
        for (int i = 0; i < 20; i++)
            publish_next(&redis, channel);
        /* Redis answers a publisher before it sends on what he published; by now it has */
        store_do(&lab, "PING");
        proc_signal(&lab.worker[first], SIGKILL);
        proc_wait(&lab.worker[first]);
        proc_signal(&lab.redis, SIGKILL);
        proc_wait(&lab.redis);
        lab_redis(&lab, lab.keeps);
        for (size_t i = 0; i < WORKERS; i++)
            if (i != first)
                proc_signal(&lab.worker[i], SIGCONT);
        lab_worker(&lab, first);
        publish_in_peace(channel);
    }
    redisFree(redis);
    must_be_there_once(channel);
    lab_close(&lab);
}
END_TEST

/* --- subscriptions are cut -------------------------------------------------------------------- */

static long long listening(void) {
    return store_do(&lab, "PUBSUB NUMSUB halley.sequenced")->element[1]->integer;
}

/* A number, and blanks; returns how many bytes. */
static size_t number_of_size(char *out, int number, size_t size) {
    memset(out, ' ', size);
    memcpy(out, keepf("%d", number), strlen(keepf("%d", number)));
    return size;
}

/* A flood in one write, which Redis cannot pass on before its buffers are over the limit. */
static void flood(const char *channel, int count) {
    enum { SIZE = 8000 };
    char payload[SIZE];
    redisContext *redis = redisConnectUnix(lab.redis_socket);
    int from = published->last + 1;
    redisReply *reply = NULL;

    ck_assert(redis != NULL && redis->err == 0);
    for (int i = 0; i < count; i++)
        redisAppendCommand(redis, "PUBLISH halley:%s %b", channel, payload,
                           number_of_size(payload, from + i, SIZE));
    for (int i = 0; i < count; i++) {
        ck_assert_int_eq(redisGetReply(redis, (void **)&reply), REDIS_OK);
        published->answers[from + i] = (int)reply->integer;
        published->last = from + i;
        freeReplyObject(reply);
    }
    redisFree(redis);
}

START_TEST(what_redis_cuts_off_for_its_output_limit_is_told_as_a_gap) {
    const char *channel = keep_fresh("limit");
    int lost;

    setup(WORKERS, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    publish_in_peace(channel);
    store_do(&lab, "CONFIG SET client-output-buffer-limit %s", "pubsub 60000 0 0");
    for (int i = 0; i < CUTS; i++) {
        for (size_t k = 0; k < WORKERS; k++)
            proc_signal(&lab.worker[k], SIGSTOP); /* so that their sockets fill */
        until((flood(channel, 50), listening() == 0), "Redis does not cut them off");
        for (size_t k = 0; k < WORKERS; k++)
            proc_signal(&lab.worker[k], SIGCONT);
        publish_in_peace(channel);
    }
    lost = judge(channel);
    ck_assert_int_gt(lost, 0); /* else the test has not tried anything */
    lab_close(&lab);
}
END_TEST

START_TEST(subscriptions_that_are_killed_while_others_publish_lose_nothing_in_silence) {
    const char *channel = keep_fresh("cut");
    pid_t pid;

    setup(WORKERS, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    publish_in_peace(channel);
    pid = publisher(channel);
    for (int i = 0; i < 4 * CUTS; i++) {
        until_published(60);
        store_do(&lab, "CLIENT KILL TYPE pubsub");
    }
    stop(pid);
    publish_in_peace(channel);
    judge(channel);
    lab_close(&lab);
}
END_TEST

START_TEST(subscriptions_that_are_killed_in_silence_make_no_gap) {
    const char *channel = keep_fresh("idle");

    setup(WORKERS, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    publish_in_peace(channel);
    for (int i = 0; i < 3; i++) {
        store_do(&lab, "CLIENT KILL TYPE pubsub");
        until(listening() == WORKERS, "the workers do not come back");
        publish_in_peace(channel);
    }
    const redisReply *last = store_do(&lab, "XREVRANGE halley.history:{%s} + - COUNT 1", channel);
    unsigned long long epoch, n;
    entry_of(last->element[0], &epoch, &n);
    ck_assert_int_eq((int)n, (int)store_held(&lab, channel)); /* no number was left out */
    lab_close(&lab);
}
END_TEST

/* --- Redis does not let workers join ------------------------------------------------------------
 */

static long connections(void) {
    const char *stats = store_do(&lab, "INFO stats")->str;
    return atol(strstr(stats, "total_connections_received:") + 27);
}

START_TEST(publishers_are_answered_0_while_redis_lets_nobody_join) {
    const char *channel = keep_fresh("closed");

    setup(WORKERS, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    publish_in_peace(channel);
    store_do(&lab, "CONFIG SET min-replicas-to-write 1");
    store_do(&lab, "CLIENT KILL TYPE pubsub");
    for (long tried = connections() + 5 * WORKERS; connections() < tried;)
        ck_assert_int_eq((int)store_publish(&lab, channel, "nobody"), 0);
    store_do(&lab, "CONFIG SET min-replicas-to-write 0");
    publish_in_peace(channel);
    judge(channel);
    lab_close(&lab);
}
END_TEST

/* --- a worker dies with what it heard ------------------------------------------------------------
 */

START_TEST(what_died_with_the_only_worker_is_told_to_who_listens_now) {
    const char *channel = keep_fresh("died");
    struct follower follower = {.forgives = true};

    setup(1, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    lab_web(&lab, "lighttpd-socket", 1);
    follower_begin(&follower, &lab, channel, "now");
    ck_assert_int_eq((int)store_publish(&lab, channel, "1"), 1);
    followers_reach(&follower, 1, 1);
    proc_signal(&lab.worker[0], SIGSTOP);
    ck_assert_int_eq((int)store_publish(&lab, channel, "2"), 1);
    proc_signal(&lab.worker[0], SIGKILL);
    proc_wait(&lab.worker[0]);
    lab_worker(&lab, 0);
    follower_reach_gap(&follower, 1); /* without another message */
    ck_assert_int_eq((int)store_publish(&lab, channel, "3"), 1);
    followers_reach(&follower, 1, 2);
    ck_assert_int_eq((int)json_integer_value(follower_data(&follower, 1)), 3);
    ck_assert_uint_eq(follower.gaps, 1);
    follower_end(&follower);
    lab_close(&lab);
}
END_TEST

/* --- one channel is refused --------------------------------------------------------------- */

static void until_held(const char *channel, int count) {
    until(store_held(&lab, channel) == count, "the messages do not come");
}

/* The numbers 1, 2, 3 ... and nothing else. */
static void must_hold_numbers(const char *channel, int count) {
    const redisReply *entries = store_do(&lab, "XRANGE halley.history:{%s} - +", channel);
    unsigned long long epoch, n;

    ck_assert_uint_eq(entries->elements, (size_t)count);
    for (int i = 0; i < count; i++)
        ck_assert_int_eq(entry_of(entries->element[i], &epoch, &n), i + 1);
}

static long long set_aside(void) {
    const redisReply *reply = store_do(&lab, "HGET halley.lease:sequencer aside");
    return reply->type == REDIS_REPLY_STRING ? atoll(reply->str) : 0;
}

START_TEST(a_channel_whose_key_is_spoilt_has_all_messages_when_it_is_mended) {
    static const char *const keys[] = {"history", "meta"};

    setup(2, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    for (int k = 0; k < 2; k++) {
        const char *bad = keep_fresh("bad"), *good = keep_fresh("good");
        store_do(&lab, "SET halley.%s:{%s} x", keys[k], bad);
        for (int i = 1; i <= 3; i++) {
            ck_assert_int_gt(store_publish(&lab, bad, keepf("%d", i)), 0);
            ck_assert_int_gt(store_publish(&lab, good, keepf("%d", i)), 0);
        }
        until_held(good, 3); /* it does not wait for the other */
        until(set_aside() == 3, "nothing is set aside");
        proc_signal(&lab.worker[leader()], SIGKILL); /* they are Redis's, not the worker's */
        store_do(&lab, "DEL halley.%s:{%s}", keys[k], bad);
        ck_assert_int_gt(store_publish(&lab, bad, "4"), 0);
        until_held(bad, 4);
        must_hold_numbers(bad, 4);
        until(set_aside() == 0, "something is left");
        for (size_t i = 0; i < 2; i++) {
            if (!proc_runs(&lab.worker[i]))
                lab_worker(&lab, i);
        }
    }
    lab_close(&lab);
}
END_TEST

START_TEST(a_channel_that_the_worker_may_not_write_to_has_all_messages_when_it_may) {
    setup(0, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    store_do(&lab, "ACL SETUSER worker on nopass &* +@all ~halley.lease* ~halley.p* ~halley.meta* "
                   "~halley.history:{good}");
    lab_set(&lab, "REDIS", keepf("unix:%s?user=worker&password=x", lab.redis_socket));
    lab_worker(&lab, 0);
    for (int i = 1; i <= 3; i++) {
        ck_assert_int_eq((int)store_publish(&lab, "bad", keepf("%d", i)), 1);
        ck_assert_int_eq((int)store_publish(&lab, "good", keepf("%d", i)), 1);
    }
    until_held("good", 3);
    ck_assert_int_eq((int)set_aside(), 3);
    store_do(&lab, "ACL SETUSER worker ~halley.history:{bad}");
    until_held("bad", 3);
    must_hold_numbers("bad", 3);
    lab_close(&lab);
}
END_TEST

START_TEST(a_publish_that_is_too_long_is_told_as_a_gap_in_its_place) {
    const char *channel = keep_fresh("long");
    struct follower follower = {.forgives = true};

    setup(1, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    lab_web(&lab, "lighttpd-socket", 1);
    follower_begin(&follower, &lab, channel, "now");
    ck_assert_int_eq((int)store_publish(&lab, channel, "1"), 1);
    followers_reach(&follower, 1, 1);
    ck_assert_int_eq((int)store_publish(&lab, channel, keepf("\"%065537d\"", 0)), 1);
    follower_reach_gap(&follower, 1); /* without another message */
    ck_assert_int_eq((int)store_publish(&lab, channel, "2"), 1);
    followers_reach(&follower, 1, 2);
    ck_assert_uint_eq(follower.gaps, 1);
    follower_end(&follower);
    lab_close(&lab);
}
END_TEST

/* --- a clean end
 * ------------------------------------------------------------------------------------ */

START_TEST(a_worker_that_is_told_to_end_leaves_nothing_behind) {
    const char *channel = keep_fresh("clean");

    setup(2, REDIS_KEEPS_NOTHING, LEASE_SHORT);
    until(store_do(&lab, "HLEN halley.processes")->integer == 2, "the workers do not report");
    for (size_t i = 0; i < 2; i++) {
        for (int k = 0; k < 300; k++)
            store_publish(&lab, channel, "x");
        ck_assert_int_eq(proc_stop(&lab.worker[i], SIGTERM), 0);
        ck_assert_int_eq((int)store_do(&lab, "HLEN halley.processes")->integer, 1 - (int)i);
        ck_assert_int_eq((int)store_do(&lab, "HLEN halley.lease:sequencer:workers")->integer,
                         1 - (int)i);
    }
    ck_assert_int_eq((int)store_held(&lab, channel), 600);
    lab_close(&lab);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("workers");
    TCase *killed = e2e_case(suite, "redis is killed", NULL, NULL);
    TCase *cut = e2e_case(suite, "subscriptions are cut", NULL, NULL);
    TCase *refused = e2e_case(suite, "workers are refused", NULL, NULL);
    TCase *ends = e2e_case(suite, "workers end", NULL, NULL);

    tcase_add_test(killed, what_redis_answered_outlives_it_whoever_comes_back_first);
    tcase_add_test(killed, what_only_some_workers_heard_is_not_passed_over_by_one_who_is_first);
    tcase_add_test(cut, what_redis_cuts_off_for_its_output_limit_is_told_as_a_gap);
    tcase_add_test(cut, subscriptions_that_are_killed_while_others_publish_lose_nothing_in_silence);
    tcase_add_test(cut, subscriptions_that_are_killed_in_silence_make_no_gap);
    tcase_add_test(refused, a_channel_whose_key_is_spoilt_has_all_messages_when_it_is_mended);
    tcase_add_test(refused,
                   a_channel_that_the_worker_may_not_write_to_has_all_messages_when_it_may);
    tcase_add_test(refused, a_publish_that_is_too_long_is_told_as_a_gap_in_its_place);
    tcase_add_test(refused, publishers_are_answered_0_while_redis_lets_nobody_join);
    tcase_add_test(ends, what_died_with_the_only_worker_is_told_to_who_listens_now);
    tcase_add_test(ends, a_worker_that_is_told_to_end_leaves_nothing_behind);
    return e2e_run(suite);
}

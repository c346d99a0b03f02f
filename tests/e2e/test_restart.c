/* Restarts: whatever ends and comes back, a subscriber gets every later
 * message exactly once, or is told of a gap.
 *
 * Every test has a lab of its own, because it stops and starts what is in it.
 * The follower (tests/lib/follower.c) fails the test by itself when a message
 * comes again, goes back, or follows a hole without a gap.
 */
#include "tests/lib/batch.h"
#include "tests/lib/e2e.h"
#include "tests/lib/follower.h"
#include "tests/lib/keep.h"
#include "tests/lib/store.h"
#include "tests/lib/wire.h"

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct lab lab;

static void setup(const char *server, enum redis_keeps keeps) {
    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "restart");
    lab_redis(&lab, keeps);
    lab_worker(&lab, 0);
    lab_web(&lab, server, 1);
}

static void teardown(void) {
    lab_close(&lab);
}

static bool can_publish(void) {
    const redisReply *reply = store_try(&lab, "FCALL halley_publish 1 probe x");

    return reply && reply->type == REDIS_REPLY_STRING;
}

static void redis_comes_back(void) {
    lab_redis(&lab, lab.keeps);
    until(can_publish(), "nobody loads the function library into the Redis that came back");
}

static void add_numbers(const char *channel, int from, int to) {
    for (int i = from; i <= to; i++)
        store_add(&lab, channel, keepf("%d", i));
}

/* The follower has exactly these numbers, each once, in order; gaps or not. */
static void must_have_numbers(const struct follower *follower, const int *numbers, size_t count) {
    ck_assert_uint_eq(follower_count(follower), count);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(json_integer_value(follower_data(follower, i)), numbers[i]);
}

/* --- Redis -------------------------------------------------------------------- */

START_TEST(waiting_pages_outlive_a_redis_that_is_restarted) {
    const char *channel = keep_fresh("waiting");
    struct follower follower = {.forgives = true};

    setup(e2e_servers[_i], REDIS_KEEPS_AOF);
    follower_begin(&follower, &lab, channel, "now");
    add_numbers(channel, 1, 3);
    followers_reach(&follower, 1, 3);
    ck_assert_int_eq(proc_stop(&lab.redis, SIGTERM), 0);
    for (int i = 0; i < 30; i++)
        follower_turn(&follower), http_pump(10);
    redis_comes_back();
    add_numbers(channel, 4, 6);
    followers_reach(&follower, 1, 6);
    must_have_numbers(&follower, (int[]){1, 2, 3, 4, 5, 6}, 6);
    follower_end(&follower);
    teardown();
}
END_TEST

static bool heard(const char *channel, const char *payload) {
    const redisReply *reply = store_try(&lab, "PUBLISH halley:%s %s", channel, payload);

    return reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0;
}

START_TEST(the_worker_goes_on_after_redis_was_restarted) {
    const char *channel = keep_fresh("worker");
    struct follower follower = {.forgives = true};

    setup("lighttpd", REDIS_KEEPS_AOF);
    follower_begin(&follower, &lab, channel, "now");
    ck_assert(heard(channel, "1"));
    followers_reach(&follower, 1, 1);
    proc_stop(&lab.redis, SIGTERM);
    redis_comes_back();
    until(heard(channel, "2"), "the worker does not listen again");
    ck_assert(heard(channel, "3"));
    followers_reach(&follower, 1, 3);
    must_have_numbers(&follower, (int[]){1, 2, 3}, 3);
    follower_end(&follower);
    teardown();
}
END_TEST

/* As read_since(), from a process that may not have found the new Redis yet. */
static const struct answer *read_patiently(const char *channel, const char *since) {
    const struct answer *answer;

    until((answer = http_get(&lab, "/comet/poll?channel=%s&since=%s&limit=1000", channel, since))
                  ->status != 503,
          "a process does not find the Redis that came back: %s", answer_text(answer));
    return must_be_batch(answer);
}

/* A cursor behind message `n` of a channel. */
static const char *cursor_behind(const char *channel, int n) {
    return batch_cursor(
        must_be_batch(http_get(&lab, "/comet/poll?channel=%s&since=start&limit=%d", channel, n)));
}

START_TEST(a_redis_that_forgot_everything_makes_nobody_take_new_for_old) {
    const char *channel = keep_fresh("forgot"), *behind_2, *behind_4;
    struct follower follower = {.forgives = true};
    const struct answer *batch;

    setup(e2e_servers[_i], REDIS_KEEPS_NOTHING);
    follower_begin(&follower, &lab, channel, "now");
    add_numbers(channel, 1, 4);
    followers_reach(&follower, 1, 4);
    behind_2 = cursor_behind(channel, 2);
    behind_4 = cursor_behind(channel, 4);
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    redis_comes_back();
    add_numbers(channel, 11, 16); /* more than there were: 5 and 6 are numbers beyond the cursor */
    followers_reach(&follower, 1, 10);
    must_have_numbers(&follower, (int[]){1, 2, 3, 4, 11, 12, 13, 14, 15, 16}, 10);
    ck_assert_uint_ge(follower.gaps, 1);
    batch = read_patiently(channel, behind_2);
    ck_assert_str_eq(batch_all_data(batch), "11,12,13,14,15,16");
    ck_assert(batch_gap(batch, channel));
    batch = read_patiently(channel, behind_4);
    ck_assert_str_eq(batch_all_data(batch), "11,12,13,14,15,16");
    ck_assert(batch_gap(batch, channel));
    ck_assert(!batch_any_gap(read_patiently(channel, batch_cursor(batch))));
    follower_end(&follower);
    teardown();
}
END_TEST

/* The append-only file that Redis writes to now. */
static char *append_only_file(void) {
    char *folder = keepf("%s/appendonlydir", lab.dir), *found = NULL;
    DIR *entries = opendir(folder);
    struct dirent *entry;

    ck_assert_msg(entries != NULL, "%s is not there", folder);
    while ((entry = readdir(entries)))
        if (strstr(entry->d_name, ".incr.aof"))
            found = keepf("%s/%s", folder, entry->d_name);
    closedir(entries);
    ck_assert_msg(found != NULL, "no append-only file in %s", folder);
    return found;
}

/* Cuts a file off where a text stands in it last. Whatever was written behind that, a process's
 * report for one, is lost too. */
static void cut_at_last(const char *path, const char *text) {
    struct stat file;
    char *found = NULL;
    FILE *stream = fopen(path, "r");

    ck_assert_ptr_nonnull(stream);
    ck_assert_int_eq(fstat(fileno(stream), &file), 0);
    size_t size = (size_t)file.st_size, len = strlen(text);
    char *bytes = keep(malloc(size));
    ck_assert_uint_eq(fread(bytes, 1, size, stream), size);
    fclose(stream);
    for (char *at = bytes; (at = memmem(at, size - (size_t)(at - bytes), text, len)); at++)
        found = at;
    ck_assert_msg(found != NULL, "%s is not in %s", text, path);
    ck_assert_int_eq(truncate(path, found - bytes), 0);
}

START_TEST(an_append_only_file_whose_tail_was_cut_makes_nobody_take_new_for_old) {
    const char *channel = keep_fresh("cut"), *behind_3;
    struct follower follower = {.forgives = true};
    const struct answer *batch;

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "cut");
    lab_redis(&lab, REDIS_KEEPS_AOF);
    lab_web(&lab, e2e_servers[_i], 1);
    follower_begin(&follower, &lab, channel, "now");
    add_numbers(channel, 1, 5);
    followers_reach(&follower, 1, 5);
    behind_3 = cursor_behind(channel, 3);
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    cut_at_last(append_only_file(), keepf("{%s}", channel));
    lab_redis(&lab, lab.keeps);
    ck_assert_int_eq(store_held(&lab, channel), 4);
    until(can_publish(), "nobody loads the function library");
    add_numbers(channel, 6, 7);
    followers_reach(&follower, 1, 7);
    must_have_numbers(&follower, (int[]){1, 2, 3, 4, 5, 6, 7}, 7);
    ck_assert_uint_ge(follower.gaps, 1);
    batch = read_patiently(channel, behind_3);
    ck_assert_msg(batch_gap(batch, channel), "%s", answer_text(batch));
    ck_assert_str_eq(batch_all_data(batch), "4,6,7");
    follower_end(&follower);
    teardown();
}
END_TEST

START_TEST(a_lost_channel_is_a_gap_before_anything_new_is_published) {
    const char *channel = keep_fresh("lost"), *behind_2;
    const struct answer *batch;

    setup("lighttpd-socket", REDIS_KEEPS_NOTHING);
    add_numbers(channel, 1, 4);
    behind_2 = cursor_behind(channel, 2);
    proc_signal(&lab.redis, SIGKILL);
    proc_wait(&lab.redis);
    proc_stop(&lab.app[0], SIGTERM); /* with what it holds in memory */
    redis_comes_back();
    lab_app(&lab, 0);
    batch = read_patiently(channel, behind_2);
    ck_assert_msg(batch_gap(batch, channel), "%s", answer_text(batch));
    ck_assert_uint_eq(batch_count(batch), 0);
    batch = read_patiently(channel, batch_cursor(batch));
    ck_assert_msg(!batch_any_gap(batch), "told twice: %s", answer_text(batch));
    add_numbers(channel, 5, 5);
    batch = read_patiently(channel, batch_cursor(batch));
    ck_assert_str_eq(batch_all_data(batch), "5");
    teardown();
}
END_TEST

/* --- the application ------------------------------------------------------------ */

/* Publishes 1 ... count, slowly, in a process of its own. */
static pid_t publisher(const char *channel, int count) {
    pid_t pid = fork();

    if (pid)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i <= count; i++) {
        add_numbers(channel, i, i);
        pause_ms(8);
    }
    _exit(0);
}

static void must_have_published(pid_t pid) {
    int status;

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
}

/* Ends every halley.fcgi with a signal; starts again what nobody else would. */
static void end_applications(int signal) {
    lab_signal_apps(&lab, signal);
    int code = lab_app_again(&lab);
    if (code >= 0)
        ck_assert_int_eq(code, signal == SIGKILL ? 128 + SIGKILL : 0);
}

START_TEST(applications_that_are_killed_lose_no_message) {
    enum { COUNT = 150 };
    const char *channel = keep_fresh("killed");
    struct follower follower = {.forgives = true};
    pid_t pid;

    setup(e2e_servers[_i], REDIS_KEEPS_NOTHING);
    follower_begin(&follower, &lab, channel, "now");
    pid = publisher(channel, COUNT);
    followers_reach(&follower, 1, COUNT / 4);
    end_applications(SIGKILL);
    followers_reach(&follower, 1, COUNT / 2);
    end_applications(SIGTERM);
    followers_reach(&follower, 1, COUNT);
    must_have_published(pid);
    follower_must_have(&follower, 1, COUNT);
    follower_end(&follower);
    teardown();
}
END_TEST

enum { PARKED = 5 };

/* Waits until all of them are held: one process has them, or each has one. */
static void until_parked(const char *channel) {
    const struct answer *status;

    if (strcmp(lab.server, "apache") == 0) {
        until((http_pump(5), store_followers(&lab, channel) >= PARKED), "the waits are not held");
        return;
    }
    do {
        http_pump(5);
        status = http_get(&lab, "/comet/status");
    } while (json_integer_value(json_object_get(status->json, "waiters")) < PARKED);
}

START_TEST(draining_answers_every_parked_wait_with_its_cursor) {
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    const char *channel = keep_fresh("drain"), *cursor = NULL;
    struct flight *flights[PARKED];
    int64_t begun;

    setup(e2e_servers[_i / 3], REDIS_KEEPS_NOTHING);
    for (int i = 0; i < PARKED; i++)
        flights[i] = http_get_begin(&lab, "/comet/wait?channel=%s&timeout=55", channel);
    until_parked(channel);
    begun = now_ms();
    end_applications(signals[_i % 3]);
    for (int i = 0; i < PARKED; i++) {
        const struct answer *batch = must_be_batch(http_land(flights[i]));

        ck_assert_uint_eq(batch_count(batch), 0);
        ck_assert(!batch_any_gap(batch));
        cursor = batch_cursor(batch);
    }
    ck_assert_int_lt(now_ms() - begun, 40000);
    add_numbers(channel, 1, 1);
    until(http_get(&lab, "/comet/health")->status == 200, "no application comes back");
    ck_assert_str_eq(batch_all_data(read_since(&lab, channel, cursor)), "1");
    teardown();
}
END_TEST

/* --- the web server --------------------------------------------------------------- */

START_TEST(a_web_server_that_is_restarted_loses_no_message) {
    enum { COUNT = 150 };
    const char *channel = keep_fresh("web");
    struct follower follower = {.forgives = true};
    pid_t pid;

    setup(e2e_servers[_i], REDIS_KEEPS_NOTHING);
    follower_begin(&follower, &lab, channel, "now");
    pid = publisher(channel, COUNT);
    followers_reach(&follower, 1, COUNT / 3);
    proc_stop(&lab.web, SIGTERM);
    follower_turn(&follower);
    lab_web(&lab, e2e_servers[_i], 1);
    followers_reach(&follower, 1, COUNT);
    must_have_published(pid);
    follower_must_have(&follower, 1, COUNT);
    follower_end(&follower);
    teardown();
}
END_TEST

START_TEST(programs_wait_for_a_redis_that_is_not_there_yet) {
    const char *channel = keep_fresh("early");
    const struct answer *batch;

    memset(&lab, 0, sizeof lab);
    lab_open(&lab, "early");
    lab_app(&lab, 0);
    ck_assert_int_eq(fcgi_get(lab.app_socket[0], "/comet/health")->status, 503);
    redis_comes_back();
    until(fcgi_get(lab.app_socket[0], "/comet/health")->status == 200, "health stays 503");
    add_numbers(channel, 1, 1);
    batch = must_be_batch(fcgi_get(lab.app_socket[0], "/comet/poll?channel=%s&since=-1", channel));
    ck_assert_str_eq(batch_all_data(batch), "1");
    teardown();
}
END_TEST

int main(void) {
    Suite *suite = suite_create("restart");
    TCase *redis = e2e_case(suite, "redis", NULL, NULL);
    TCase *app = e2e_case(suite, "application", NULL, NULL);
    TCase *web = e2e_case(suite, "web server", NULL, NULL);

    tcase_add_loop_test(redis, waiting_pages_outlive_a_redis_that_is_restarted, 0, E2E_SERVERS);
    tcase_add_test(redis, the_worker_goes_on_after_redis_was_restarted);
    tcase_add_loop_test(redis, a_redis_that_forgot_everything_makes_nobody_take_new_for_old, 0,
                        E2E_SERVERS);
    tcase_add_loop_test(redis, an_append_only_file_whose_tail_was_cut_makes_nobody_take_new_for_old,
                        0, E2E_SERVERS);
    tcase_add_test(redis, a_lost_channel_is_a_gap_before_anything_new_is_published);
    tcase_add_test(redis, programs_wait_for_a_redis_that_is_not_there_yet);
    tcase_add_loop_test(app, applications_that_are_killed_lose_no_message, 0, E2E_SERVERS);
    tcase_add_loop_test(app, draining_answers_every_parked_wait_with_its_cursor, 0,
                        3 * E2E_SERVERS);
    tcase_add_loop_test(web, a_web_server_that_is_restarted_loses_no_message, 0, E2E_SERVERS);
    return e2e_run(suite);
}

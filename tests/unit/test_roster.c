/* fcgi-app/counts/roster and capacity: several processes that count together, some of which are
 * killed. Two rosters of one process are as good as two processes: locks are an open file's.
 */
#include "fcgi-app/counts/roster.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/config/config.h"
#include "fcgi-app/counts/capacity.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

enum { GROWING = 2 };

static char dir[64];
static char key[ROSTER_KEY];
static double now = 1000;

static void setup(void) {
    const char *const texts[] = {"/etc/halley/halley.conf", "halley"};

    snprintf(dir, sizeof dir, "/tmp/halley-roster.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    roster_key(key, texts, ROWS(texts));
    log_open("unit", LOG_ERROR);
}

static const char *file_of(const char *which) {
    return keepf("%s/halley-3-%s-%u", dir, which, (unsigned)getegid());
}

static bool there(const char *path) {
    return access(path, F_OK) == 0;
}

static void teardown(void) {
    ck_assert_msg(rmdir(dir) == 0, "%s is not empty", dir);
}

static struct roster *join_as(const char *class) {
    struct roster *roster;
    char problem[ROSTER_PROBLEM];
    enum err err = roster_join(dir, key, class, GROWING, now += 1, &roster, problem);

    ck_assert_msg(err == ERR_OK, "%s", problem);
    return roster;
}

static void must_not_join(const char *why) {
    struct roster *roster;
    char problem[ROSTER_PROBLEM];

    ck_assert_int_eq(roster_join(dir, key, "", GROWING, now += 1, &roster, problem), ERR_SYSTEM);
    ck_assert_msg(strstr(problem, why) != NULL, "%s", problem);
}

/* A process that holds so many, and has been killed. */
static void hold_and_be_killed(uint32_t held) {
    int ends[2], status;
    char byte = 1;

    ck_assert_int_eq(pipe(ends), 0);
    now += 1;
    pid_t pid = fork();
    if (pid == 0) {
        now -= 1;
        roster_set(join_as(""), held);
        if (write(ends[1], &byte, 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    kill(pid, SIGKILL);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    close(ends[0]);
    close(ends[1]);
}

START_TEST(each_sees_what_the_others_hold) {
    setup();
    struct roster *a = join_as("wait"), *b = join_as("wait"), *c = join_as("stream");

    roster_set(a, 3);
    roster_set(b, 4);
    roster_set(c, 50);
    ck_assert_uint_eq(roster_others(a).all, 54);
    ck_assert_uint_eq(roster_others(a).class, 4);
    ck_assert_uint_eq(roster_others(c).all, 7);
    ck_assert_uint_eq(roster_others(c).class, 0);
    roster_leave(b);
    ck_assert_uint_eq(roster_others(a).all, 50);
    roster_leave(a);
    roster_leave(c);
    teardown();
}
END_TEST

START_TEST(the_last_to_leave_removes_the_file) {
    setup();
    struct roster *a = join_as(""), *b = join_as("");

    roster_leave(a);
    ck_assert(there(file_of(key)));
    roster_leave(b);
    ck_assert(!there(file_of(key)));
    roster_leave(NULL);
    teardown();
}
END_TEST

START_TEST(who_is_killed_holds_nothing_after_the_next_sweep) {
    setup();
    struct roster *a = join_as(""), *b;

    hold_and_be_killed(7);
    ck_assert_uint_eq(roster_others(a).all, 7);
    roster_sweep(a, now); /* too soon after the other's */
    ck_assert_uint_eq(roster_others(a).all, 7);
    roster_sweep(a, now += 1);
    ck_assert_uint_eq(roster_others(a).all, 0);
    hold_and_be_killed(8);
    b = join_as("");
    ck_assert_uint_eq(roster_others(b).all, 0);
    roster_leave(a);
    roster_leave(b);
    teardown();
}
END_TEST

START_TEST(a_clock_that_is_set_back_does_not_end_sweeping) {
    setup();
    struct roster *a = join_as("");

    hold_and_be_killed(7);
    roster_sweep(a, 5);
    ck_assert_uint_eq(roster_others(a).all, 0);
    roster_leave(a);
    teardown();
}
END_TEST

START_TEST(who_lives_is_never_swept) {
    setup();
    struct roster *a = join_as(""), *b = join_as("");

    roster_set(a, 2);
    for (int i = 0; i < 10; i++)
        roster_sweep(b, now += 1);
    ck_assert_uint_eq(roster_others(b).all, 2);
    roster_leave(b);
    roster_leave(a);
    teardown();
}
END_TEST

START_TEST(what_killed_processes_leave_is_removed_by_who_comes_next) {
    setup();
    char others[ROSTER_KEY];
    const char *const texts[] = {"another"};

    hold_and_be_killed(1);
    ck_assert(there(file_of(key)));
    roster_key(others, texts, ROWS(texts));
    char own[ROSTER_KEY];
    memcpy(own, key, sizeof own);
    memcpy(key, others, sizeof key);
    struct roster *a = join_as("");
    ck_assert(!there(file_of(own)));
    roster_leave(a);
    teardown();
}
END_TEST

START_TEST(a_file_in_use_is_not_removed_by_who_comes_next) {
    setup();
    struct roster *a = join_as("");
    const char *mine = file_of(key);
    const char *const texts[] = {"another"};

    roster_key(key, texts, ROWS(texts));
    struct roster *b = join_as("");
    ck_assert(there(mine));
    roster_leave(b);
    roster_leave(a);
    ck_assert(!there(mine));
    teardown();
}
END_TEST

START_TEST(a_folder_that_cannot_be_used_is_a_problem_and_no_more) {
    setup();
    char real[sizeof dir];

    memcpy(real, dir, sizeof dir);
    snprintf(dir, sizeof dir, "/tmp/halley-absent/roster");
    must_not_join("No such file");
    snprintf(dir, sizeof dir, "/dev/null");
    must_not_join("Not a directory");
    memcpy(dir, real, sizeof dir);
    teardown();
}
END_TEST

START_TEST(a_full_folder_is_a_problem_and_no_more) {
    setup();
    struct rlimit old, few;

    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &old);
    few = (struct rlimit){.rlim_cur = 4096, .rlim_max = old.rlim_max};
    setrlimit(RLIMIT_FSIZE, &few);
    must_not_join("File too large");
    setrlimit(RLIMIT_FSIZE, &old);
    ck_assert(!there(file_of(key)));
    roster_leave(join_as(""));
    teardown();
}
END_TEST

static void put_file(mode_t mode, off_t size) {
    int fd = open(file_of(key), O_RDWR | O_CREAT | O_EXCL, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fchmod(fd, mode) + ftruncate(fd, size), 0);
    close(fd);
}

START_TEST(a_file_that_anybody_may_write_or_cut_is_not_trusted) {
    setup();
    struct stat file;

    struct roster *a = join_as("");
    ck_assert_int_eq(stat(file_of(key), &file), 0);
    ck_assert_uint_eq(file.st_mode & 0777, 0660);
    roster_leave(a);
    put_file(0666, file.st_size);
    must_not_join("not permitted");
    unlink(file_of(key));
    put_file(0660, 100);
    must_not_join("not permitted");
    unlink(file_of(key));
    ck_assert_int_eq(symlink("/dev/null", file_of(key)), 0);
    must_not_join("");
    unlink(file_of(key));
    teardown();
}
END_TEST

START_TEST(who_joins_and_who_leaves_do_not_hinder_each_other) {
    setup();
    enum { MANY = 6, TIMES = 150 };
    int status;

    for (int i = 0; i < MANY; i++) {
        if (fork() != 0)
            continue;
        for (int n = 0; n < TIMES; n++) {
            struct roster *roster;
            char problem[ROSTER_PROBLEM];
            if (roster_join(dir, key, "", GROWING, n, &roster, problem) != ERR_OK)
                _exit(1);
            roster_set(roster, 1);
            if (!roster_stands(roster) || roster_others(roster).all >= MANY)
                _exit(2);
            roster_leave(roster);
        }
        _exit(0);
    }
    for (int i = 0; i < MANY; i++) {
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%x", (unsigned)status);
    }
    ck_assert(!there(file_of(key)));
    teardown();
}
END_TEST

START_TEST(keys_are_of_all_their_texts) {
    const char *const rows[][2] = {{"a", "b"}, {"ab", ""}, {"", "ab"}, {"b", "a"}};
    char keys[ROWS(rows)][ROSTER_KEY];

    for (size_t i = 0; i < ROWS(rows); i++) {
        roster_key(keys[i], rows[i], 2);
        ck_assert_uint_eq(strlen(keys[i]), ROSTER_KEY - 1);
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(keys[i], keys[j]);
    }
}
END_TEST

/* --------------------------------------------------------------------- capacity */

static struct config config_with(int most, int share) {
    return (struct config){.max_waiters = most,
                           .share = share,
                           .counts = dir,
                           .file = keepf("/etc/halley.conf"),
                           .class = keepf("%s", ""),
                           .redis = keepf("redis://:secret@127.0.0.1"),
                           .prefix = keepf("halley")};
}

static void hold(struct capacity *capacity, int count) {
    for (; count > 0; count--)
        capacity_take(capacity);
    for (; count < 0; count++)
        capacity_give(capacity);
}

START_TEST(what_is_near_and_full_is_counted_over_all) {
    setup();
    struct config config = config_with(100, 100);
    struct stats stats[2] = {{0}, {0}};
    struct capacity *a = capacity_new(&config, &stats[0]), *b = capacity_new(&config, &stats[1]);

    capacity_join(a, now += 1);
    capacity_join(b, now);
    hold(a, 89);
    ck_assert(!capacity_near(b, now += 1));
    hold(b, 1);
    ck_assert(capacity_near(a, now += 1) && capacity_near(b, now));
    ck_assert(!capacity_full(a, now += 1) && !capacity_full(b, now));
    hold(b, 10);
    ck_assert(capacity_full(a, now += 1) && capacity_full(b, now));
    ck_assert_uint_eq(capacity_held(a, now += 1), 100);
    hold(a, -89);
    ck_assert(!capacity_near(b, now += 1));
    ck_assert_uint_eq(stats[0].counts_alone + stats[1].counts_alone, 0);
    capacity_free(a);
    capacity_free(b);
    teardown();
}
END_TEST

START_TEST(a_class_has_its_share_and_a_process_its_descriptors) {
    setup();
    struct config config = config_with(100, 20), other = config;
    struct stats stats[2] = {{0}, {0}};

    config.class = keepf("wait");
    other.class = keepf("stream");
    struct capacity *a = capacity_new(&config, &stats[0]), *b = capacity_new(&other, &stats[1]);
    capacity_join(a, now += 1);
    capacity_join(b, now);
    hold(a, 18);
    ck_assert(capacity_near(a, now += 1) && !capacity_near(b, now));
    hold(a, 2);
    ck_assert(capacity_full(a, now += 1) && !capacity_near(b, now));
    hold(a, -20);
    config.share = 100;
    config.room = 10;
    hold(a, 9);
    ck_assert(capacity_near(a, now += 1) && !capacity_full(a, now));
    hold(a, 1);
    ck_assert(capacity_full(a, now += 1) && !capacity_near(b, now));
    capacity_free(a);
    capacity_free(b);
    teardown();
}
END_TEST

START_TEST(threads_less_the_reserve_are_a_limit_too) {
    struct config config = config_with(100, 100);

    ck_assert_uint_eq(capacity_most(&config), 100);
    config.threads = 150;
    config.reserve = 60;
    ck_assert_uint_eq(capacity_most(&config), 90);
    config.threads = 400;
    ck_assert_uint_eq(capacity_most(&config), 100);
}
END_TEST

START_TEST(who_cannot_count_with_others_counts_alone_and_tries_again) {
    setup();
    struct config config = config_with(10, 100);
    struct stats stats = {0};
    struct capacity *a = capacity_new(&config, &stats);

    config.counts = keepf("%s/later", dir);
    log_open("unit", LOG_ERROR);
    capacity_join(a, now += 1);
    ck_assert_uint_eq(stats.counts_alone, 1);
    hold(a, 9);
    ck_assert(capacity_near(a, now += 1));
    ck_assert_int_eq(mkdir(config.counts, 0700), 0);
    ck_assert(capacity_near(a, now += 20));
    struct stats others = {0};
    struct capacity *b = capacity_new(&config, &others);
    capacity_join(b, now += 1);
    ck_assert(capacity_near(b, now += 1));
    capacity_free(a);
    ck_assert(!capacity_near(b, now += 1));
    capacity_free(b);
    ck_assert_int_eq(rmdir(config.counts), 0);
    teardown();
}
END_TEST

START_TEST(who_loses_the_file_finds_the_others_again) {
    setup();
    struct config config = config_with(10, 100);
    struct stats stats[2] = {{0}, {0}};
    struct capacity *a = capacity_new(&config, &stats[0]), *b = capacity_new(&config, &stats[1]);

    capacity_join(a, now += 1);
    hold(a, 9);
    ck_assert_int_eq(system(keepf("rm %s/halley-*", dir)), 0);
    capacity_join(b, now += 1);
    ck_assert(!capacity_near(b, now += 2));
    ck_assert(capacity_near(a, now += 2)); /* which looks, and joins */
    ck_assert(capacity_near(b, now += 2));
    capacity_free(a);
    capacity_free(b);
    teardown();
}
END_TEST

UNIT_MAIN("roster", each_sees_what_the_others_hold, the_last_to_leave_removes_the_file,
          who_is_killed_holds_nothing_after_the_next_sweep,
          a_clock_that_is_set_back_does_not_end_sweeping, who_lives_is_never_swept,
          what_killed_processes_leave_is_removed_by_who_comes_next,
          a_file_in_use_is_not_removed_by_who_comes_next,
          a_folder_that_cannot_be_used_is_a_problem_and_no_more,
          a_full_folder_is_a_problem_and_no_more,
          a_file_that_anybody_may_write_or_cut_is_not_trusted,
          who_joins_and_who_leaves_do_not_hinder_each_other, keys_are_of_all_their_texts,
          what_is_near_and_full_is_counted_over_all,
          a_class_has_its_share_and_a_process_its_descriptors,
          threads_less_the_reserve_are_a_limit_too,
          who_cannot_count_with_others_counts_alone_and_tries_again,
          who_loses_the_file_finds_the_others_again)

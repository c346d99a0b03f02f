/* fcgi-app/counts/ledger: what processes count, kept when they end, however that is. */
#include "fcgi-app/counts/ledger.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/unit.h"

enum { GROWING = 3, KILLS = 200, LINES = 4 };

/* What a process that is killed has done. */
struct shared {
    struct ledger ledger;
    _Atomic uint64_t step; /* 2n: n rows were written; 2n + 1: another is being written */
    _Atomic int used[LINES];
};

static struct shared *shared;

static void begin(void) {
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(shared, MAP_FAILED);
}

static void end(void) {
    munmap(shared, sizeof *shared);
}

static bool is_used(const void *ctx, size_t line) {
    const struct shared *all = ctx;
    return atomic_load(&all->used[line]) != 0;
}

static uint64_t sum_of(size_t at) {
    uint64_t sum[ROW_NUMBERS];

    ledger_sum(&shared->ledger, LINES, is_used, shared, sum);
    return sum[at];
}

static void tell(size_t line, uint64_t grows, uint64_t stands) {
    uint64_t row[ROW_NUMBERS] = {grows, 2 * grows, 0, stands};

    shared->used[line] = 1;
    ledger_tell(&shared->ledger, line, row);
}

START_TEST(what_grows_is_kept_and_what_is_so_now_is_not) {
    begin();
    tell(0, 10, 1);
    tell(2, 30, 5);
    ck_assert_uint_eq(sum_of(0), 40);
    ck_assert_uint_eq(sum_of(3), 6);
    ledger_bury(&shared->ledger, 2, GROWING);
    shared->used[2] = 0;
    ck_assert_uint_eq(sum_of(0), 40);
    ck_assert_uint_eq(sum_of(1), 80);
    ck_assert_uint_eq(sum_of(3), 1);
    tell(2, 5, 7); /* another process on the same line */
    ck_assert_uint_eq(sum_of(0), 45);
    ck_assert_uint_eq(sum_of(3), 8);
    ledger_bury(&shared->ledger, 2, GROWING);
    ck_assert_uint_eq(sum_of(0), 45);
    ck_assert_uint_eq(sum_of(3), 1);
    end();
}
END_TEST

/* Counts one more with each of its lives, and buries it. */
static void bury_for_ever(void) {
    for (;;) {
        atomic_fetch_add(&shared->step, 1);
        tell(1, 1, 0);
        atomic_fetch_add(&shared->step, 1);
        ledger_bury(&shared->ledger, 1, GROWING);
    }
}

START_TEST(who_is_killed_while_it_adds_has_added_once_or_not_at_all) {
    unsigned seed = (unsigned)time(NULL);
    uint64_t most = 0, twice = 0;

    begin();
    printf("seed %u\n", seed);
    srand(seed);
    for (int i = 0; i < KILLS; i++) {
        uint64_t before = sum_of(0), steps = shared->step;
        pid_t pid = fork();
        if (pid == 0)
            bury_for_ever();
        usleep((useconds_t)(rand() % 2000));
        for (int reads = 0; reads < 20; reads++) { /* it never goes back, though somebody adds */
            uint64_t sum = sum_of(0);
            ck_assert_msg(sum >= most, "%llu after %llu", (unsigned long long)sum,
                          (unsigned long long)most);
            most = sum;
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        uint64_t told = (shared->step - steps) / 2, sum = sum_of(0) - before;
        ck_assert_msg(sum == told || (shared->step % 2 == 1 && sum == told + 1),
                      "%llu of %llu in step %llu", (unsigned long long)sum,
                      (unsigned long long)told, (unsigned long long)shared->step);
        ledger_bury(&shared->ledger, 1, GROWING);
        ck_assert_uint_eq(sum_of(0) - before, sum);
        if (shared->step % 2 == 0) /* no row was left half written */
            ck_assert_uint_eq(sum_of(1) - twice, 2 * sum);
        twice = sum_of(1);
        shared->step = 0;
        most = sum_of(0);
    }
    end();
}
END_TEST

UNIT_MAIN("ledger", what_grows_is_kept_and_what_is_so_now_is_not,
          who_is_killed_while_it_adds_has_added_once_or_not_at_all)

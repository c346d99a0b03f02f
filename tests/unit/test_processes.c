/* fcgi-app/start/processes: a parent and its children, without anything that they serve.
 *
 * The parent is a child of the test. Its own children say through a pipe who they
 * are, and then wait for a signal; end of file on the pipe means that all are gone.
 */
#include "fcgi-app/start/processes.h"

#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "core/base/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

enum { CHILDREN = 3, STOPPING = -1 };

/* What comes through the pipe: a child that has begun, or the parent that stops. */
struct word {
    int number; /* STOPPING: the parent */
    pid_t pid;
};

static int ends[2];
static pid_t parent;
static int which; /* of the children this process is */

static void say(int number) {
    struct word word = {number, getpid()};

    if (write(ends[1], &word, sizeof word) != sizeof word)
        _exit(99);
}

static void stop(void *ctx) {
    say(ctx == ends ? STOPPING : STOPPING - 1);
}

/* The next word, false when nobody is left. */
static bool hear(struct word *word) {
    ssize_t got = read(ends[0], word, sizeof *word);

    ck_assert_msg(got == 0 || got == sizeof *word, "%zd bytes of a word", got);
    return got != 0;
}

static void wait_for_a_signal(void) {
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (;;)
        pause();
}

static void end_at_once(void) {
    _exit(7);
}

/* Starts a parent of `count`, whose children do `work`. */
static void begin(int count, void (*work)(void)) {
    ck_assert_int_eq(pipe(ends), 0);
    parent = fork();
    ck_assert_int_ge(parent, 0);
    if (parent == 0) {
        close(ends[0]);
        signal(SIGTERM, SIG_DFL); /* Check's handlers would end the test */
        signal(SIGINT, SIG_DFL);
        log_open("unit", LOG_ERROR);
        int result = 99, number = processes_start(count, stop, ends, NULL, &result);
        if (number < 0)
            _exit(result);
        say(number);
        which = number;
        work();
    }
    close(ends[1]);
}

/* Hears `CHILDREN` children begin; fills pids[] by their numbers. */
static void hear_all(pid_t pids[CHILDREN]) {
    struct word word;

    for (int i = 0; i < CHILDREN; i++)
        pids[i] = 0;
    for (int i = 0; i < CHILDREN; i++) {
        ck_assert(hear(&word));
        ck_assert_int_ge(word.number, 0);
        ck_assert_int_lt(word.number, CHILDREN);
        ck_assert_int_eq(pids[word.number], 0);
        pids[word.number] = word.pid;
    }
}

static void must_end(int signal, int exit_code) {
    int status;

    ck_assert_int_eq(waitpid(parent, &status, 0), parent);
    if (signal != 0)
        ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == signal);
    else
        ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == exit_code);
}

START_TEST(signals_end_all_children_and_then_the_parent) {
    static const int signals[] = {SIGTERM, SIGINT, SIGUSR1};
    pid_t pids[CHILDREN];
    struct word word;

    for (size_t i = 0; i < ROWS(signals); i++) {
        begin(CHILDREN, wait_for_a_signal);
        hear_all(pids);
        kill(parent, signals[i]);
        ck_assert(hear(&word));
        ck_assert_int_eq(word.number, STOPPING);
        ck_assert_int_eq(word.pid, parent);
        ck_assert(!hear(&word));
        must_end(0, 0);
        close(ends[0]);
    }
}
END_TEST

START_TEST(a_child_that_ends_has_a_successor_with_its_number) {
    static const int signals[] = {SIGKILL, SIGTERM, SIGUSR2};
    pid_t pids[CHILDREN];
    struct word word;

    begin(CHILDREN, wait_for_a_signal);
    hear_all(pids);
    for (int i = 0; i < CHILDREN; i++) {
        kill(pids[i], signals[i]);
        ck_assert(hear(&word));
        ck_assert_int_eq(word.number, i);
        ck_assert_int_ne(word.pid, pids[i]);
    }
    kill(parent, SIGTERM);
    must_end(0, 0);
}
END_TEST

START_TEST(children_end_when_their_parent_is_killed) {
    pid_t pids[CHILDREN];
    struct word word;

    begin(CHILDREN, wait_for_a_signal);
    hear_all(pids);
    kill(parent, SIGKILL);
    ck_assert(!hear(&word));
    must_end(SIGKILL, 0);
}
END_TEST

START_TEST(a_child_that_keeps_ending_is_waited_with) {
    struct word word;
    int64_t second;

    begin(1, end_at_once);
    ck_assert(hear(&word));
    ck_assert(hear(&word));
    second = now_ms();
    ck_assert(hear(&word));
    ck_assert_int_ge(now_ms() - second, 400); /* 500, less what the word was on its way */
    ck_assert_int_eq(word.number, 0);
    kill(parent, SIGTERM);
    ck_assert(hear(&word));
    ck_assert_int_eq(word.number, STOPPING);
    must_end(0, 0);
}
END_TEST

static void wait_unless_first(void) {
    if (which == 0)
        _exit(EX_CONFIG);
    wait_for_a_signal();
}

START_TEST(a_child_that_finds_the_configuration_wrong_ends_all) {
    struct word word;

    begin(CHILDREN, wait_unless_first);
    for (int i = 0; i < CHILDREN + 1; i++) /* the children, and the parent that stops */
        ck_assert(hear(&word));
    ck_assert(!hear(&word));
    must_end(0, EX_CONFIG);
}
END_TEST

START_TEST(pauses_grow_until_a_child_has_held_out) {
    static const struct {
        double lived, pause;
    } rows[] = {{0, 0},  {1, 0.5}, {9.9, 1}, {0, 2},   {0, 4}, {0, 8},   {0, 16},
                {0, 30}, {0, 30},  {10, 0},  {1, 0.5}, {1, 1}, {3600, 0}};
    double next = 0;

    for (size_t i = 0; i < ROWS(rows); i++) {
        double pause = processes_pause(rows[i].lived, &next);
        ck_assert_msg(pause == rows[i].pause, "row %zu: %f", i, pause);
    }
}
END_TEST

UNIT_MAIN("processes", signals_end_all_children_and_then_the_parent,
          a_child_that_ends_has_a_successor_with_its_number,
          children_end_when_their_parent_is_killed, a_child_that_keeps_ending_is_waited_with,
          a_child_that_finds_the_configuration_wrong_ends_all,
          pauses_grow_until_a_child_has_held_out)

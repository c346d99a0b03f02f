/* fcgi-app/counts/visitors: a table that processes share, in thousands of random orders of what
 * befalls them; and several that use one rate at the same time.
 *
 * HALLEY_MODEL_SEED=N plays one order alone; HALLEY_MODEL_STEPS=N makes it longer.
 */
#include "fcgi-app/counts/visitors.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

/* So many processes and visitors that windows overlap, and are full at times. */
enum { LINES = 200, VISITORS = 5, FIRST = VISITORS_HOLDINGS - 2, WORLDS = 600, STEPS = 100 };

static struct visitors *visitors;

/* What a process holds of a visitor. */
static struct own {
    int row;
    uint32_t held;
} own[LINES][VISITORS];

static int rows; /* that are taken */

static uint64_t number_of(int visitor) {
    return FIRST + (uint64_t)visitor; /* the last rows, and the first ones */
}

static void forget(struct own *of) {
    rows -= of->row != VISITORS_NO_ROW;
    *of = (struct own){.row = VISITORS_NO_ROW};
}

static const char *hold(size_t line, int visitor) {
    struct own *of = &own[line][visitor];

    if (of->row == VISITORS_NO_ROW)
        of->row = visitors_take(visitors, line, number_of(visitor));
    else
        rows--;
    if (of->row == VISITORS_NO_ROW) {
        ck_assert_int_ge(rows, VISITORS_WINDOW - VISITORS);
        return "no room";
    }
    rows++;
    visitors_set(visitors, of->row, ++of->held);
    return "hold";
}

static const char *let_go(size_t line, int visitor) {
    struct own *of = &own[line][visitor];

    if (of->held > 0)
        visitors_set(visitors, of->row, --of->held);
    if (of->held == 0 && of->row != VISITORS_NO_ROW) {
        visitors_give(visitors, of->row);
        forget(of);
    }
    return "let go";
}

/* At whatever point: before it has said whose row it takes, or while somebody buries another. */
static const char *die(size_t line) {
    int row = visitors_take(visitors, line, 0);

    if (row != VISITORS_NO_ROW)
        atomic_store(&visitors->holdings[row].visitor, number_of((int)(drand48() * VISITORS)));
    visitors_bury(visitors, line);
    if (drand48() < 0.5)
        visitors_bury(visitors, line);
    for (int i = 0; i < VISITORS; i++)
        forget(&own[line][i]);
    return "die";
}

static void look(const char *what) {
    for (int i = 0; i < VISITORS; i++) {
        uint64_t held = 0, seen = visitors_held(visitors, number_of(i));
        for (size_t line = 0; line < LINES; line++)
            held += own[line][i].held;
        ck_assert_msg(seen == held, "%s: visitor %d holds %d, and %d are seen", what, i, (int)held,
                      (int)seen);
    }
}

static const char *step(void) {
    size_t line = (size_t)(drand48() * LINES);
    int visitor = (int)(drand48() * VISITORS);
    double luck = drand48();

    if (luck < 0.05)
        return die(line);
    return luck < 0.4 ? let_go(line, visitor) : hold(line, visitor);
}

/* A few of everybody's, or as many as there is room for. */
static void fill(void) {
    for (size_t line = 0; line < LINES; line++) {
        for (int i = 0; i < VISITORS; i++) {
            own[line][i] = (struct own){.row = VISITORS_NO_ROW};
            if (line % 4 == 0)
                (void)hold(line, i);
        }
    }
    for (size_t line = 0; line < LINES && drand48() < 0.9; line++)
        (void)hold(line, 0), (void)hold(line, 1);
}

/* Most have given everything back, and a few are killed. */
static void leave(size_t line) {
    for (int i = 0; i < VISITORS && line % 32 != 0; i++) {
        while (own[line][i].held > 0)
            (void)let_go(line, i);
    }
    if (line % 32 == 0)
        (void)die(line);
}

static void play(unsigned seed, unsigned steps) {
    srand48((long)seed);
    rows = 0;
    fill();
    for (unsigned i = 0; i < steps; i++) {
        const char *what = step();
        look(keepf("HALLEY_MODEL_SEED=%u, step %u, %s", seed, i, what));
    }
    for (size_t line = 0; line < LINES; line++)
        leave(line);
    look(keepf("HALLEY_MODEL_SEED=%u, all have left", seed));
    ck_assert_int_eq(rows, 0);
    for (size_t i = 0; i < VISITORS_WINDOW + VISITORS; i++) {
        size_t row = (FIRST + i) % VISITORS_HOLDINGS;
        ck_assert_msg(visitors->holdings[row].line == 0, "seed %u: row %zu is left", seed, row);
    }
}

START_TEST(whatever_befalls_processes_what_those_hold_that_live_is_seen) {
    unsigned one = unit_number("HALLEY_MODEL_SEED", 0), first = one != 0 ? one : 1;
    unsigned worlds = WORLDS / unit_number("CK_TIMEOUT_MULTIPLIER", 1);

    visitors = mem_new(sizeof *visitors);
    for (unsigned seed = first; seed < first + (one != 0 ? 1 : worlds); seed++)
        play(seed, unit_number("HALLEY_MODEL_STEPS", STEPS));
    free(visitors);
}
END_TEST

START_TEST(a_name_has_another_number_in_another_kind) {
    ck_assert_uint_eq(visitors_number("read", "192.0.2.1"), visitors_number("read", "192.0.2.1"));
    ck_assert_uint_ne(visitors_number("read", "192.0.2.1"), visitors_number("read", "192.0.2.2"));
    ck_assert_uint_ne(visitors_number("read", "x"), visitors_number("user", "x"));
    ck_assert_uint_ne(visitors_number("ab", "c"), visitors_number("a", "bc"));
}
END_TEST

/* ------------------------------------------------------------------- several at once */

enum { CHILDREN = 4, USES = 20000, BURST = 5000 };

/* How often a process among others may; exit codes are too small for it. */
static void use_at_once(int to) {
    int done = 0;
    bool crowded = false;

    for (int i = 0; i < USES; i++)
        done += visitors_use(visitors, 77, 1000, BURST * 1000L, 1000000, &crowded) == 0;
    _exit(write(to, &done, sizeof done) == sizeof done && !crowded ? 0 : 1);
}

START_TEST(processes_that_use_a_rate_at_once_use_it_up_and_no_more) {
    int ends[2], sum = 0, done, status;
    bool crowded = false;

    visitors =
        mmap(NULL, sizeof *visitors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(visitors, MAP_FAILED);
    ck_assert_int_eq(pipe(ends), 0);
    sum += visitors_use(visitors, 77, 1000, BURST * 1000L, 1000000, &crowded) == 0; /* its row */
    for (int i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            use_at_once(ends[1]);
    }
    for (int i = 0; i < CHILDREN; i++) {
        ck_assert_int_eq(read(ends[0], &done, sizeof done), sizeof done);
        sum += done;
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(sum, BURST);
    munmap(visitors, sizeof *visitors);
}
END_TEST

static void hold_at_once(size_t line) {
    for (int i = 0; i < USES; i++) {
        int row = visitors_take(visitors, line, 1 + (uint64_t)i % 3);
        if (row == VISITORS_NO_ROW)
            _exit(1);
        visitors_set(visitors, row, 1);
        if (visitors_held(visitors, 1 + (uint64_t)i % 3) < 1)
            _exit(2);
        visitors_give(visitors, row);
    }
    _exit(0);
}

START_TEST(processes_that_take_rows_at_once_take_each_its_own) {
    int status;

    visitors =
        mmap(NULL, sizeof *visitors, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(visitors, MAP_FAILED);
    for (size_t i = 0; i < CHILDREN; i++) {
        pid_t pid = fork();
        ck_assert_int_ge(pid, 0);
        if (pid == 0)
            hold_at_once(i);
    }
    for (int i = 0; i < CHILDREN; i++) {
        ck_assert_int_gt(wait(&status), 0);
        ck_assert_int_eq(status, 0);
    }
    for (uint64_t i = 1; i <= 3; i++)
        ck_assert_uint_eq(visitors_held(visitors, i), 0);
    munmap(visitors, sizeof *visitors);
}
END_TEST

UNIT_MAIN("visitors", whatever_befalls_processes_what_those_hold_that_live_is_seen,
          a_name_has_another_number_in_another_kind,
          processes_that_use_a_rate_at_once_use_it_up_and_no_more,
          processes_that_take_rows_at_once_take_each_its_own)

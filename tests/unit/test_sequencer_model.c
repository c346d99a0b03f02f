/* worker/sequencer and core/redis/halley.lua together: whatever happens, in whatever order,
 * what a living worker heard is history once and in order, and the rest is told.
 *
 * HALLEY_MODEL_SEED=N plays that world alone, and tells what happens in it (with so many
 * workers by HALLEY_MODEL_WORKERS=N); HALLEY_MODEL_WORLDS=N plays so many, with CK_FORK=no
 * for as long as that takes.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "tests/unit/model.h"
#include "tests/unit/unit.h"

enum { WORLDS = 500, STEPS = 700, SHORT = 60 };

static void add(struct model_counts *sum, const struct model_counts *counts) {
    sum->published += counts->published;
    sum->history += counts->history;
    sum->late += counts->late;
    sum->lost += counts->lost;
    sum->holes += counts->holes;
    sum->cuts += counts->cuts;
    sum->restarts += counts->restarts;
    sum->full += counts->full;
    sum->aside += counts->aside;
}

/* Each world has a seed of its own; a slow tool (valgrind) sees fewer of them. */
static void play(int workers, unsigned steps) {
    unsigned one = unit_number("HALLEY_MODEL_SEED", 0), first = one != 0 ? one : 1;
    unsigned worlds =
        unit_number("HALLEY_MODEL_WORLDS", WORLDS / unit_number("CK_TIMEOUT_MULTIPLIER", 1));
    struct model_counts sum = {0};

    if (unit_number("HALLEY_MODEL_WORKERS", (unsigned)workers) != (unsigned)workers)
        return;
    log_open("model", LOG_ERROR);
    for (unsigned number = first; number < first + (one != 0 ? 1 : worlds); number++) {
        struct seed_dice seed;
        struct model_counts counts;
        struct dice dice = dice_of_seed(&seed, number, steps);
        const char *problem = model_run(&dice, workers, &counts, one != 0);

        ck_assert_msg(problem == NULL, "HALLEY_MODEL_SEED=%u: %s", number, problem);
        add(&sum, &counts);
    }
    printf("%d workers: published %u, in history %u (late %u), lost %u, gaps %u, cuts %u, "
           "restarts %u, without room %u\n",
           workers, sum.published, sum.history, sum.late, sum.lost, sum.holes, sum.cuts,
           sum.restarts, sum.full);
    if (one == 0 && worlds >= WORLDS && steps == STEPS) { /* else it has not tried what it is for */
        ck_assert_uint_gt(sum.lost, 0);
        ck_assert_uint_gt(sum.holes, 0);
        ck_assert_int_eq(sum.late > 0, workers > 1); /* one alone has it all in order */
        ck_assert_uint_gt(sum.full, 0);
        ck_assert_uint_gt(sum.aside, 0);
    }
}

START_TEST(what_the_only_worker_heard_is_history_once_and_in_order) {
    play(1, STEPS);
}
END_TEST

START_TEST(what_one_of_two_workers_heard_is_history_once_and_in_order) {
    play(2, STEPS);
}
END_TEST

START_TEST(what_one_of_four_workers_heard_is_history_once_and_in_order) {
    play(4, STEPS);
}
END_TEST

/* In short worlds little happens, so that often nothing is lost. */
START_TEST(no_gap_is_told_where_nothing_is_lost) {
    play(3, SHORT);
}
END_TEST

UNIT_MAIN("sequencer_model", what_the_only_worker_heard_is_history_once_and_in_order,
          what_one_of_two_workers_heard_is_history_once_and_in_order,
          what_one_of_four_workers_heard_is_history_once_and_in_order,
          no_gap_is_told_where_nothing_is_lost)

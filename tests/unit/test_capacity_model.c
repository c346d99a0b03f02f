/* fcgi-app/counts/capacity and rights/limits in thousands of random orders of what befalls real
 * processes: they start, hold, release, are killed, leave (a drain), and the folder is emptied
 * under them. After each step somebody is asked what all hold, and whether that is near the limit,
 * or full; and for each visitor whether he may hold more.
 *
 * HALLEY_MODEL_SEED=N plays one order alone; HALLEY_MODEL_STEPS=N makes it longer.
 */
#include "fcgi-app/counts/capacity.h"
#include "fcgi-app/rights/limits.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/log.h"
#include "tests/lib/keep.h"
#include "tests/unit/unit.h"

enum { PROCESSES = 9, CLASSES = 3, MOST = 60, SHARE = 50, WORLDS = 40, STEPS = 150 };
enum { VISITORS = 3, MOST_OF_ONE = 12, STAKES = 4096 /* of one visitor in one process */ };

struct order {
    enum { HOLD, ASK, LEAVE } what;
    int visitor;
    int change; /* of what it holds for him */
    double now;
};

struct answer {
    uint64_t held;
    bool near, full;
    bool room[VISITORS];
};

static struct process {
    pid_t pid; /* 0: does not run */
    int to, from;
    int held, class;
    int held_of[VISITORS];
} processes[PROCESSES];

static char dir[64];
static double now;
static const char *const classes[CLASSES] = {"wait", "stream", "poll"};
static const char *const visitors[VISITORS] = {"192.0.2.1", "192.0.2.2", "2001:db8::1"};

/* ------------------------------------------------------------------- the processes */

static void put(int fd, const void *data, size_t len) {
    if (write(fd, data, len) != (ssize_t)len)
        _exit(2);
}

static void hold(struct capacity *capacity, struct limits *limits, const struct order *order) {
    static struct stake stakes[VISITORS][STAKES];
    static int held[VISITORS];
    int *of = &held[order->visitor];

    for (int i = 0; i < order->change; i++) {
        capacity_take(capacity);
        stakes[order->visitor][(*of)++] =
            limits_hold(limits, visitors[order->visitor], NULL, order->now);
    }
    for (int i = 0; i > order->change; i--) {
        capacity_give(capacity);
        limits_let_go(limits, stakes[order->visitor][--*of]);
    }
}

static struct answer ask(struct capacity *capacity, struct limits *limits, double at) {
    struct answer answer = {0};
    struct problem problem;

    for (int i = 0; i < VISITORS; i++)
        answer.room[i] = limits_admit(limits, visitors[i], NULL, at, &problem);
    answer.held = capacity_held(capacity, at);
    answer.near = capacity_near(capacity, at);
    answer.full = capacity_full(capacity, at);
    return answer;
}

static void live(int from, int to, int class, double at) {
    struct config config = {.max_waiters = MOST,
                            .share = SHARE,
                            .max_waiters_address = MOST_OF_ONE,
                            .counts = dir,
                            .file = keepf("/model"),
                            .class = keepf("%s", classes[class]),
                            .redis = keepf("redis://127.0.0.1"),
                            .prefix = keepf("halley")};
    struct stats stats = {0};
    struct capacity *capacity = capacity_new(&config, &stats);
    struct limits *limits = limits_new(&config, &stats, capacity);
    struct order order;

    capacity_join(capacity, at);
    while (read(from, &order, sizeof order) == sizeof order && order.what != LEAVE) {
        struct answer answer = {0};
        hold(capacity, limits, &order);
        if (order.what == ASK)
            answer = ask(capacity, limits, order.now);
        capacity_look(capacity, order.now); /* as in each turn of a loop */
        limits_look(limits);
        put(to, &answer, sizeof answer);
    }
    capacity_free(capacity);
    _exit(stats.counts_alone == 0 ? 0 : 3);
}

static void start(struct process *process, int class) {
    int orders[2], answers[2];

    ck_assert_int_eq(pipe(orders) + pipe(answers), 0);
    *process = (struct process){.to = orders[1], .from = answers[0], .class = class};
    process->pid = fork();
    ck_assert_int_ge(process->pid, 0);
    if (process->pid == 0) {
        close(orders[1]);
        close(answers[0]);
        live(orders[0], answers[1], class, now);
    }
    close(orders[0]);
    close(answers[1]);
}

static struct answer tell(struct process *process, struct order order) {
    struct answer answer;

    order.now = now;
    ck_assert_int_eq(write(process->to, &order, sizeof order), sizeof order);
    ck_assert_int_eq(read(process->from, &answer, sizeof answer), sizeof answer);
    process->held += order.change;
    process->held_of[order.visitor] += order.change;
    return answer;
}

static void end(struct process *process, bool killed) {
    struct order order = {.what = LEAVE};
    int status;

    if (killed)
        kill(process->pid, SIGKILL);
    else
        ck_assert_int_eq(write(process->to, &order, sizeof order), sizeof order);
    ck_assert_int_eq(waitpid(process->pid, &status, 0), process->pid);
    ck_assert(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0));
    close(process->to);
    close(process->from);
    *process = (struct process){.pid = 0};
}

/* ---------------------------------------------------------------------- the model */

static void look(const char *what) {
    int of_visitor[VISITORS] = {0}, all = 0, of_class[CLASSES] = {0},
        any = (int)(drand48() * PROCESSES);

    for (int i = 0; i < PROCESSES; i++) {
        all += processes[i].held;
        of_class[processes[i].class] += processes[i].held;
        for (int v = 0; v < VISITORS; v++)
            of_visitor[v] += processes[i].held_of[v];
    }
    struct process *process = &processes[any];
    if (process->pid == 0)
        return;
    struct answer answer = tell(process, (struct order){.what = ASK});
    int own = of_class[process->class], most = MOST * SHARE / 100;
    for (int v = 0; v < VISITORS; v++)
        ck_assert_msg(answer.room[v] == (of_visitor[v] < MOST_OF_ONE), "%s: room %d, with %d of %s",
                      what, answer.room[v], of_visitor[v], visitors[v]);
    ck_assert_msg((int)answer.held == all, "%s: %d are held, and %d counted", what, all,
                  (int)answer.held);
    ck_assert_msg(answer.near == (all >= MOST - MOST / 10 || own >= most - most / 10),
                  "%s: near %d, of %d and %d", what, answer.near, all, own);
    ck_assert_msg(answer.full == (all >= MOST || own >= most), "%s: full %d, of %d and %d", what,
                  answer.full, all, own);
}

static const char *step(void) {
    struct process *process = &processes[(int)(drand48() * PROCESSES)];
    double luck = drand48();
    int change = 1 + (int)(drand48() * 8), visitor = (int)(drand48() * VISITORS);

    if (process->pid == 0) {
        start(process, (int)(drand48() * CLASSES));
        tell(process, (struct order){.what = HOLD}); /* it has joined */
        return "start";
    }
    if (luck < 0.06) {
        end(process, true);
        return "kill";
    }
    if (luck < 0.10) {
        end(process, false);
        return "drain";
    }
    if (luck < 0.4 || process->held_of[visitor] + change > STAKES) {
        int held = process->held_of[visitor];
        change = -(change < held ? change : held);
    }
    tell(process, (struct order){.what = HOLD, .visitor = visitor, .change = change});
    return change < 0 ? "release" : "hold";
}

/* All look after the file within seconds, and find each other at the new one. */
static void empty_the_folder(void) {
    ck_assert_int_eq(system(keepf("rm -f %s/halley-*", dir)), 0);
    for (int round = 0; round < 2; round++) {
        now += 2;
        for (int i = 0; i < PROCESSES; i++) {
            if (processes[i].pid != 0)
                (void)tell(&processes[i], (struct order){.what = ASK});
        }
    }
}

static void play(unsigned seed, unsigned steps) {
    now = 1000;
    srand48((long)seed);
    for (unsigned i = 0; i < steps; i++) {
        const char *what = step();
        now += 0.3;
        if (drand48() < 0.01)
            empty_the_folder();
        look(keepf("HALLEY_MODEL_SEED=%u, step %u, %s", seed, i, what));
    }
    for (int i = 0; i < PROCESSES; i++) {
        if (processes[i].pid != 0)
            end(&processes[i], false);
    }
}

START_TEST(whatever_befalls_processes_all_count_what_those_hold_that_live) {
    unsigned one = unit_number("HALLEY_MODEL_SEED", 0), first = one != 0 ? one : 1;
    unsigned worlds = WORLDS / unit_number("CK_TIMEOUT_MULTIPLIER", 1);

    log_open("model", LOG_ERROR);
    snprintf(dir, sizeof dir, "/tmp/halley-capacity.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    for (unsigned seed = first; seed < first + (one != 0 ? 1 : worlds + 1); seed++)
        play(seed, unit_number("HALLEY_MODEL_STEPS", STEPS));
    ck_assert_msg(rmdir(dir) == 0, "%s is not empty", dir);
}
END_TEST

UNIT_MAIN("capacity_model", whatever_befalls_processes_all_count_what_those_hold_that_live)

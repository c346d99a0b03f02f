/* What both processes see is in memory that they share; the times are the other one's until it
 * rests. */
#include "tests/lib/beside.h"

#include "tests/lib/http.h"
#include "tests/lib/keep.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TIMES_MAX = 20000, EVERY_MS = 40, CROWDS = 25 };

struct times {
    double all[TIMES_MAX];
    size_t count;
};

struct beside {
    struct lab *lab;
    const char *channel;
    pid_t pid;
    _Atomic bool asks, rests;
    _Atomic unsigned published;
    unsigned publishes; /* the crowd's and others */
    struct times times[BESIDE_KINDS];
    size_t errors;
    char what[200];
};

static const char *const words[BESIDE_KINDS] = {"a file", "a poll beside", "a publish"};

/* ---------------------------------------------------------------- the other process */

/* Every one would answer a crowd that waits, again and again, and never let it be full. */
static bool for_crowd(const struct beside *beside) {
    return beside->publishes % CROWDS == 0;
}

static struct flight *ask(struct beside *beside, enum beside_kind kind) {
    const char *number = keepf("%u", beside->published + 1);
    const struct request requests[BESIDE_KINDS] = {
        {.path = "/style.css"},
        {.path = "/comet/poll?channel=beside"},
        {.method = "POST",
         .path = keepf("/comet/publish?channel=%s%s", beside->channel,
                       for_crowd(beside) ? "" : "-beside"),
         .body = number,
         .length = strlen(number),
         .headers = {"Content-Type: application/json"}}};

    return http_begin(beside->lab, &requests[kind]);
}

static void note(struct beside *beside, enum beside_kind kind, const struct answer *answer,
                 double ms) {
    struct times *times = &beside->times[kind];
    bool good = answer->status != 0 && answer->status < 400;

    if (!good && beside->errors++ == 0)
        snprintf(beside->what, sizeof beside->what, "%s: %d %.150s", words[kind], answer->status,
                 answer->why ? answer->why : "");
    if (times->count < TIMES_MAX)
        times->all[times->count++] = ms;
    if (kind == BESIDE_PUBLISH) {
        beside->published += good && for_crowd(beside);
        beside->publishes++;
    }
}

/* Whether something of it is on its way. */
static bool look(struct beside *beside, enum beside_kind kind, struct flight **flight,
                 int64_t *begun, bool due) {
    if (*flight != NULL && http_landed(*flight)) {
        note(beside, kind, http_land(*flight), (double)(now_us() - *begun) / 1000);
        *flight = NULL;
    }
    if (*flight == NULL && due) {
        *begun = now_us();
        *flight = ask(beside, kind);
    }
    return *flight != NULL;
}

static void work(struct beside *beside) {
    struct flight *flights[BESIDE_KINDS] = {NULL};
    int64_t begun[BESIDE_KINDS] = {0}, next = 0;

    for (;;) {
        bool asks = beside->asks, due = asks && now_ms() >= next, busy = false;
        http_pump(5);
        for (enum beside_kind kind = 0; kind < BESIDE_KINDS; kind++)
            busy |= look(beside, kind, &flights[kind], &begun[kind], due);
        if (due)
            next = now_ms() + EVERY_MS;
        beside->rests = !asks && !busy;
        if (!busy)
            pause_ms(1);
    }
}

/* ------------------------------------------------------------------- whoever asks it */

struct beside *beside_begin(struct lab *lab, const char *channel) {
    struct beside *beside =
        mmap(NULL, sizeof *beside, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t parent = getpid();

    must(beside != MAP_FAILED, "no memory to share");
    beside->lab = lab;
    beside->channel = channel;
    pid_t pid = fork();
    must(pid >= 0, "no process");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            work(beside);
        _exit(0);
    }
    beside->pid = pid; /* as only this process has it */
    return beside;
}

void beside_ask(struct beside *beside, bool on) {
    beside->rests = false;
    beside->asks = on;
    until(on || beside->rests, "the site beside has no answer");
}

void beside_forget(struct beside *beside) {
    for (size_t i = 0; i < BESIDE_KINDS; i++)
        beside->times[i].count = 0;
}

unsigned beside_published(const struct beside *beside) {
    return beside->published;
}

size_t beside_count(const struct beside *beside) {
    size_t sum = 0;
    for (size_t i = 0; i < BESIDE_KINDS; i++)
        sum += beside->times[i].count;
    return sum;
}

static int by_value(const void *a, const void *b) {
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

double beside_p99(struct beside *beside, enum beside_kind kind) {
    struct times *times = &beside->times[kind];

    qsort(times->all, times->count, sizeof *times->all, by_value);
    return times->count > 0 ? times->all[times->count * 99 / 100] : 0;
}

double beside_slowest(const struct beside *beside) {
    double slowest = 0;

    for (size_t i = 0; i < BESIDE_KINDS; i++) {
        const struct times *times = &beside->times[i];
        for (size_t j = 0; j < times->count; j++)
            slowest = times->all[j] > slowest ? times->all[j] : slowest;
    }
    return slowest;
}

size_t beside_errors(const struct beside *beside, const char **what) {
    *what = beside->what;
    return beside->errors;
}

void beside_end(struct beside *beside) {
    kill(beside->pid, SIGKILL);
    waitpid(beside->pid, NULL, 0);
    munmap(beside, sizeof *beside);
}

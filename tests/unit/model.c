/* The world of model.h: what may happen, and the judgement at the end.
 *
 * The judge knows which publish was heard by whom, and who of them lives. It asks of the
 * history: each that somebody who lives heard is there once, and in order; of the others,
 * each that Redis answered is there, or has a gap in its place; and where nothing is lost
 * or late, no gap is told. Late may be what came from a worker who was away for longer
 * than a lease, or after Redis lost its data; there is a gap in front of it, in history as
 * for those who hear it live, so that nobody sees two messages in the wrong order with
 * none between them.
 */
#include "tests/unit/model.h"

#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "tests/unit/model_world.h"

/* -------------------------------------------------------------------- the dice */

static unsigned roll_seed(void *ctx, unsigned sides) {
    struct seed_dice *seed = ctx;
    seed->state = seed->state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(seed->state >> 33) % sides;
}

static bool more_seed(void *ctx) {
    struct seed_dice *seed = ctx;
    return seed->steps > 0 && seed->steps-- > 0;
}

struct dice dice_of_seed(struct seed_dice *seed, uint64_t number, unsigned steps) {
    *seed = (struct seed_dice){.state = number * 2654435761u + 1, .steps = steps};
    return (struct dice){.ctx = seed, .roll = roll_seed, .more = more_seed};
}

static unsigned roll_bytes(void *ctx, unsigned sides) {
    struct byte_dice *bytes = ctx;
    return bytes->at < bytes->end ? *bytes->at++ % sides : 0;
}

static bool more_bytes(void *ctx) {
    const struct byte_dice *bytes = ctx;
    return bytes->at < bytes->end;
}

struct dice dice_of_bytes(struct byte_dice *bytes, const uint8_t *data, size_t size) {
    *bytes = (struct byte_dice){.at = data, .end = data + size};
    return (struct dice){.ctx = bytes, .roll = roll_bytes, .more = more_bytes};
}

/* ----------------------------------------------------------------- what happens */

static void count_entry(struct world *world, int channel, int number, unsigned long long epoch,
                        unsigned long long n) {
    (void)channel, (void)epoch, (void)n;
    world->publishes[number].entries++;
}

static void count_entries(struct world *world) {
    for (int i = 0; i < world->published; i++)
        world->publishes[i].entries = 0;
    model_each_entry(world, count_entry);
    model_aside(world);
}

static bool has(const struct publish *publish) {
    return publish->entries > 0 || publish->aside;
}

/* Redis is killed and comes back: with its data, with what it had some time ago, or empty. */
static void restart(struct world *world) {
    static const char *const data[] = {"", "restore", "wipe"};
    unsigned how = model_roll(world, 8);
    char run[32];

    how = how < 6 ? 0 : how - 5;
    model_say(world, "Redis restarts%s%s", how ? ": " : "", data[how]);
    count_entries(world);
    for (int i = 0; i < world->published; i++) {
        world->publishes[i].wiped |= has(&world->publishes[i]);
        world->publishes[i].held |= world->publishes[i].entries == 0;
    }
    for (int i = 0; i < WORKERS; i++) {
        model_cut_calls(&world->workers[i], false);
        world->workers[i].ghosts = 0;
        if (world->workers[i].ears >= JOINING)
            model_cut_ears(&world->workers[i]);
    }
    while (world->orphans != NULL) {
        struct sent *sent = world->orphans;
        DL_DELETE(world->orphans, sent);
        model_sent_free(sent);
    }
    world->process++;
    world->wiped |= how > 0;
    snprintf(run, sizeof run, "%08x", world->process);
    model_do(world, "new_process", run);
    if (how > 0)
        model_do(world, data[how], "");
    count_entries(world);
    for (int i = 0; i < world->published; i++)
        world->publishes[i].wiped &= !has(&world->publishes[i]);
    for (int i = 0; i < world->published; i++)
        world->publishes[i].again |= how > 0; /* nor does Redis know for whom to wait */
    world->counts->restarts++;
}

/* Mostly little, sometimes longer than a lease. */
static void pass_time(struct world *world) {
    static const unsigned spans[] = {100,  100,  100,   100,   1000,  1000,   1000,   5000,
                                     5000, 5000, 20000, 20000, 50000, 100000, 200000, 1500000};
    world->clock += 1 + model_roll(world, 200) * (uint64_t)spans[model_roll(world, 16)] / 200;
}

static void kill_worker(struct world *world, int which) {
    if (world->workers[which].sequencer == NULL)
        return;
    model_say(world, "w%d is killed", which);
    model_end(&world->workers[which]);
}

static void hurt_worker(struct world *world, int which) {
    struct worker *worker = &world->workers[which];

    switch (model_roll(world, 10)) {
    case 0:
    case 1:
    case 2:
        if (worker->ears >= JOINING) {
            model_say(world, "w%d: subscription cut", which);
            worker->ghosts += model_roll(world, 4) == 0 && worker->pattern;
            model_cut_ears(worker);
        }
        break;
    case 3:
    case 4:
        if (!worker->stopped && worker->up) {
            model_say(world, "w%d: calls cut", which);
            model_cut_calls(worker, true);
        }
        break;
    case 5:
        kill_worker(world, which);
        break;
    case 6:
    case 7:
        worker->stopped = worker->sequencer != NULL && !worker->stopped;
        model_say(world, "w%d %s", which, worker->stopped ? "is stopped" : "goes on");
        break;
    case 8:
        if (worker->sequencer != NULL && !worker->stopped && !worker->draining) {
            model_say(world, "w%d is told to leave", which);
            worker->draining = true;
            sequencer_drain(worker->sequencer, model_on_drained, worker);
        }
        break;
    default:
        worker->ghosts = 0;
    }
}

static void cut_all(struct world *world) {
    for (int i = 0; i < WORKERS; i++) {
        if (world->workers[i].ears >= JOINING)
            model_cut_ears(&world->workers[i]);
    }
    model_say(world, "all subscriptions cut");
}

static void hurt(struct world *world, int which) {
    char number[8];

    switch (model_roll(world, 18)) {
    case 0:
        restart(world);
        break;
    case 1:
        world->refusing = !world->refusing;
        model_say(world, "Redis %s", world->refusing ? "is out of memory" : "has memory");
        break;
    case 2:
        model_say(world, "functions are gone");
        world->uncounted = true;
        model_do(world, "flush_functions", "");
        break;
    case 3:
        world->uncounted = true;
        model_do(world, "reset_statistics", "");
        break;
    case 4:
        model_do(world, "save", "");
        break;
    case 5:
        cut_all(world);
        break;
    case 6:
        model_say(world, "channel %c is spoilt, or mended", 'a' + which % CHANNELS);
        model_do(world, "spoil", (const char[]){(char)('a' + which % CHANNELS), '\0'});
        break;
    case 7:
        world->uncounted = true; /* that is a publish, too */
        snprintf(number, sizeof number, "%u", model_roll(world, 36));
        model_do(world, "forge", number);
        break;
    default:
        hurt_worker(world, which);
    }
}

/* One round in which everything that can be done is done, by everybody who is not stopped. */
static void work(struct world *world) {
    world->clock += 5000;
    for (int i = 0; i < WORKERS; i++) {
        model_look_after(world, i);
        model_connect(world, i);
        while (model_carry_out_ears(world, i))
            ;
        while (model_read_letter(world, i))
            ;
        while (model_carry_out(world, i))
            ;
        while (model_read_answer(world, i))
            ;
    }
}

/* One thing, of the many that may be next. */
static void step(struct world *world) {
    int which = (int)model_roll(world, (unsigned)world->most);
    unsigned what = model_roll(world, 100);

    if (what < 18) {
        model_publish(world);
    } else if (what < 38) {
        model_read_letter(world, which);
    } else if (what < 56) {
        model_carry_out(world, which);
    } else if (what < 70) {
        model_read_answer(world, which);
    } else if (what < 76) {
        model_carry_out_ears(world, which);
    } else if (what < 80) {
        model_connect(world, which);
    } else if (what < 89) {
        pass_time(world);
    } else if (what < 92) {
        model_start(world, which);
    } else if (what < 94 && world->orphans != NULL) {
        struct sent *sent = world->orphans;
        DL_DELETE(world->orphans, sent);
        model_say_call(world, sent, -1);
        freeReplyObject(model_call(world, sent));
        model_sent_free(sent);
    } else if (what < 97) {
        work(world);
    } else {
        hurt(world, which);
    }
    for (int i = 0; i < WORKERS; i++)
        model_look_after(world, i);
}

/* ------------------------------------------------------------------ rest and judge */

void model_told(struct world *world, int channel, const char *text) {
    struct view *view = &world->views[channel];
    unsigned long long epoch, n;
    int number, parts = sscanf(text, "%llu-%llu %*s %d", &epoch, &n, &number);

    if (parts < 3)
        return; /* a number that no message has */
    if (epoch == view->epoch && n == view->n + 1 && number <= view->number)
        model_complain(world, "%d is told behind %d, without a gap", number, view->number);
    *view = (struct view){.epoch = epoch, .n = n, .number = number};
}

static bool at_rest(struct world *world) {
    bool leads = false;

    /* in a mixed world those with other patterns than who leads do not get to listen */
    world->counts->aside += (unsigned)model_aside(world);
    if (model_aside(world) > 0)
        return false;
    for (int i = 0; i < WORKERS; i++) {
        const struct worker *worker = &world->workers[i];
        if (worker->sequencer == NULL)
            continue;
        leads |= sequencer_leads(worker->sequencer) && worker->ears == HEARING;
        if (sequencer_queued(worker->sequencer) > 0 || worker->letters != NULL ||
            (worker->ears != HEARING && !world->mixed) || worker->calls != NULL ||
            worker->answers != NULL)
            return false;
    }
    return leads;
}

/* Somebody is there who does not leave. */
static void keep_somebody(struct world *world) {
    int most = world->most, empty = -1;

    for (int i = 0; i < WORKERS; i++) {
        if (world->workers[i].sequencer == NULL)
            empty = i;
        else if (!world->workers[i].draining)
            return;
    }
    if (empty < 0)
        return;
    world->lives -= world->lives == LIVES; /* one more than there may be */
    world->most = WORKERS;
    model_start(world, empty);
    world->most = most;
}

static void come_to_rest(struct world *world) {
    world->refusing = false;
    model_do(world, "mend", "");
    for (int i = 0; i < WORKERS; i++)
        world->workers[i].stopped = false;
    for (int i = 0; i < 4000 && !at_rest(world) && world->problem[0] == '\0'; i++) {
        keep_somebody(world);
        work(world);
    }
    if (!at_rest(world))
        model_complain(world, "it does not come to rest");
}

struct judge {
    int last;     /* number of the last publish that was in time */
    int previous; /* and of the last of all */
    unsigned long long epoch, n;
    int from;  /* all before this one were judged */
    bool hole; /* a gap was told since then */
};
static struct judge judge;
static int judged_channel;

/* Publishes of the channel between two that are in history: are they lost, and was that told? */
static void judge_between(struct world *world, int from, int to, bool told) {
    for (int i = from; i < to; i++) {
        const struct publish *p = &world->publishes[i];
        if (p->channel != judged_channel || p->entries > 0 || p->odd)
            continue;
        if (p->wiped) {
            world->counts->lost++;
            if (!told)
                model_complain(world, "%d is lost with Redis's data, and nobody is told", i);
            continue;
        }
        if (p->heard & world->alive)
            model_complain(world, "%d is lost, though a worker that lives heard it", i);
        world->counts->lost++;
        if (p->answered > 0 && !told && p->process == world->process && !world->wiped)
            model_complain(world, "%d is lost, and nobody is told", i);
    }
}

static void judge_entry(struct world *world, int channel, int number, unsigned long long epoch,
                        unsigned long long n) {
    const struct publish *p = &world->publishes[number];

    if (channel != judged_channel)
        return;
    world->counts->history++;
    /* behind what was held when Redis was killed, it may have lost what was done */
    bool told_in_vain = judge.previous >= 0 && world->publishes[judge.previous].held;
    /* beside what a worker brings who was away for a lease, it was taken for lost */
    told_in_vain |= p->late || (judge.previous >= 0 && world->publishes[judge.previous].late);
    world->counts->holes += epoch == judge.epoch && n != judge.n + 1 && !told_in_vain;
    if (p->entries > 1)
        model_complain(world, "%d is there %d times", number, p->entries);
    bool hole = epoch != judge.epoch || n != judge.n + 1, late = number < judge.previous;
    if (late && !hole)
        model_complain(world, "%d is behind %d, without a gap", number, judge.previous);
    world->counts->late += late;
    judge.hole |= hole;
    judge.epoch = epoch;
    judge.n = n;
    judge.previous = number;
    if (!p->late && !p->again) {
        if (number < judge.last)
            model_complain(world, "%d is behind %d", number, judge.last);
        judge.last = number;
    }
    if (number < judge.from)
        return; /* it came late */
    judge_between(world, judge.from, number, judge.hole || judge.from == 0);
    judge.hole = false;
    judge.from = number + 1;
}

static void judge_all(struct world *world) {
    count_entries(world);
    for (judged_channel = 0; judged_channel < CHANNELS; judged_channel++) {
        judge = (struct judge){.last = -1, .previous = -1};
        model_each_entry(world, judge_entry);
        judge_between(world, judge.from, world->published, false);
    }
    if (world->counts->holes > 0 && !world->uncounted &&
        world->counts->lost + world->counts->late == 0 && !world->wiped)
        model_complain(world, "a gap was told, and nothing is lost");
}

/* A publish on each channel, and all at rest: the channels are known, and the last hole seen. */
static void publish_everywhere(struct world *world) {
    for (int i = 0; i < CHANNELS; i++) {
        struct publish *last = &world->publishes[world->published];
        int before = world->published;
        model_publish_bare(world, i);
        if (world->published > before)
            last->late = false;
    }
}

static void publish_and_rest(struct world *world) {
    come_to_rest(world);
    publish_everywhere(world);
    come_to_rest(world);
}

/* Workers of one world in four are not all configured alike. What some of them do not listen to
 * is counted by Redis all the same, so gaps are told there that need not be. */
static void mix(struct world *world) {
    world->mixed = model_roll(world, 4) == 0;
    world->uncounted = world->mixed;
}

static void open_world(struct world *world) {
    static char prefix[] = "halley", all[] = "*", other[] = "other_*", two[] = "juggernaut";
    static struct ingest ingests[] = {{.pattern = two, .format = INGEST_JUGGERNAUT, .channel = all},
                                      {.pattern = other, .format = INGEST_RAW, .channel = all}};
    static struct channel_policy policy = {
        .pattern = all, .history = 1000, .ttl = 3600, .max_message = 65536};

    world->clock = UINT64_C(1700000000000000);
    world->delivering = -1;
    world->configs[0] = (struct config){.lease = (int)(LEASE * 1000),
                                        .meta_ttl = 604800,
                                        .max_channels = CHANNELS,
                                        .prefix = prefix,
                                        .channels = &policy,
                                        .channel_count = 1,
                                        .ingests = ingests,
                                        .ingest_count = 2};
    world->configs[1] = world->configs[0];
    world->configs[1].ingest_count = 1;
    mix(world);
    model_open_redis(world);
    for (int i = 0; i < WORKERS; i++)
        world->workers[i].world = world;
    for (int i = 0; i < 2; i++)
        model_start(world, i);
}

static void close_world(struct world *world) {
    for (int i = 0; i < WORKERS; i++) {
        if (world->workers[i].sequencer != NULL)
            model_end(&world->workers[i]);
    }
    while (world->orphans != NULL) {
        struct sent *sent = world->orphans;
        DL_DELETE(world->orphans, sent);
        model_sent_free(sent);
    }
}

const char *model_run(const struct dice *dice, int workers, struct model_counts *counts,
                      bool trace) {
    static struct world world;
    static char problem[sizeof world.problem];

    *counts = (struct model_counts){0};
    world = (struct world){.dice = dice, .counts = counts, .trace = trace, .most = workers};
    open_world(&world);
    publish_and_rest(&world);
    model_do(&world, "save", "");
    while (dice->more(dice->ctx) && world.problem[0] == '\0')
        step(&world);
    model_say(&world, "and all come to rest");
    publish_and_rest(&world);
    if (world.problem[0] == '\0')
        judge_all(&world);
    counts->published = (unsigned)world.published;
    close_world(&world);
    memcpy(problem, world.problem, sizeof problem);
    return problem[0] != '\0' ? problem : NULL;
}

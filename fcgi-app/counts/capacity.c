/*
 * What others hold is read once in a turn of the loop. Where that makes it look full, lines of
 * processes that were killed are cleared first, so that nobody is turned away for a dead one's
 * sake.
 */
#include "fcgi-app/counts/capacity.h"

#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/target.h"
#include "fcgi-app/counts/roster.h"

#define LOOK  1.0  /* seconds between looks whether the board is still in its place */
#define AGAIN 10.0 /* seconds after which a process that counts alone tries again */

struct capacity {
    const struct config *config;
    struct stats *stats;
    struct roster *roster; /* NULL: it counts alone */
    bool joins;            /* it is to count with others */
    char key[ROSTER_KEY];
    uint32_t own;            /* held here */
    struct roster_sum other; /* as others' lines were read at ... */
    double read_at;
    double look_at;            /* when to look after the board next */
    struct visitors *visitors; /* of this process alone; NULL: they were not asked for */
    unsigned serial;           /* of the place where they are counted */
};

static struct roster_sum no_others(void) {
    return (struct roster_sum){0, 0};
}

struct capacity *capacity_new(const struct config *config, struct stats *stats) {
    struct capacity *capacity = mem_new(sizeof *capacity);

    *capacity = (struct capacity){.config = config, .stats = stats, .read_at = -1, .serial = 1};
    return capacity;
}

void capacity_free(struct capacity *capacity) {
    if (capacity == NULL)
        return;
    roster_leave(capacity->roster);
    free(capacity->visitors);
    free(capacity);
}

/* They are counted somewhere else from now on. */
static void move_visitors(struct capacity *capacity) {
    free(capacity->visitors);
    capacity->visitors = NULL;
    capacity->serial++;
}

static void say_alone(struct capacity *capacity, const char *problem) {
    if (capacity->stats->counts_alone++ == 0)
        log_warning("counts.alone", "max_waiters and visitors' limits are each process's own: %s",
                    problem);
}

static void enter(struct capacity *capacity, double now) {
    const struct config *config = capacity->config;
    char problem[ROSTER_PROBLEM];

    capacity->look_at = now + LOOK;
    if (roster_join(config->counts, capacity->key, config->class, sums_growing(), now,
                    &capacity->roster, problem) != ERR_OK) {
        capacity->roster = NULL;
        capacity->look_at = now + AGAIN;
        say_alone(capacity, problem);
        return;
    }
    roster_set(capacity->roster, capacity->own);
    move_visitors(capacity);
}

void capacity_join(struct capacity *capacity, double now) {
    const struct config *config = capacity->config;
    char *redis = target_masked(config->redis);
    const char *const texts[] = {config->file, redis, config->prefix, sums_names()};

    roster_key(capacity->key, texts, sizeof texts / sizeof texts[0]);
    free(redis);
    capacity->joins = true;
    enter(capacity, now);
}

void capacity_take(struct capacity *capacity) {
    capacity->own++;
    if (capacity->roster != NULL)
        roster_set(capacity->roster, capacity->own);
}

void capacity_give(struct capacity *capacity) {
    capacity->own--;
    if (capacity->roster != NULL)
        roster_set(capacity->roster, capacity->own);
}

/* Others look for the board where it was made, and make one there that is gone. */
void capacity_look(struct capacity *capacity, double now) {
    if (!capacity->joins || (now < capacity->look_at && now > capacity->look_at - 2 * AGAIN))
        return;
    capacity->look_at = now + LOOK;
    if (capacity->roster != NULL && roster_stands(capacity->roster))
        return;
    roster_leave(capacity->roster);
    capacity->roster = NULL;
    move_visitors(capacity);
    enter(capacity, now);
}

static void read_others(struct capacity *capacity, double now) {
    if (now == capacity->read_at) /* the same turn of the loop */
        return;
    capacity_look(capacity, now);
    capacity->read_at = now;
    capacity->other = capacity->roster != NULL ? roster_others(capacity->roster) : no_others();
}

void capacity_tell(struct capacity *capacity, const struct sums *own) {
    uint64_t row[ROW_NUMBERS] = {0};

    if (capacity->roster == NULL)
        return;
    sums_put(own, row);
    roster_tell(capacity->roster, row);
}

bool capacity_sums(struct capacity *capacity, double now, struct sums *all, double *since) {
    uint64_t row[ROW_NUMBERS];

    capacity_look(capacity, now);
    if (capacity->roster == NULL)
        return false;
    roster_sweep(capacity->roster, now);
    roster_figures(capacity->roster, row);
    sums_take(all, row);
    *since = roster_since(capacity->roster);
    return true;
}

struct each {
    void (*each)(void *ctx, const char *class, const struct sums *sums);
    void *ctx;
};

static void take_row(void *ctx, const char *class, const uint64_t row[ROW_NUMBERS]) {
    const struct each *each = ctx;
    struct sums sums = {0};

    sums_take(&sums, row);
    each->each(each->ctx, class, &sums);
}

void capacity_each(const struct capacity *capacity,
                   void (*each)(void *ctx, const char *class, const struct sums *sums), void *ctx) {
    if (capacity->roster != NULL)
        roster_each(capacity->roster, take_row, &(struct each){each, ctx});
}

static struct seat seat_alone(struct capacity *capacity) {
    bool first = capacity->visitors == NULL;

    if (first)
        capacity->visitors = mem_new(sizeof *capacity->visitors);
    if (first && capacity->roster != NULL)
        say_alone(capacity, "there is no room for visitors in the folder");
    return (struct seat){capacity->visitors, 0, capacity->serial};
}

struct seat capacity_seat(struct capacity *capacity) {
    struct seat seat = {.serial = capacity->serial};

    if (capacity->roster != NULL)
        seat.visitors = roster_visitors(capacity->roster, &seat.line);
    return seat.visitors != NULL ? seat : seat_alone(capacity);
}

void capacity_sweep(struct capacity *capacity, double now) {
    capacity_look(capacity, now);
    if (capacity->roster != NULL)
        roster_sweep(capacity->roster, now);
}

uint64_t capacity_most(const struct config *config) {
    int most = config->max_waiters, threads = config->threads - config->reserve;

    return (uint64_t)(config->threads > 0 && threads < most ? threads : most);
}

/* What one class may hold; at least one request. */
static uint64_t most_of_class(const struct config *config) {
    uint64_t most = capacity_most(config) * (uint64_t)config->share / 100;
    return most > 0 ? most : 1;
}

/* The nearly full begin at nine tenths. */
static uint64_t nine_tenths(uint64_t most) {
    return most - most / 10;
}

static bool reached(const struct capacity *capacity, uint64_t (*of)(uint64_t most)) {
    const struct config *config = capacity->config;
    uint64_t own = capacity->own, room = (uint64_t)config->room;

    return own + capacity->other.all >= of(capacity_most(config)) ||
           own + capacity->other.class >= of(most_of_class(config)) ||
           (room > 0 && own >= of(room));
}

/* Without those of processes that are no more. */
static void read_again(struct capacity *capacity, double now) {
    if (capacity->roster == NULL || capacity->other.all == 0)
        return;
    roster_sweep(capacity->roster, now);
    capacity->other = roster_others(capacity->roster);
}

uint64_t capacity_held(struct capacity *capacity, double now) {
    read_others(capacity, now);
    read_again(capacity, now);
    return capacity->own + capacity->other.all;
}

static bool really_reached(struct capacity *capacity, double now, uint64_t (*of)(uint64_t most)) {
    read_others(capacity, now);
    if (!reached(capacity, of))
        return false;
    read_again(capacity, now);
    return reached(capacity, of);
}

static uint64_t all_of(uint64_t most) {
    return most;
}

bool capacity_near(struct capacity *capacity, double now) {
    return really_reached(capacity, now, nine_tenths);
}

bool capacity_full(struct capacity *capacity, double now) {
    return really_reached(capacity, now, all_of);
}

/*
 * Whether there is room for another request that is held: `max_waiters` counts those of all
 * processes of one configuration (roster.h), `share` those of a class, and besides no process holds
 * more than it has descriptors for. Belongs to the loop's thread.
 */
#ifndef HALLEY_CAPACITY_H
#define HALLEY_CAPACITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/config/config.h"
#include "fcgi-app/counts/sums.h"
#include "fcgi-app/counts/visitors.h"

struct capacity;

/* Counts for this process alone. Both are borrowed and outlive it. */
struct capacity *capacity_new(const struct config *config, struct stats *stats);
void capacity_free(struct capacity *capacity);

/*
 * From now on counts with all processes of this configuration, by a file in `config->counts`.
 * Where that cannot be, the log says so (counts.alone), `counts_alone` counts it, and it is tried
 * again from time to time. `now` is in Unix seconds, as below.
 */
void capacity_join(struct capacity *capacity, double now);

/* Looks once a second whether others are still found there: somebody may have emptied the folder.
 */
void capacity_look(struct capacity *capacity, double now);

/* One more request is held, or one less. */
void capacity_take(struct capacity *capacity);
void capacity_give(struct capacity *capacity);

/* What is held by all that are counted together. */
uint64_t capacity_held(struct capacity *capacity, double now);

/* What this process has counted, for those who ask any of them what all have. */
void capacity_tell(struct capacity *capacity, const struct sums *own);

/*
 * The figures of all that are counted together, those that have ended too, and since when that is
 * counted, in Unix seconds. False: this process counts alone, and nothing is filled.
 */
bool capacity_sums(struct capacity *capacity, double now, struct sums *all, double *since);

/* Calls `each` with the class of every process that lives, and its figures. */
void capacity_each(const struct capacity *capacity,
                   void (*each)(void *ctx, const char *class, const struct sums *sums), void *ctx);

/*
 * Where visitors are counted (visitors.h): with all that are counted together, or by this process
 * alone. Another `serial` is another place, where nothing of this process is counted yet. Borrowed,
 * until any other function of these is called.
 */
struct seat {
    struct visitors *visitors;
    size_t line; /* of this process */
    unsigned serial;
};
struct seat capacity_seat(struct capacity *capacity);

/* Has what processes held that were killed given back, four times a second at most. */
void capacity_sweep(struct capacity *capacity, double now);

/* How many may be held by all of them: max_waiters, and what `threads` less `reserve` allow. */
uint64_t capacity_most(const struct config *config);

/* Whether nine tenths are in use, or all: of all, of the class, or of this process's descriptors.
 */
bool capacity_near(struct capacity *capacity, double now);
bool capacity_full(struct capacity *capacity, double now);

#endif

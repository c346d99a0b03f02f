/*
 * What a process counts as a row of numbers, so that the rows of several processes can be added up,
 * number by number: first all that only grow, then what is so now. Rows are compared with those of
 * the same build only.
 */
#ifndef HALLEY_SUMS_H
#define HALLEY_SUMS_H

#include <stddef.h>
#include <stdint.h>

#include "fcgi-app/counts/ledger.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/counts/tally.h"

/* The figures of one process, or of all. */
struct sums {
    struct stats stats;
    struct tally transports[TRANSPORTS_MAX]; /* by their place in the registry */
};

/* How many numbers of a row only grow: those are kept when a process ends. */
size_t sums_growing(void);

/* The names of the figures: rows of processes in which they differ are not added up. */
const char *sums_names(void);

/* Fills a row with the figures, or the figures with a row; the numbers behind them stay. */
void sums_put(const struct sums *sums, uint64_t row[ROW_NUMBERS]);
void sums_take(struct sums *sums, const uint64_t row[ROW_NUMBERS]);

#endif

/*
 * Figures of all processes, for the pages that show them: what those of this machine count
 * together (fcgi-app/counts/capacity.h), and what stands in Redis alone.
 */
#ifndef HALLEY_FIGURES_H
#define HALLEY_FIGURES_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi-app/counts/sums.h"
#include "fcgi-app/endpoints/app.h"

struct figures {
    bool known;        /* Redis says what `sessions` is */
    uint64_t sessions; /* that there are, of all processes */
    bool reported;     /* it says what the workers reported, where that was asked for */
    uint64_t workers;  /* that are at work, on whichever machine */
    bool counted;      /* it says what `dropped` is, likewise */
    uint64_t dropped;  /* by all workers that ever led, since Redis counts: what others published
                        * that could not be understood, or named no channel that there can be */
    uint64_t leaders;  /* workers that lead */
    uint64_t queued;   /* messages that wait in workers */
};
typedef void figures_fn(void *ctx, const struct figures *figures);

/* Tells the other processes what this one has counted so far: with each turn of the loop. */
void figures_share(struct app *app);

/* What the processes of this machine have counted; those of which nobody tells are left out. */
void figures_sum(struct app *app, struct sums *sums, double *since);

/* Asks, with `workers` for what these report. `done` is called once, at most half a second later.
 */
void figures_ask(struct app *app, bool workers, figures_fn *done, void *ctx);

#endif

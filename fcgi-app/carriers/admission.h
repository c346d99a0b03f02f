/*
 * Whether one more session may be opened: what every carrier asks, whatever opens it. How fast an
 * address may open sessions is asked here (`session_rate`), and whether there is room to hold what
 * they ask (`max_waiters`); how many sessions there may be
 * (`max_sessions`) is asked by session_open() and session_attach() in the same atom that makes
 * one: `most` of its birth is config->max_sessions. Belongs to the loop's thread.
 */
#ifndef HALLEY_ADMISSION_H
#define HALLEY_ADMISSION_H

#include <stdbool.h>

#include "fcgi-app/endpoints/app.h"

/* Whether there is nothing to ask: no rate is configured, and there is room (`max_waiters`). */
bool admission_free(const struct app *app);

/* `problem`: why it may not, counted and logged already; NULL: it may. Borrowed for the call. */
typedef void admission_fn(void *ctx, const struct problem *problem);

/*
 * Asks, and counts, whether the client at `address` (copied) may open one more session. `done` is
 * called once: at once where there is nothing to ask, else later.
 */
void admission_ask(struct app *app, const char *address, admission_fn *done, void *ctx);

/* What to answer on SESSION_FULL of a birth. Counts and logs it. */
void admission_full(struct app *app, struct problem *problem);

#endif

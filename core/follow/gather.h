/*
 * Coalescing for channels that change fast (batch_ms): after those who wait were shown
 * a message, the next ones are gathered for so long and shown together, so that a busy
 * channel does not become a request a message for every long-poller. A message on a
 * channel that was quiet is shown at once. Belongs to the loop's thread.
 */
#ifndef HALLEY_GATHER_H
#define HALLEY_GATHER_H

#include <stdbool.h>

#include "core/base/loop.h"

struct gather {
    struct ev_loop *loop;
    double window; /* seconds; 0: nothing is ever gathered */
    double until;  /* on the loop's clock: when the next may be shown */
    struct ev_timer timer;
};

/* `show` is called, its timer's data being `ctx`, when a window ends that has gathered something.
 */
void gather_init(struct gather *gather, struct ev_loop *loop, int milliseconds,
                 void (*show)(struct ev_loop *loop, struct ev_timer *timer, int events), void *ctx);

/* A message came. True: show it now, with whatever was gathered; else `show` follows. */
bool gather_note(struct gather *gather);

/* Begins a window: what was gathered is shown now, or nobody's any more. */
void gather_begin(struct gather *gather);

#endif

/*
 * The sequencer: turns bare `PUBLISH halley:<channel>` into history. Belongs to
 * the loop's thread.
 */
#ifndef HALLEY_SEQUENCER_H
#define HALLEY_SEQUENCER_H

#include <stdbool.h>

#include "core/buf.h"
#include "core/config.h"
#include "core/library.h"
#include "core/loop.h"
#include "core/redis.h"

struct sequencer;

/* Connects to Redis and takes part. `config` is borrowed. */
struct sequencer *sequencer_new(struct ev_loop *loop, const struct config *config);
void sequencer_free(struct sequencer *sequencer);

/*
 * Stops listening, finishes what it has heard if it leads, gives up the lease,
 * and then calls `done` once.
 */
void sequencer_drain(struct sequencer *sequencer, void (*done)(void *ctx), void *ctx);

/* Appends JSON members that say how it is doing. */
void sequencer_report(const struct sequencer *sequencer, struct buf *out);

/* The connection for commands, for reports. */
struct redis *sequencer_commands(struct sequencer *sequencer);

/* The function library that it works with, for reports. */
const struct library *sequencer_library(const struct sequencer *sequencer);

#endif

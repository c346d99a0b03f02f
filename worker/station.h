/*
 * Where a sequencer stands: its two connections to Redis, the function library, and
 * the loop's clock. Belongs to the loop's thread.
 */
#ifndef HALLEY_STATION_H
#define HALLEY_STATION_H

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/redis/library.h"
#include "core/redis/redis.h"

struct station;

/* Connects to Redis and takes part. `config` is borrowed. */
struct station *station_new(struct ev_loop *loop, const struct config *config);
void station_free(struct station *station);

/* Drains the sequencer (sequencer_drain), and then calls `done` once. */
void station_drain(struct station *station, void (*done)(void *ctx), void *ctx);

/* Appends JSON members that say how it is doing. */
void station_report(const struct station *station, struct buf *out);

/* The connection for commands, for reports. */
struct redis *station_commands(struct station *station);

/* The function library that it works with, for reports. */
const struct library *station_library(const struct station *station);

#endif

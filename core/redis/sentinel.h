/*
 * Asks Redis Sentinel where the master is, and goes on asking, so that a change is known
 * within about a second (https://redis.io/docs/reference/sentinel-clients/). Belongs to
 * the loop's thread.
 */
#ifndef HALLEY_SENTINEL_H
#define HALLEY_SENTINEL_H

#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/redis/redis.h"

struct sentinel;

/*
 * `moved` is called whenever the sentinels name another master than before, and for the
 * first one. NULL where config->redis is no sentinel address.
 */
struct sentinel *sentinel_new(struct ev_loop *loop, const struct config *config,
                              void (*moved)(void *ctx), void *ctx);

/* Safe on NULL. */
void sentinel_free(struct sentinel *sentinel);

/*
 * Makes connections with these options go where the sentinels say; changes nothing where
 * `sentinel` is NULL. They are freed before it.
 */
void sentinel_guide(struct sentinel *sentinel, struct redis_options *options);

#endif

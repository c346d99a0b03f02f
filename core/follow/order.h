/*
 * Whether this very Redis tells of a change before it answers whoever made it: tried, with
 * a client of its own, before anything is rested on it. Belongs to the loop's thread.
 */
#ifndef HALLEY_ORDER_H
#define HALLEY_ORDER_H

#include <stdbool.h>

#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/redis/redis.h"

enum { ORDER_ROUNDS = 50 };

struct order;

/*
 * Tries it: `told` is a connection that is told of changes of keys that begin with `prefix`.
 * `done` is called once, later: with how many rounds went well, all of them or not. It may
 * free the order. All are borrowed and outlive it.
 */
struct order *order_new(struct ev_loop *loop, const struct config *config, const struct redis *told,
                        const char *prefix, void (*done)(void *ctx, int rounds), void *ctx);

/* Ends it; `done` is not called any more. Safe on NULL. */
void order_free(struct order *order);

/* Something came on the connection that is told. */
void order_heard(struct order *order);

#endif

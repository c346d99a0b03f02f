/*
 * What a publish and a wait would meet now. Asked of Redis itself, by a publish that
 * nobody reads and a subscription that nobody writes to; an answer holds for a second,
 * however many ask. Belongs to the loop's thread.
 */
#ifndef HALLEY_HEALTH_H
#define HALLEY_HEALTH_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "core/redis/library.h"
#include "core/redis/redis.h"

struct health;

struct health *health_new(struct ev_loop *loop, const struct config *config,
                          struct library *library, struct redis *commands,
                          struct redis *subscriber);

/* Everybody who still asks is answered first. Safe on NULL. */
void health_free(struct health *health);

/*
 * `told` is called once, now or later, with what is wrong in a sentence, or with NULL
 * where both would work; the text is borrowed for the call.
 */
void health_ask(struct health *health, void (*told)(void *ctx, const char *trouble), void *ctx);

/*
 * Redis confirms or refuses (`why`, else NULL) a subscription. True: it was this one's, and is
 * nobody else's business.
 */
bool health_subscribed(struct health *health, const char *channel, size_t len, const char *why,
                       size_t why_len);

#endif

/*
 * A waiter's turn: works out whether it can be answered, and does so or parks it.
 * One of the files of the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_TURN_H
#define HALLEY_TURN_H

#include "fcgi-app/door/client.h"
#include "fcgi-app/hub/waiter.h"

/* Resolves the waiter, and sends what it is owed. It may be over afterwards. */
void turn_take(struct waiter *waiter);

/* Until when a waiter that is not parked may be resolved. */
void turn_set_deadline(struct waiter *waiter, double seconds);

/* The hub's wheel_fn: the deadline of a waiter has come. */
void turn_late(void *ctx, struct wheel_entry *entry);

/* What a waiter's client tells; its context is the waiter. */
extern const struct client_events turn_events;

#endif

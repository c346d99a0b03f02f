/*
 * What waiters are sent: batches, heartbeats, ends and refusals. One of the three
 * files of the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_DELIVER_H
#define HALLEY_DELIVER_H

#include "fcgi-app/client.h"
#include "fcgi-app/problem.h"
#include "fcgi-app/tally.h"
#include "fcgi-app/waiter.h"

/*
 * Has the waiter looked at soon, in the row of a feed that has something for it; or of
 * the first of its feeds. Rows take turns, so that a crowd in one delays no other.
 */
void deliver_ready_in(struct waiter *waiter, struct feed_row *row);
void deliver_ready(struct waiter *waiter);

/* The waiter's turn: resolves it, and sends what it is owed. It may be over afterwards. */
void deliver_turn(struct waiter *waiter);

/* Its time is over: an empty batch, or the polite end of a stream. It is over afterwards. */
void deliver_end(struct waiter *waiter);

/* Answers with a problem; nothing was sent before. It is over afterwards. */
void deliver_refuse(struct waiter *waiter, const struct problem *problem);

/* Closes its client without another word. It is over afterwards. */
void deliver_drop(struct waiter *waiter);

/* Frees a waiter whose client is somebody else's by now. */
void deliver_forget(struct waiter *waiter);

/* Until when a waiter that is not parked may be resolved. */
void deliver_set_deadline(struct waiter *waiter, double seconds);

/* The hub's wheel_fn: the deadline of a waiter has come. */
void deliver_late(void *ctx, struct wheel_entry *entry);

/* Counts what a waiter spends: for its transport, and for its tag if it has one. */
void deliver_spend(struct waiter *waiter, const struct tally *spent);

/* What a waiter's client tells; its context is the waiter. */
extern const struct client_events deliver_events;

#endif

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

/* Has the waiter looked at before the loop sleeps. */
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

/* Sets the timer that on_timer() of a new waiter answers to. */
void deliver_set_deadline(struct waiter *waiter, double seconds);

/* Counts what a waiter spends: for its transport, and for its tag if it has one. */
void deliver_spend(struct waiter *waiter, struct tally spent);

/* What a waiter's client tells; its context is the waiter. */
extern const struct client_events deliver_events;

#endif

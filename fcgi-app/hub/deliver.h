/*
 * What waiters are sent: batches, heartbeats, ends and refusals. One of the files of
 * the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_DELIVER_H
#define HALLEY_DELIVER_H

#include "fcgi-app/door/client.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/hub/waiter.h"

/* Answers with a batch, and that is all. It is over afterwards. */
void deliver_batch(struct waiter *waiter, struct batch *batch);

/*
 * Sends the header, and a stream's first bytes: where `first` begins, or (NULL) where it
 * stands. False: it is over, its client has gone.
 */
bool deliver_begin(struct waiter *waiter, const struct batch *first);

/* Sends one batch on a stream, or what keeps it open. False: it is over, its client has gone. */
bool deliver_next(struct waiter *waiter, struct batch *batch);
bool deliver_heartbeat(struct waiter *waiter);

/* Tells a stream that has begun that Redis is "away", or "up" again. It may be over afterwards. */
void deliver_redis(struct waiter *waiter, const char *word);

/* Its time is over: an empty batch, or the polite end of a stream. It is over afterwards. */
void deliver_end(struct waiter *waiter);

/* Answers a client that is no waiter's with a stream that says when to come back, and ends. */
void deliver_later(struct hub *hub, struct client *client, const struct transport *transport,
                   const struct transport_options *options, const struct problem *problem);

/* Answers with a problem; nothing was sent before. It is over afterwards. */
void deliver_refuse(struct waiter *waiter, const struct problem *problem);

/* Closes its client without another word; `gone` counts one that has left. Over afterwards. */
void deliver_drop(struct waiter *waiter);
void deliver_gone(void *waiter);

#endif

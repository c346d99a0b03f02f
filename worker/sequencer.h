/*
 * The sequencer: turns bare `PUBLISH halley:<channel>` into history. A machine of
 * states without sockets and without a clock of its own: station.c carries its
 * calls, and tells it what is heard.
 */
#ifndef HALLEY_SEQUENCER_H
#define HALLEY_SEQUENCER_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/config/config.h"
#include "worker/porter.h"
#include "worker/queue.h"

struct sequencer;

/*
 * `config` is borrowed, `porter` copied. `room` is how many publishes may wait: QUEUE_ITEMS, but
 * for tests. Does nothing before it is told something.
 */
struct sequencer *sequencer_new(const struct config *config, const struct porter *porter,
                                size_t room);
void sequencer_free(struct sequencer *sequencer);

/* What it subscribes to: the patterns of bare publishes and of what others publish (in
 * `*count` how many), and the channel on which Redis tells all workers what is done and where a
 * barrier stands. Owned by the sequencer. */
const char *const *sequencer_patterns(const struct sequencer *sequencer, size_t *count);
const char *sequencer_channel(const struct sequencer *sequencer);

/*
 * Whether it should be subscribed now. Where that changes, whoever owns it subscribes
 * (by sequencer_join) or unsubscribes the patterns (and calls sequencer_deaf).
 */
bool sequencer_wants_to_hear(const struct sequencer *sequencer);

/* Fills the call that asks whether Redis would let it join, and changes nothing; and notes
 * that it would not. */
void sequencer_try(struct sequencer *sequencer, struct call *call);
void sequencer_refused(struct sequencer *sequencer, const redis_reply *error);

/*
 * Fills the call that has to be carried out in one transaction with the subscriptions; its
 * answer goes to sequencer_joined(), before anything that is heard. False from there: it
 * failed, and the subscriptions have to end.
 */
void sequencer_join(struct sequencer *sequencer, struct call *call);
bool sequencer_joined(struct sequencer *sequencer, const redis_reply *reply);

/* A message of the subscriptions; what it makes to do is done by the next sequencer_tick(). False:
 * there is no room, so the connection has to be closed. */
bool sequencer_heard(struct sequencer *sequencer, const char *channel, size_t channel_len,
                     const char *payload, size_t payload_len);

/* The patterns' subscription has ended: confirmed by Redis, or `cut`. */
void sequencer_deaf(struct sequencer *sequencer, bool cut);

/* Calls can be sent (again); or the connection for them was lost, all were answered NULL. */
void sequencer_up(struct sequencer *sequencer);
void sequencer_down(struct sequencer *sequencer);

/*
 * Does what there is to do: after messages were heard, and when it is due; and when that will be,
 * in the porter's seconds: INFINITY if an event of Redis comes first.
 */
void sequencer_tick(struct sequencer *sequencer);
double sequencer_due(const struct sequencer *sequencer);

/*
 * Wants to hear no more; finishes what it has heard, or leaves it to who leads and has all
 * of it, gives up the lease, and then calls `done` once.
 */
void sequencer_drain(struct sequencer *sequencer, void (*done)(void *ctx), void *ctx);

/* Appends a JSON member that says how it is doing. */
void sequencer_report(const struct sequencer *sequencer, struct buf *out);

/* How many publishes it has heard and does not know to be done. */
size_t sequencer_queued(const struct sequencer *sequencer);

/* Whether it holds the lease, as far as it knows. */
bool sequencer_leads(const struct sequencer *sequencer);

#endif

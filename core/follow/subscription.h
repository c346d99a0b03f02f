/*
 * A feed's subscription, and what the subscribed connection says (feeds_up() to
 * feeds_message() of feed.h). One of the files of a feed. Belongs to the loop's thread.
 */
#ifndef HALLEY_SUBSCRIPTION_H
#define HALLEY_SUBSCRIPTION_H

#include "core/follow/_feed.h"

/* Asks Redis for it, if it is there. */
void subscription_begin(struct feed *feed);

/* Leaves it, if Redis is there. */
void subscription_end(struct feed *feed);

/* Somebody comes: what Redis refused is asked again, what is in doubt is settled. */
void subscription_wake(struct feed *feed);

#endif

/*
 * The memory that all tails of a process take together: never more than `tail_memory`, and one
 * message. Whose tail has been added to least lately forgets its oldest messages first: who is owed
 * these reads them of the history. Belongs to the loop's thread.
 */
#ifndef HALLEY_FOLLOW_MEMORY_H
#define HALLEY_FOLLOW_MEMORY_H

#include "core/follow/_feed.h"

/* Appends a message to the feed's tail (one more reference), of which that one stays. */
void memory_append(struct feed *feed, struct message *message);

/* Empties the feed's tail; it begins after `base` from now on. */
void memory_reset(struct feed *feed, struct position base);

#endif

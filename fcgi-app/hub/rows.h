/*
 * Who has a turn when. One of the files of the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_ROWS_H
#define HALLEY_ROWS_H

#include "fcgi-app/hub/_hub.h"

/* Begins and ends to look, whenever the loop is about to sleep, for who is ready. */
void rows_start(struct hub *hub);
void rows_stop(struct hub *hub);

/* The fence of that number, and all before it, have passed. */
void rows_fence_passed(struct hub *hub, uint64_t number);

/* The connection is lost, and the fence with it: the waiters behind that need another. */
void rows_fence_lost(struct hub *hub);

#endif

/*
 * Who has a turn when. One of the files of the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_ROWS_H
#define HALLEY_ROWS_H

#include "fcgi-app/hub/hub_state.h"

/* Begins and ends to look, whenever the loop is about to sleep, for who is ready. */
void rows_start(struct hub *hub);
void rows_stop(struct hub *hub);

/* The sign of life of that number has come back. */
void rows_pulsed(struct hub *hub, uint64_t number);

/* A lost connection answers nothing any more: those who wait for it ask again. */
void rows_forget_pulse(struct hub *hub);

#endif

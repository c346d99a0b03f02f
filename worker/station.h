/*
 * Where a sequencer stands: it has the worker's link to Redis carry the sequencer's calls, and
 * listens when the sequencer wants to hear. Belongs to the loop's thread.
 */
#ifndef HALLEY_STATION_H
#define HALLEY_STATION_H

#include "worker/job.h"

/* Turns bare publishes into history; of several workers, one at a time. */
extern const struct job sequencer_job;

#endif

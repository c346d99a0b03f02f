/*
 * When clients are told to come back. They shall not all do so in the same instant, so
 * every such time is spread at random.
 */
#ifndef HALLEY_RETRY_H
#define HALLEY_RETRY_H

#include <stdlib.h>

/* Times that are part of an answer which many share take one of so many steps. */
enum { RETRY_STEPS = 16 };

/* A step at random. */
static inline unsigned retry_step(void) {
    return (unsigned)(drand48() * RETRY_STEPS);
}

/* `ms` milliseconds on average: from half to one and a half of it, by a step. */
static inline unsigned retry_at(unsigned ms, unsigned step) {
    unsigned long spread = (unsigned long)ms * (2 * step + 1) / (2 * RETRY_STEPS);
    return (unsigned)(ms / 2 + spread > 0 ? ms / 2 + spread : 1);
}

/* The same, each time another one. */
static inline unsigned retry_spread(unsigned ms) {
    unsigned at = ms / 2 + (unsigned)(drand48() * ms);
    return at > 0 ? at : 1;
}

#endif

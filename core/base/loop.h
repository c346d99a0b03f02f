/*
 * The event loop is libev's. This is the one place that includes it, so that
 * what Halley needs of a loop can be seen, and changed, in one place.
 */
#ifndef HALLEY_LOOP_H
#define HALLEY_LOOP_H

/* libev's own headers break strict aliasing warnings; they are not ours to mend. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <ev.h>
#pragma GCC diagnostic pop

#endif

#ifndef HALLEY_BENCH_FLOOR_START_H
#define HALLEY_BENCH_FLOOR_START_H

#include <hiredis/hiredis.h>
#include <stdbool.h>

struct start {
    int listener;
    bool tcp;            /* it listens there, and not on a unix socket */
    redisContext *redis; /* subscribed to the channel's live feed; NULL: not asked for */
    const char *channel;
};

/* Does what the command line says, or prints what it could say and exits. */
void start_up(struct start *start, int argc, char **argv);

#endif

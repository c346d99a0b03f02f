/*
 * What mends what a web server does to Halley: its own directive for each problem. Pure functions.
 */
#ifndef HALLEY_REMEDIES_H
#define HALLEY_REMEDIES_H

enum {
    BUFFERING,
    IDLE,
    LAST_EVENT_ID,
    HEADER_SIZE,
    BODY_SIZE,
    LEAVERS,
    CAPACITY,
    SOCKETS,
    PROBLEMS
};

struct remedies {
    const char *of[PROBLEMS];
};

/* By what its field Server says; "" is any. Constant. */
const struct remedies *remedies_of(const char *server);

#endif

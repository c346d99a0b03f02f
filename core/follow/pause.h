/*
 * A back-off: what brought nothing is not tried again before a pause is over, and each time
 * in a row it lasts twice as long. Times are the loop's clock, in seconds.
 */
#ifndef HALLEY_PAUSE_H
#define HALLEY_PAUSE_H

#include <stdbool.h>

/* Zeroed, there is none. */
struct pause {
    double seconds; /* how long the last one was; 0: what was tried last succeeded */
    double until;
};

static inline bool pause_over(const struct pause *pause, double now) {
    return now >= pause->until;
}

/* It brought nothing: a pause of `first` seconds, or twice the last one, `most` at the most. */
static inline void pause_begin(struct pause *pause, double now, double first, double most) {
    double twice = pause->seconds * 2;

    pause->seconds = twice < first ? first : twice > most ? most : twice;
    pause->until = now + pause->seconds;
}

/* It succeeded. */
static inline void pause_end(struct pause *pause) {
    *pause = (struct pause){0};
}

#endif

#ifndef HALLEY_BENCH_LOOP_H
#define HALLEY_BENCH_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Something with a descriptor: the first member of what it belongs to. */
struct source {
    void (*ready)(struct source *source, uint32_t events);
};

/* Once, before anything else; the moment at which all must be over. */
void loop_begin(double timeout_seconds);

/* Edge-triggered. Closing the descriptor removes it. */
void loop_add(int fd, uint32_t events, struct source *source);
void loop_change(int fd, uint32_t events, struct source *source);

/* Level-triggered and for reading; what epoll does not know, a file or /dev/null, is
 * left alone. */
void loop_add_input(int fd, struct source *source);

/* Waits until something happens, at most until then, and lets it happen. */
void loop_turn(int64_t until_us);

/* At most so many events a turn (256): fewer, the more often something else is looked at. */
void loop_grain(size_t events);

/* How many events there were so far. */
uint64_t loop_events(void);

/* The time is over, or somebody wants it to end. */
bool loop_over(void);

#endif

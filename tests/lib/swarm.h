#ifndef HALLEY_TESTS_SWARM_H
#define HALLEY_TESTS_SWARM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Thousands of plain HTTP clients in one process. */
struct swarm;

/* Lets this process, and what it starts from now on, open many descriptors. */
void swarm_allow(size_t descriptors);

/* Connects `count` clients to 127.0.0.1:`port`, each of which sends `request`
 * (whole, with its empty line; it should ask for Connection: close). */
struct swarm *swarm_begin(int port, size_t count, const char *request);

/* Reads what has come for up to `ms`. Returns how many are answered in full. */
size_t swarm_pump(struct swarm *swarm, int ms);

/* How many answers have this text in them. */
size_t swarm_holding(const struct swarm *swarm, const char *text);

/* The first answer, or "". */
const char *swarm_first(const struct swarm *swarm);

/* Hangs up for `count` clients that have no answer yet. */
void swarm_leave(struct swarm *swarm, size_t count);

void swarm_end(struct swarm *swarm);

#endif

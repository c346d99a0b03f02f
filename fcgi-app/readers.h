/*
 * Threads that read large requests. One whose body does not fit the socket's buffer
 * never arrives wholly by itself: a thread reads it, blocking, and sends it back.
 * Called by the loop's thread.
 */
#ifndef HALLEY_READERS_H
#define HALLEY_READERS_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi-app/connection.h"
#include "fcgi-app/request.h"

struct readers;

/*
 * `done` is given each request that was read, and its connection. A thread waits for
 * the next bytes `timeout` seconds at most; `body_max`: bytes kept of a body.
 */
struct readers *readers_new(struct connections *all, size_t body_max, int timeout,
                            void (*done)(void *ctx, struct connection *connection,
                                         struct request *request),
                            void *ctx);

/* What threads still read ends with the process. Safe on NULL. */
void readers_free(struct readers *readers);

/* A connection that is QUEUED, its parameters whole: it waits its turn until its deadline. */
void readers_take(struct readers *readers, struct connection *connection);

/* One that is QUEUED waits no longer. */
void readers_forget(struct readers *readers, struct connection *connection);

/* Whether no thread is at work. */
bool readers_idle(const struct readers *readers);

#endif

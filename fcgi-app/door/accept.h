/*
 * Accepting connections at a door, FastCGI's or the WebSockets': in bursts, without
 * ever spinning on what stays wrong. Belongs to the loop's thread.
 */
#ifndef HALLEY_ACCEPT_H
#define HALLEY_ACCEPT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/loop.h"
#include "fcgi-app/counts/stats.h"

struct acceptor;

/* What a door does with its connections. Each `fd` is the callee's, and does not block. */
struct acceptor_calls {
    void (*taken)(void *ctx, int fd);
    /* descriptors have run out: closes a connection that can be spared; NULL: there are none */
    bool (*make_room)(void *ctx);
    /* ... and none can be: says so to whoever connected, and closes */
    void (*refuse)(void *ctx, int fd);
};

/*
 * Has each connection to a listening socket send what it is given at once. True at a unix socket,
 * which only this machine reaches.
 */
bool acceptor_prepare(int listen_fd);

/* Accepts on `listen_fd`, which it owns from now on; the rest is borrowed and outlives it. */
struct acceptor *acceptor_new(struct ev_loop *loop, struct stats *stats, int listen_fd,
                              const struct acceptor_calls *calls, void *ctx);

/*
 * Other processes accept at the same socket. From eight tenths of `most` connections on (`stats`
 * counts them) this one leaves newcomers to those that have more room: it comes 20 ms after
 * them, and takes some of who waits still. So nobody waits for long, whatever the others do.
 */
void acceptor_share(struct acceptor *acceptor, size_t most);

/* Takes what already waits to be accepted, as far as it can. */
void acceptor_take_waiting(struct acceptor *acceptor);

/* Closes the listening socket. Safe on NULL. */
void acceptor_free(struct acceptor *acceptor);

#endif

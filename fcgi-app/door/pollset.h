/*
 * Many descriptors that rarely have anything to say: an epoll(7) set of its own,
 * edge-triggered, whose descriptor stands in the event loop. A descriptor is added
 * once and leaves by being closed, so one that is held costs one system call, and
 * nothing in this process's memory. What was peeked at and left in a socket does
 * not make the loop spin. Belongs to the loop's thread.
 */
#ifndef HALLEY_POLLSET_H
#define HALLEY_POLLSET_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/loop.h"

struct pollset;

/* What became true of a descriptor. */
enum {
    POLLSET_READABLE = 1,
    POLLSET_WRITABLE = 2,
    POLLSET_CLOSED = 4, /* nothing more will come, or it is broken */
    POLLSET_BROKEN = 8  /* and nothing can be sent: the other side has closed, or failed */
};

/* `ready` is told what became true (a set of the above) for an item; it may forget any item. */
struct pollset *pollset_new(struct ev_loop *loop,
                            void (*ready)(void *ctx, void *item, unsigned what), void *ctx);

/* Its descriptors stay open. Safe on NULL. */
void pollset_free(struct pollset *pollset);

/* Watches for what comes, and its end. False: the kernel refuses. */
bool pollset_add(struct pollset *pollset, int fd, void *item);

/* Tells also when a descriptor that was added can be written to again; or no longer. */
void pollset_writing(struct pollset *pollset, int fd, void *item, bool writing);

/* Has told again, in the next turn, what is true of a descriptor that was added. */
void pollset_again(struct pollset *pollset, int fd, void *item, bool writing);

/* Takes out a descriptor that stays open; pollset_forget() for its item as well. */
void pollset_remove(struct pollset *pollset, int fd);

/* From now on `item` is told nothing, even if something has happened; its descriptor is closed
 * by the caller, and by nobody else open. */
void pollset_forget(struct pollset *pollset, const void *item);

#endif

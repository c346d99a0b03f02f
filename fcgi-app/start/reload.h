/*
 * HUP: the configuration is read anew without anybody being refused. The process looks whether the
 * configuration is good by running itself with -n; if so it becomes, by exec(2), a new program
 * that has the same pid and the same listening sockets, while a copy of it, by fork(2), keeps
 * everything that is under way and drains. What comes in between waits in the sockets' queues.
 * A configuration that is wrong changes nothing, and is logged (reload.refused).
 */
#ifndef HALLEY_RELOAD_H
#define HALLEY_RELOAD_H

#include "core/base/loop.h"
#include "fcgi-app/start/listen.h"

struct reload;

/*
 * Watches for HUP in a process that serves alone. `leave` is called in the copy, which is to drain
 * and to leave the sockets' paths alone. `listeners` are borrowed.
 */
struct reload *reload_new(struct ev_loop *loop, struct listeners *listeners,
                          void (*leave)(void *ctx), void *ctx);
void reload_free(struct reload *reload);

/*
 * The same for the parent of several processes, which has no loop, and waits: whether the
 * configuration is good, or was refused and logged. Then its children are told to drain, and
 * reload_become() follows.
 */
bool reload_is_good(const struct listeners *listeners);

/* Becomes the new program. Returns only when that fails, which is logged. */
void reload_become(const struct listeners *listeners);

#endif

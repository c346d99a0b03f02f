/*
 * Host names into addresses, never on the loop: each look-up has a thread of its own, since
 * the C library may wait for a name server for as long as it likes. Belongs to the loop's
 * thread; what the others do is not to be seen.
 */
#ifndef HALLEY_RESOLVER_H
#define HALLEY_RESOLVER_H

#include <stddef.h>

#include "core/base/loop.h"

enum {
    RESOLVER_ADDRESSES = 8, /* of a name; more are left out */
    RESOLVER_NAMES = 32     /* that are looked up at the same time */
};

/*
 * An address, as a number: those of IPv4 come first, and what resolver_next() has passed over
 * comes last. NULL: there is none, and `why` says why. Borrowed for the length of the call.
 */
typedef void resolver_fn(void *ctx, const char *address, const char *why);

struct resolver;

struct resolver *resolver_new(struct ev_loop *loop, resolver_fn *answered, void *ctx);

/* Nothing is answered any more. A thread that still waits is left to itself. Safe on NULL. */
void resolver_free(struct resolver *resolver);

/*
 * Looks up `host`, a name or a number; `answered` is called once for it, later, never from
 * inside this call. What was asked before and is not answered yet is forgotten. A name that
 * is being looked up already is not looked up a second time.
 */
void resolver_ask(struct resolver *resolver, const char *host);

/* What was asked is not answered any more. */
void resolver_forget(struct resolver *resolver);

/*
 * The last address is no good: returns the next one of that answer, or NULL once all of them
 * were given. Borrowed until something is asked again.
 */
const char *resolver_next(struct resolver *resolver);

#endif

/*
 * Flash's policy for sockets: pages of which sites may connect. Pure functions.
 */
#ifndef HALLEY_LINE_POLICY_H
#define HALLEY_LINE_POLICY_H

#include "core/base/buf.h"

/*
 * Appends the policy, and the NUL that ends it, by which pages of `origins` (the option) may
 * connect to `port`; 0: to any.
 */
void policy_put(struct buf *out, const char *origins, unsigned port);

#endif

/*
 * Networks of addresses, IPv4 and IPv6, as a list in the configuration names them. Pure.
 */
#ifndef HALLEY_NETWORKS_H
#define HALLEY_NETWORKS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"

struct networks {
    struct network *list;
    size_t count;
};

/*
 * Addresses, and networks in CIDR notation (RFC 4632 §3.1: 10.0.0.0/8, 2001:db8::/32), with
 * blanks between. ERR_SYNTAX: something in it is none. Free it with networks_free().
 */
enum err networks_parse(const char *text, struct networks *out) MUST_CHECK;
void networks_free(struct networks *networks);

/* Whether an address is in one of them; an IPv4 address may be written as IPv6's ::ffff:a.b.c.d. */
bool networks_have(const struct networks *networks, const char *address);

#endif

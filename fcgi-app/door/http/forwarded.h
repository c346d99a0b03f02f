/*
 * Who has sent a request that proxies may have passed on (X-Forwarded-For and its like). What
 * these fields say is believed of nobody but proxies that are trusted. Pure functions.
 */
#ifndef HALLEY_HTTP_FORWARDED_H
#define HALLEY_HTTP_FORWARDED_H

#include <stdbool.h>

#include "core/config/networks.h"
#include "fcgi-app/door/address.h"
#include "fcgi-app/door/said.h"

/* What stands for whoever is on the other side of a unix socket, who is trusted. */
#define FORWARDED_UNIX "unix:"

/* Whether that peer is a proxy whose word is taken. */
bool forwarded_trusts(const struct networks *trusted, const char *peer);

/*
 * Writes the address of whoever sent the request: `peer`, who is connected, or where that is a
 * trusted proxy, the last one in X-Forwarded-For that is not trusted itself; or the first, if all
 * are. True: that one is a proxy in its turn, of whom we do not know for whom he asks, or may
 * be. Of a peer who is not trusted, the fields by which a proxy describes a request are taken
 * out of `said`.
 */
bool forwarded_sender(const struct networks *trusted, const char *peer, struct said *said,
                      char address[ADDRESS_TEXT]);

#endif

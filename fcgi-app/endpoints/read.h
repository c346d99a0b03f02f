/*
 * The parameters that every reading endpoint has, checked.
 */
#ifndef HALLEY_READ_H
#define HALLEY_READ_H

#include <stdbool.h>

#include "core/config/config.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"
#include "fcgi-app/hub/hub.h"

/*
 * Fills `*read` from a request for read->transport. The channels are the
 * caller's to free(), as read->channels; their names are the request's. On
 * failure `problem` says what is wrong, and there is nothing to free.
 */
bool read_parse(const struct config *config, const struct request *request, struct hub_read *read,
                struct problem *problem);

/*
 * Sets where each of the channels begins: `text` is now, start, -K or a cursor. False if
 * it is none of them.
 */
bool read_since(const char *text, size_t len, struct hub_channel *channels, size_t count);

/* Whether a browser may subscribe to a channel of that name; if not, why. */
bool read_allowed(const struct config *config, const char *name, size_t len,
                  struct problem *problem);

#endif

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

#endif

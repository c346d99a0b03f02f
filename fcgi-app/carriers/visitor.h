/*
 * Whose page a request for a service comes from. Pure.
 */
#ifndef HALLEY_VISITOR_H
#define HALLEY_VISITOR_H

#include <stdbool.h>

#include "fcgi-app/door/request.h"

/*
 * Whether that page may use sessions: one of this site, or of one that `origins` (the option)
 * names. Scripts and frames say of where they come from only what a Referer says (RFC 9110
 * §10.1.3).
 */
bool visitor_may(const struct request *request, const char *origins);

#endif

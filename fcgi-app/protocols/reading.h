/*
 * What everybody who wants to read channels is asked, in whatever words he says it: may he,
 * and where does he begin. Pure functions.
 */
#ifndef HALLEY_READING_H
#define HALLEY_READING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/hub/place.h"
#include "fcgi-app/rights/identity.h"

/* Whether somebody (NULL: nobody known) may subscribe to a channel of that name; if not, why. */
bool reading_allowed(const struct config *config, const struct identity *who, const char *name,
                     size_t len, struct problem *problem);

/* Whether he may leave it; if not, why. The site is not asked. */
bool reading_ends(const struct config *config, const struct identity *who, const char *name,
                  size_t len, struct problem *problem);

enum { PATTERNS_MAX = 8 }; /* that somebody reads at once */

/* Whether it is a pattern, and whether there may be so many; if not, why. */
bool reading_pattern(const char *pattern, size_t len, struct problem *problem);
bool reading_patterns(size_t count, struct problem *problem);

/*
 * Sets where each of the channels begins: `text` is now, start, -K or a cursor. False if
 * it is none of them.
 */
bool reading_since(const char *text, size_t len, struct hub_channel *channels, size_t count);

#endif

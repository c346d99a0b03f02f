/*
 * Where a session stands: as the hub has it, and as Redis keeps it. Pure functions.
 */
#ifndef HALLEY_PLACES_H
#define HALLEY_PLACES_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/data/batch.h"
#include "core/redis/session.h"
#include "fcgi-app/hub/place.h"

/*
 * Brings places up to what Redis says: channels that are not in the cursor are left, those that
 * are not in the places are added. NULL or no cursor: there are none.
 */
void places_follow(struct hub_places *places, struct session_bytes cursor);

/* Appends the places as a cursor; what has no position yet is left out. */
void places_put(const struct hub_places *places, struct buf *out);

/* A copy, the caller's to free with hub_places_free(). */
struct hub_places places_copy(const struct hub_places *places);

/* A channel among the places; NULL: it is not. And whether it is. */
const struct hub_channel *places_find(const struct hub_places *places, const char *name,
                                      size_t len);
bool places_have(const struct hub_places *places, const char *name, size_t len);

/* The batch without messages of somebody who stands there. One reference. */
struct batch *places_batch(const struct hub_places *places);

#endif

/*
 * Finds channels by name in a list of them, which stays in the order in which they were
 * named: a request may name thousands. Belongs to whoever has the list.
 */
#ifndef HALLEY_CHANNEL_INDEX_H
#define HALLEY_CHANNEL_INDEX_H

#include <stddef.h>
#include <stdint.h>

#include "fcgi-app/hub/place.h"

struct channel_index {
    const struct hub_channel *channels;
    size_t noted;     /* channels that can be found */
    size_t mask;      /* of the places in `places`; 0: there are so few that none are needed */
    uint16_t *places; /* numbers of channels from 1, by their names' hash; 0: free */
};

enum { INDEX_MAX = 32767 }; /* channels */

/* An index over a list that will hold up to `most` channels; it stays where it is. */
struct channel_index channel_index_make(const struct hub_channel *channels, size_t most);
void channel_index_free(struct channel_index *index);

/* The next channel of the list was added, and is to be found. */
void channel_index_note(struct channel_index *index);

/* The place of a channel in the list, or -1. */
long channel_index_find(const struct channel_index *index, const char *name, size_t len);

#endif

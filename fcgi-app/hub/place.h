/*
 * Channels, and where somebody stands in them, as the hub is told and tells. Values.
 */
#ifndef HALLEY_PLACE_H
#define HALLEY_PLACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/data/since.h"
#include "fcgi-app/counts/tally.h"

struct hub_channel {
    const char *name;
    size_t len;
    struct since since;
    bool found; /* not named, but what a pattern stands for */
    bool gap;   /* told by carriers/begin.h: something behind `since` is no longer held */
};

/* What a released waiter was reading; the names are its own. Free it with hub_places_free(). */
struct hub_places {
    struct hub_channel *channels; /* with room for one more than `count` */
    size_t count;
    uint32_t ends; /* when the stream is over, on the hub's own clock */
    char tag[TAG_MAX + 1];
};
void hub_places_free(struct hub_places *places);

#endif

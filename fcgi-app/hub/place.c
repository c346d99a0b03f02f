/*
 * What places hold, given back. Called by everybody who has released a waiter.
 */
#include "fcgi-app/hub/place.h"

#include <stdlib.h>

void hub_places_free(struct hub_places *places) {
    for (size_t i = 0; i < places->count; i++)
        free((char *)(uintptr_t)places->channels[i].name);
    free(places->channels);
    *places = (struct hub_places){0};
}

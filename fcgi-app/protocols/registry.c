/*
 * Finds protocols in their table (table.c).
 */
#include <string.h>

#include "fcgi-app/protocols/protocols.h"

const struct protocol *protocol_at(unsigned index) {
    unsigned count = 0;
    while (protocols[count] != NULL)
        count++;
    return index < count ? protocols[index] : NULL;
}

unsigned protocol_index(const struct protocol *protocol) {
    unsigned index = 0;
    while (protocols[index] != NULL && protocols[index] != protocol)
        index++;
    return index;
}

const struct protocol *protocol_find(const char *name, size_t len) {
    for (unsigned i = 0; protocols[i] != NULL; i++) {
        if (strlen(protocols[i]->name) == len && memcmp(protocols[i]->name, name, len) == 0)
            return protocols[i];
    }
    return NULL;
}

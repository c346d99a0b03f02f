/*
 * The table of protocols. A new one is a row here and a file beside this one.
 */
#include <string.h>

#include "fcgi-app/protocols/protocols.h"

static const struct protocol *const protocols[] = {&protocol_halley, &protocol_channel};

enum { COUNT = sizeof protocols / sizeof protocols[0] };

const struct protocol *protocol_at(unsigned index) {
    return index < COUNT ? protocols[index] : NULL;
}

unsigned protocol_index(const struct protocol *protocol) {
    unsigned index = 0;
    while (index < COUNT && protocols[index] != protocol)
        index++;
    return index;
}

const struct protocol *protocol_find(const char *name, size_t len) {
    for (unsigned i = 0; i < COUNT; i++) {
        if (strlen(protocols[i]->name) == len && memcmp(protocols[i]->name, name, len) == 0)
            return protocols[i];
    }
    return NULL;
}

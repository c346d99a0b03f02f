/*
 * Messages that a feed has passed on and that may be forged: another of the same id was
 * heard, or may have been. They are to be looked for in history.
 */
#ifndef HALLEY_SUSPECTS_H
#define HALLEY_SUSPECTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/data/message.h"

enum { SUSPECTS_MAX = 8 }; /* what more there is, is looked for as long as the tail has it */

/* Zeroed, there are none. The first has the lowest id. */
struct suspects {
    struct message *list[SUSPECTS_MAX];
    size_t count;
    bool rival; /* another message of one of their ids was heard for certain */
};

/* Adds a message (one more reference), unless it is there. */
void suspects_add(struct suspects *suspects, struct message *message);

/* The one of that id, or NULL. */
struct message *suspects_find(const struct suspects *suspects, struct position id);

/* Forgets those up to that id, which history holds; or all. */
void suspects_clear_to(struct suspects *suspects, struct position id);
void suspects_clear(struct suspects *suspects);

#endif

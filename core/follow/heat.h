/*
 * How often channels are polled that nobody waits on: few polls are answered from the
 * history, many make it worth to follow the channel. A small table, by the hash of the name;
 * a name that takes another's place makes that one's count begin anew, and nothing worse.
 */
#ifndef HALLEY_HEAT_H
#define HALLEY_HEAT_H

#include <stdbool.h>
#include <stdint.h>

enum {
    HEAT_SLOTS = 1024,
    HEAT_ENOUGH = 8 /* polls in a second */
};

struct heat_slot {
    uint32_t hash;
    uint32_t second;
    uint32_t count;
};

struct heat {
    struct heat_slot slots[HEAT_SLOTS];
};

/* One more poll, at a time in seconds; whether they are many. */
static inline bool heat_add(struct heat *heat, uint32_t hash, double now) {
    struct heat_slot *slot = &heat->slots[hash % HEAT_SLOTS];

    if (slot->hash != hash || slot->second != (uint32_t)now)
        *slot = (struct heat_slot){.hash = hash, .second = (uint32_t)now};
    return ++slot->count >= HEAT_ENOUGH;
}

#endif

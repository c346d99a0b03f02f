/*
 * A bounded list of ids. A flood of forged messages fills it and then only counts: the read
 * that is to come decides about all of them at once. Belongs to the loop's thread.
 */
#include "core/follow/doubts.h"

#include <stdlib.h>

#include "core/base/mem.h"

void doubts_add(struct doubts *doubts, struct position id) {
    if (doubts->count == DOUBTS_MAX) {
        doubts->more++;
        return;
    }
    if (doubts->ids == NULL)
        doubts->ids = mem_new(DOUBTS_MAX * sizeof *doubts->ids);
    doubts->ids[doubts->count++] = id;
}

void doubts_add_forgotten(struct doubts *doubts) {
    doubts->forgotten = true;
}

bool doubts_any(const struct doubts *doubts) {
    return doubts->count > 0 || doubts->forgotten;
}

bool doubts_has(const struct doubts *doubts, struct position id) {
    for (size_t i = 0; i < doubts->count; i++) {
        if (position_compare(doubts->ids[i], id) == 0)
            return true;
    }
    return false;
}

bool doubts_overflowed(const struct doubts *doubts) {
    return doubts->more > 0 || doubts->forgotten;
}

/* Whether the read explains why this one did not follow: it lies ahead, or the channel went back.
 */
static bool explained(struct position id, struct position from, struct position tail) {
    if (position_compare(tail, from) < 0)
        return id.epoch == tail.epoch && id.n <= tail.n;
    return position_compare(from, id) < 0 && position_compare(id, tail) <= 0;
}

uint64_t doubts_refuted(const struct doubts *doubts, struct position from, struct position tail) {
    uint64_t refuted = 0;

    for (size_t i = 0; i < doubts->count; i++)
        refuted += !explained(doubts->ids[i], from, tail);
    if (doubts->more > 0 && !explained(doubts->ids[doubts->count - 1], from, tail))
        refuted += doubts->more;
    return refuted;
}

void doubts_clear(struct doubts *doubts) {
    free(doubts->ids);
    *doubts = (struct doubts){0};
}

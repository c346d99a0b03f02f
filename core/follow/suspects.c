/*
 * A few messages, the one with the lowest id first: a read that begins before that one
 * decides about all. Belongs to the loop's thread.
 */
#include "core/follow/suspects.h"

static void put_lowest_first(struct suspects *suspects) {
    for (size_t i = 1; i < suspects->count; i++) {
        struct message *first = suspects->list[0], *other = suspects->list[i];
        if (position_compare(other->id, first->id) < 0) {
            suspects->list[0] = other;
            suspects->list[i] = first;
        }
    }
}

void suspects_add(struct suspects *suspects, struct message *message) {
    if (suspects_find(suspects, message->id) != NULL)
        return;
    if (suspects->count == SUSPECTS_MAX) {
        if (position_compare(message->id, suspects->list[0]->id) > 0)
            return;
        message_unref(suspects->list[--suspects->count]);
    }
    suspects->list[suspects->count++] = message_ref(message);
    put_lowest_first(suspects);
}

struct message *suspects_find(const struct suspects *suspects, struct position id) {
    for (size_t i = 0; i < suspects->count; i++) {
        if (position_compare(suspects->list[i]->id, id) == 0)
            return suspects->list[i];
    }
    return NULL;
}

void suspects_clear_to(struct suspects *suspects, struct position id) {
    size_t kept = 0;

    for (size_t i = 0; i < suspects->count; i++) {
        if (position_compare(suspects->list[i]->id, id) <= 0)
            message_unref(suspects->list[i]);
        else
            suspects->list[kept++] = suspects->list[i];
    }
    suspects->count = kept;
    suspects->rival = suspects->rival && kept > 0;
    put_lowest_first(suspects);
}

void suspects_clear(struct suspects *suspects) {
    while (suspects->count > 0)
        message_unref(suspects->list[--suspects->count]);
    suspects->rival = false;
}

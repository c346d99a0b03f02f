/*
 * A ring of messages that grows as it fills, so that a quiet channel costs little.
 */
#include "core/follow/tail.h"

#include <stdlib.h>

#include "core/base/mem.h"

void tail_shorten(struct tail *tail) {
    struct message *message = tail->items[tail->first];

    tail->base = message->id;
    tail->bytes -= message->payload_len;
    tail->items[tail->first] = NULL;
    tail->first = (tail->first + 1) % tail->size;
    tail->count--;
    message_unref(message);
}

void tail_reset(struct tail *tail, struct position base) {
    while (tail->count > 0)
        tail_shorten(tail);
    free(tail->items);
    *tail = (struct tail){.base = base};
}

static void grow(struct tail *tail, size_t max) {
    size_t size = tail->size == 0 ? 4 : tail->size * 2;
    size = size < max ? size : max;
    struct message **items = mem_new(size * sizeof(struct message *));
    for (size_t i = 0; i < tail->count; i++)
        items[i] = tail->items[(tail->first + i) % tail->size];
    free(tail->items);
    tail->items = items;
    tail->first = 0;
    tail->size = size;
}

void tail_add(struct tail *tail, struct message *message, size_t max) {
    while (tail->count > 0 &&
           (tail->count == max || tail->bytes + message->payload_len > TAIL_BYTES))
        tail_shorten(tail);
    if (tail->count == tail->size)
        grow(tail, max);
    tail->items[(tail->first + tail->count++) % tail->size] = message_ref(message);
    tail->bytes += message->payload_len;
}

struct message *tail_at(const struct tail *tail, long index) {
    return tail->items[(tail->first + (size_t)index) % tail->size];
}

long tail_after(const struct tail *tail, struct position position) {
    long low = 0, high = (long)tail->count;

    if (position_compare(position, tail->base) == 0)
        return 0;
    while (low < high) { /* ids rise along the tail */
        long middle = low + (high - low) / 2;
        int order = position_compare(tail_at(tail, middle)->id, position);
        if (order == 0)
            return middle + 1;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

struct message *tail_find(const struct tail *tail, struct position id) {
    long after = position_compare(id, tail->base) == 0 ? -1 : tail_after(tail, id);
    return after > 0 ? tail_at(tail, after - 1) : NULL;
}

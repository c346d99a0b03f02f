/*
 * The queue of a worker. Whoever heard the same publishes has them under the same
 * names, so "done up to here" from any worker is enough to know what is left.
 */
#include "worker/queue.h"

#include <stdlib.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

static bool holds(const struct queue *queue, size_t items, size_t bytes) {
    return queue->count >= items || queue->bytes >= bytes;
}

void queue_init(struct queue *queue, size_t items_full) {
    *queue = (struct queue){.items_full = items_full};
}

bool queue_full(const struct queue *queue) {
    return holds(queue, queue->items_full, QUEUE_BYTES);
}

bool queue_roomy(const struct queue *queue) {
    return !holds(queue, queue->items_full / 2, QUEUE_BYTES / 2);
}

enum err queue_add(struct queue *queue, const struct heard *heard) {
    if (holds(queue, queue->items_full * QUEUE_SPARE, (size_t)QUEUE_BYTES * QUEUE_SPARE))
        return ERR_FULL;
    struct item *item = mem_new(sizeof *item);
    item->name = heard->name;
    item->from = heard->from;
    item->channel = mem_copy(heard->channel, heard->channel_len);
    item->channel_len = heard->channel_len;
    item->payload = mem_copy(heard->payload, heard->payload_len);
    item->payload_len = heard->payload_len;
    item->gap = heard->gap;
    DL_APPEND(queue->head, item);
    queue->count++;
    queue->bytes += item->payload_len;
    if (queue->unsent == NULL)
        queue->unsent = item;
    return ERR_OK;
}

static void take_out(struct queue *queue, struct item *item) {
    if (queue->unsent == item)
        queue->unsent = item->next;
    DL_DELETE(queue->head, item);
    queue->count--;
    queue->bytes -= item->payload_len;
    free(item->channel);
    free(item->payload);
    free(item);
}

void queue_done(struct queue *queue, struct name name) {
    struct item *item = queue->head;

    while (item != NULL && item->name.barrier < name.barrier)
        item = item->next;
    while (item != NULL && item->name.barrier == name.barrier && item->name.number <= name.number) {
        struct item *next = item->next;
        take_out(queue, item);
        item = next;
    }
}

void queue_drop(struct queue *queue) {
    if (queue->head != NULL)
        take_out(queue, queue->head);
}

void queue_sent(struct queue *queue) {
    queue->unsent = queue->unsent->next;
}

void queue_rewind(struct queue *queue) {
    queue->unsent = queue->head;
}

void queue_clear(struct queue *queue) {
    while (queue->head != NULL)
        queue_drop(queue);
}

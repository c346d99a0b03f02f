/*
 * The queue of a worker. Whoever heard the same publishes has them under the same
 * names, so "done up to here" from any worker is enough to know what is left.
 */
#include "worker/queue.h"

#include <stdlib.h>
#include <string.h>

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
    item->more = heard->more_len > 0 ? mem_copy(heard->more, heard->more_len) : NULL;
    item->more_len = heard->more_len;
    item->payload = mem_copy(heard->payload, heard->payload_len);
    item->payload_len = heard->payload_len;
    item->gap = heard->gap;
    DL_APPEND(queue->head, item);
    queue->count++;
    queue->bytes += item->payload_len + item->more_len;
    if (queue->unsent == NULL)
        queue->unsent = item;
    return ERR_OK;
}

static void take_out(struct queue *queue, struct item *item) {
    if (queue->unsent == item)
        queue->unsent = item->next;
    DL_DELETE(queue->head, item);
    queue->count--;
    queue->bytes -= item->payload_len + item->more_len;
    free(item->channel);
    free(item->more);
    free(item->payload);
    free(item);
}

bool queue_next_channel(const char **more, size_t *more_len, const char **channel, size_t *len) {
    const char *end = *more_len > 0 ? memchr(*more, '\n', *more_len) : NULL;

    if (end == NULL)
        return false;
    *channel = *more;
    *len = (size_t)(end - *more);
    *more_len -= *len + 1;
    *more = end + 1;
    return true;
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

/*
 * The queue of a worker. Every worker that was there from the start has the same
 * one, because Redis delivers to all of them in the same order; digests are how
 * they check that.
 */
#include "worker/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/collections.h"
#include "core/mem.h"

/* FNV-1a, 64 bits: tells items apart, keeps nothing secret. */
static uint64_t fnv(uint64_t hash, const char *data, size_t len) {
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)data[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void queue_digest(const char *channel, size_t channel_len, const char *payload, size_t payload_len,
                  char out[DIGEST_TEXT]) {
    uint64_t hash = fnv(UINT64_C(0xcbf29ce484222325), channel, channel_len);
    hash = fnv(hash, "", 1);
    hash = fnv(hash, payload, payload_len);
    snprintf(out, DIGEST_TEXT, "%016llx", (unsigned long long)hash);
}

enum err queue_add(struct queue *queue, const char *channel, size_t channel_len,
                   const char *payload, size_t payload_len) {
    if (queue->count >= QUEUE_ITEMS_MAX || queue->bytes + payload_len > QUEUE_BYTES_MAX)
        return ERR_FULL;
    struct item *item = mem_new(sizeof *item);
    item->channel = mem_copy(channel, channel_len);
    item->channel_len = channel_len;
    item->payload = mem_copy(payload, payload_len);
    item->payload_len = payload_len;
    queue_digest(channel, channel_len, payload, payload_len, item->digest);
    DL_APPEND(queue->head, item);
    queue->count++;
    queue->bytes += payload_len;
    return ERR_OK;
}

struct item *queue_find(const struct queue *queue, const char *digest) {
    struct item *item;
    DL_FOREACH (queue->head, item) {
        if (strcmp(item->digest, digest) == 0)
            return item;
    }
    return NULL;
}

static void drop_head(struct queue *queue) {
    struct item *item = queue->head;
    DL_DELETE(queue->head, item);
    queue->count--;
    queue->bytes -= item->payload_len;
    free(item->channel);
    free(item->payload);
    free(item);
}

size_t queue_drop_through(struct queue *queue, const struct item *last) {
    size_t dropped = 0;
    bool done = false;
    while (queue->head != NULL && !done) {
        done = queue->head == last;
        drop_head(queue);
        dropped++;
    }
    return dropped;
}

void queue_drop_sequenced(struct queue *queue, uint64_t total) {
    while (queue->head != NULL && queue->head->index != 0 && queue->head->index <= total)
        drop_head(queue);
}

void queue_number(struct queue *queue, uint64_t first) {
    struct item *item;
    DL_FOREACH (queue->head, item) {
        item->index = first++;
    }
}

void queue_clear(struct queue *queue) {
    while (queue->head != NULL)
        drop_head(queue);
}

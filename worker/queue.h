/*
 * What a worker has heard and has not seen sequenced, in the order in which
 * Redis published it. Values only; no loop, no Redis.
 */
#ifndef HALLEY_QUEUE_H
#define HALLEY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum { QUEUE_ITEMS_MAX = 200000, QUEUE_BYTES_MAX = 128 * 1024 * 1024, DIGEST_TEXT = 17 };

/* A bare publish, or a marker (then `channel_len` is 0 and the payload names it). */
struct item {
    struct item *prev, *next;
    uint64_t index; /* its place among everything ever sequenced; 0: not known */
    char digest[DIGEST_TEXT];
    size_t channel_len;
    size_t payload_len;
    char *channel;
    char *payload;
};

struct queue {
    struct item *head;
    size_t count;
    size_t bytes;
};

/* Appends a copy. ERR_FULL beyond QUEUE_ITEMS_MAX or QUEUE_BYTES_MAX. */
enum err queue_add(struct queue *queue, const char *channel, size_t channel_len,
                   const char *payload, size_t payload_len) MUST_CHECK;

/* The first item with that digest, or NULL. */
struct item *queue_find(const struct queue *queue, const char *digest);

/* Takes the items up to and with `last` out; returns how many. */
size_t queue_drop_through(struct queue *queue, const struct item *last);

/* Takes out the items at the front whose index is known and at most `total`. */
void queue_drop_sequenced(struct queue *queue, uint64_t total);

/* Numbers the items, from the front, from `first` on. */
void queue_number(struct queue *queue, uint64_t first);

void queue_clear(struct queue *queue);

/* The digest by which workers recognise an item: 16 hexadecimal digits. */
void queue_digest(const char *channel, size_t channel_len, const char *payload, size_t payload_len,
                  char out[DIGEST_TEXT]);

#endif

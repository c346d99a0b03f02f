/*
 * What a worker has heard and does not know to be done, by name and in the order
 * in which Redis published it. Values only; no loop, no Redis.
 */
#ifndef HALLEY_QUEUE_H
#define HALLEY_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"

/*
 * Where it counts as full, and whoever listens has to stop; and a multiple of that, which
 * what Redis had sent by then still fits into.
 */
enum { QUEUE_ITEMS = 200000, QUEUE_BYTES = 128 * 1024 * 1024, QUEUE_SPARE = 2 };

/*
 * The name of a bare publish: the barrier after which Redis carried it out, and how many
 * bare publishes this Redis process had then seen. Names are ordered; that of a barrier
 * itself has the number of the last publish before it.
 */
struct name {
    uint64_t barrier;
    uint64_t number;
};

struct item {
    struct item *prev, *next;
    struct name name;
    struct name from; /* the barrier since which all up to it was heard without a break */
    size_t channel_len;
    size_t more_len;
    size_t payload_len;
    char *channel;
    char *more; /* channels that it goes to as well, a line end behind each */
    char *payload;
    bool gap; /* no message: its readers are told of a gap in its place */
};

struct queue {
    struct item *head;
    struct item *unsent; /* the first that was not sent; NULL: all were */
    size_t count;
    size_t bytes;
    size_t items_full; /* how many are full: QUEUE_ITEMS, but for tests */
};

/* What is to be queued; the bytes are borrowed. */
struct heard {
    struct name name;
    struct name from;
    const char *channel;
    size_t channel_len;
    const char *more;
    size_t more_len;
    const char *payload;
    size_t payload_len;
    bool gap;
};

/* Takes the first channel out of `more`. False: there is none left. */
bool queue_next_channel(const char **more, size_t *more_len, const char **channel, size_t *len);

/* An empty queue that is full with so many items, or QUEUE_BYTES. */
void queue_init(struct queue *queue, size_t items_full);

/* Appends a copy. ERR_FULL where it is over QUEUE_SPARE times full. */
enum err queue_add(struct queue *queue, const struct heard *heard) MUST_CHECK;

/* Whether those who publish should be told that nobody listens; and whether so no more. */
bool queue_full(const struct queue *queue);
bool queue_roomy(const struct queue *queue);

/* Everything behind that barrier, up to that number, is done: takes it out. */
void queue_done(struct queue *queue, struct name name);

/* Takes the first item out. */
void queue_drop(struct queue *queue);

/* The first unsent item was sent. */
void queue_sent(struct queue *queue);

/* What was sent has to be sent again. */
void queue_rewind(struct queue *queue);

void queue_clear(struct queue *queue);

#endif

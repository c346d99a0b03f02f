/*
 * A batch: the one answer object of every transport. It is built once for all
 * waiters that stand at the same place, and shared. One thread.
 */
#ifndef HALLEY_BATCH_H
#define HALLEY_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/data/cursor.h"
#include "core/data/message.h"

/* One of the channels that a batch is about. */
struct batch_channel {
    const char *name;
    size_t len;
    struct position from; /* where the reader stood */
    struct position to;   /* where it stands with the whole batch */
    bool gap;             /* something between the two is no longer held */
};

struct batch_entry {
    struct message *message;
    size_t channel; /* index into the batch's channels */
};

struct batch; /* opaque: see the functions */

/*
 * A batch with one reference. `channels` and their names are copied, the
 * messages are referenced; entries stand in the order of delivery. `retry` in
 * milliseconds is written into it unless it is 0.
 */
struct batch *batch_new(const struct batch_channel *channels, size_t channel_count,
                        const struct batch_entry *entries, size_t entry_count, unsigned retry);

/* A batch without messages or gaps that stands where `batch` begins. One reference. */
struct batch *batch_before(const struct batch *batch);

/*
 * Says in the batch that there is more to be had at once behind it, or that Redis is lost to
 * those who listen ("away") and there again ("up"; borrowed). Before it is first rendered.
 */
void batch_set_more(struct batch *batch);
void batch_set_redis(struct batch *batch, const char *word);

/* Says why there is nothing more, a JSON object, where the status is out already. It is borrowed
 * until the batch is rendered. */
void batch_set_error(struct batch *batch, const char *json);

struct batch *batch_ref(struct batch *batch);

/* Gives one reference back; the last one frees. Safe on NULL. */
void batch_unref(struct batch *batch);

size_t batch_channel_count(const struct batch *batch);
const struct batch_channel *batch_channel_at(const struct batch *batch, size_t index);
size_t batch_size(const struct batch *batch);
const struct batch_entry *batch_entry_at(const struct batch *batch, size_t index);
bool batch_has_gap(const struct batch *batch);
unsigned batch_retry(const struct batch *batch);

/* What it says of Redis, or NULL. */
const char *batch_redis(const struct batch *batch);

/* The batch as one line of JSON without a line end; rendered once. Owned by the batch. */
const struct buf *batch_json(struct batch *batch);

/* Appends the cursor after the first `taken` entries; all of them: the batch's own cursor. */
void batch_cursor(const struct batch *batch, size_t taken, struct buf *out);

/*
 * A rendering that a transport made of this batch, kept for the next waiter:
 * NULL until batch_keep() stored one under the same key. Keys are addresses and
 * small numbers that only the transport knows; at most BATCH_RENDERINGS are kept.
 */
enum { BATCH_RENDERINGS = 8 };
const struct buf *batch_kept(const struct batch *batch, const void *key, unsigned variant);

/* Keeps `rendering` (moved from the caller) and returns where it now lives; NULL if full. */
const struct buf *batch_keep(struct batch *batch, const void *key, unsigned variant,
                             struct buf *rendering);

#endif

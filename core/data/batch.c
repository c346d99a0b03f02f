/*
 * Batches. The hub builds one for a set of positions, and hands the same one to
 * every waiter that stands there; its JSON and each transport's rendering of it
 * are made once, on first use. Message objects are spliced, never rebuilt.
 */
#include "core/data/batch.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"

struct rendering {
    const void *key;
    unsigned variant;
    struct buf text;
};

/*
 * A channel's part of a cursor. Where each message is told with the cursor behind it, a
 * thousand cursors are made of a batch, in each of which one place is another than before.
 */
struct piece {
    const char *name; /* as cursors have it */
    size_t name_len;
    struct position at;
    struct position written; /* as `place` */
    char place[POSITION_TEXT];
    size_t place_len;
};

struct batch {
    unsigned refs;
    unsigned retry;
    bool more;
    const char *redis; /* or NULL */
    const char *error; /* a JSON object, or NULL */
    size_t channel_count;
    size_t entry_count;
    struct batch_channel *channels; /* their names stand behind them, in one block */
    struct batch_entry *entries;
    struct piece *pieces; /* of every channel; NULL until they are needed */
    struct buf names;     /* what they point into */
    struct buf json;
    struct rendering kept[BATCH_RENDERINGS];
    size_t kept_count;
};

static struct batch_channel *copy_channels(const struct batch_channel *channels, size_t count) {
    size_t names = 0;
    for (size_t i = 0; i < count; i++)
        names += channels[i].len;
    struct batch_channel *copy = mem_new(count * sizeof *copy + names);
    char *at = (char *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        copy[i] = channels[i];
        copy[i].name = at;
        memcpy(at, channels[i].name, channels[i].len);
        at += channels[i].len;
    }
    return copy;
}

struct batch *batch_new(const struct batch_channel *channels, size_t channel_count,
                        const struct batch_entry *entries, size_t entry_count, unsigned retry) {
    struct batch *batch = mem_new(sizeof *batch);
    batch->refs = 1;
    batch->retry = retry;
    batch->channel_count = channel_count;
    batch->channels = copy_channels(channels, channel_count);
    batch->entry_count = entry_count;
    batch->entries = mem_new(entry_count * sizeof *batch->entries);
    for (size_t i = 0; i < entry_count; i++) {
        batch->entries[i] = entries[i];
        message_ref(entries[i].message);
    }
    batch->json = batch->names = buf_make(SIZE_MAX / 2); /* their parts are bounded */
    return batch;
}

struct batch *batch_before(const struct batch *batch) {
    struct batch *start = batch_new(batch->channels, batch->channel_count, NULL, 0, 0);
    for (size_t i = 0; i < start->channel_count; i++) {
        start->channels[i].to = start->channels[i].from;
        start->channels[i].gap = false;
    }
    return start;
}

void batch_set_more(struct batch *batch) {
    batch->more = true;
}

void batch_set_error(struct batch *batch, const char *json) {
    batch->error = json;
}

void batch_set_redis(struct batch *batch, const char *word) {
    batch->redis = word;
}

struct batch *batch_ref(struct batch *batch) {
    batch->refs++;
    return batch;
}

void batch_unref(struct batch *batch) {
    if (batch == NULL || --batch->refs > 0)
        return;
    for (size_t i = 0; i < batch->entry_count; i++)
        message_unref(batch->entries[i].message);
    for (size_t i = 0; i < batch->kept_count; i++)
        buf_free(&batch->kept[i].text);
    buf_free(&batch->json);
    buf_free(&batch->names);
    free(batch->pieces);
    free(batch->entries);
    free(batch->channels);
    free(batch);
}

size_t batch_channel_count(const struct batch *batch) {
    return batch->channel_count;
}

const struct batch_channel *batch_channel_at(const struct batch *batch, size_t index) {
    return &batch->channels[index];
}

size_t batch_size(const struct batch *batch) {
    return batch->entry_count;
}

const struct batch_entry *batch_entry_at(const struct batch *batch, size_t index) {
    return &batch->entries[index];
}

bool batch_has_gap(const struct batch *batch) {
    for (size_t i = 0; i < batch->channel_count; i++) {
        if (batch->channels[i].gap)
            return true;
    }
    return false;
}

unsigned batch_retry(const struct batch *batch) {
    return batch->retry;
}

const char *batch_redis(const struct batch *batch) {
    return batch->redis;
}

static void write_place(struct piece *piece) {
    piece->written = piece->at;
    piece->place_len = position_format(piece->at, piece->place);
}

static void make_pieces(struct batch *batch) {
    batch->pieces = mem_new(batch->channel_count * sizeof *batch->pieces);
    for (size_t i = 0; i < batch->channel_count; i++) {
        size_t before = batch->names.len;
        cursor_add_name(&batch->names, batch->channels[i].name, batch->channels[i].len);
        batch->pieces[i].name_len = batch->names.len - before;
        batch->pieces[i].at = batch->channels[i].from;
        write_place(&batch->pieces[i]);
    }
    const char *name = batch->names.data;
    for (size_t i = 0; i < batch->channel_count; i++) {
        batch->pieces[i].name = name;
        name += batch->pieces[i].name_len;
    }
}

/* Where every channel is after the first `taken` entries, which are not all. */
static void move_pieces(struct batch *batch, size_t taken) {
    for (size_t i = 0; i < batch->channel_count; i++)
        batch->pieces[i].at = batch->channels[i].from;
    for (size_t k = 0; k < taken; k++)
        batch->pieces[batch->entries[k].channel].at = batch->entries[k].message->id;
}

static void put_pieces(struct batch *batch, struct buf *out) {
    for (size_t i = 0; i < batch->channel_count; i++) {
        struct piece *piece = &batch->pieces[i];
        if (position_compare(piece->at, piece->written) != 0)
            write_place(piece);
        if (i > 0)
            buf_char(out, ',');
        buf_add(out, piece->name, piece->name_len);
        buf_add(out, piece->place, piece->place_len);
    }
}

/* The cursor behind the whole batch is made once or twice. */
static void put_end(const struct batch *batch, struct buf *out) {
    struct buf text = buf_make(out->max);

    for (size_t i = 0; i < batch->channel_count; i++) {
        const struct batch_channel *channel = &batch->channels[i];
        cursor_add(&text, channel->name, channel->len, channel->to);
    }
    buf_add(out, text.data, text.len);
    buf_free(&text);
}

void batch_cursor(const struct batch *batch, size_t taken, struct buf *out) {
    struct batch *known = (struct batch *)(uintptr_t)batch; /* what is kept changes no answer */

    if (taken == batch->entry_count) {
        put_end(batch, out);
        return;
    }
    if (known->pieces == NULL)
        make_pieces(known);
    move_pieces(known, taken);
    put_pieces(known, out);
}

static void put_gap(const struct batch *batch, struct buf *out) {
    const char *separator = ",\"gap\":[";
    for (size_t i = 0; i < batch->channel_count; i++) {
        if (!batch->channels[i].gap)
            continue;
        buf_text(out, separator);
        json_quote(out, batch->channels[i].name, batch->channels[i].len);
        separator = ",";
    }
    if (batch_has_gap(batch))
        buf_char(out, ']');
}

const struct buf *batch_json(struct batch *batch) {
    struct buf *out = &batch->json;
    if (out->len > 0)
        return out;
    buf_text(out, "{\"messages\":[");
    for (size_t i = 0; i < batch->entry_count; i++) {
        if (i > 0)
            buf_char(out, ',');
        size_t len;
        const char *object = message_json(batch->entries[i].message, &len);
        buf_add(out, object, len);
    }
    buf_text(out, "],\"cursor\":\"");
    batch_cursor(batch, batch->entry_count, out);
    buf_char(out, '"');
    put_gap(batch, out);
    if (batch->retry > 0)
        buf_printf(out, ",\"retry\":%u", batch->retry);
    if (batch->more)
        buf_text(out, ",\"more\":true");
    if (batch->redis != NULL)
        buf_printf(out, ",\"redis\":\"%s\"", batch->redis);
    if (batch->error != NULL)
        buf_printf(out, ",\"error\":%s", batch->error);
    buf_char(out, '}');
    return out;
}

const struct buf *batch_kept(const struct batch *batch, const void *key, unsigned variant) {
    for (size_t i = 0; i < batch->kept_count; i++) {
        if (batch->kept[i].key == key && batch->kept[i].variant == variant)
            return &batch->kept[i].text;
    }
    return NULL;
}

const struct buf *batch_keep(struct batch *batch, const void *key, unsigned variant,
                             struct buf *rendering) {
    if (batch->kept_count == BATCH_RENDERINGS)
        return NULL;
    struct rendering *slot = &batch->kept[batch->kept_count++];
    *slot = (struct rendering){.key = key, .variant = variant, .text = *rendering};
    *rendering = buf_make(rendering->max);
    return &slot->text;
}

/*
 * Positions: the hub has them for each channel, Redis keeps them as the text of a cursor.
 */
#include "fcgi-app/carriers/places.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/cursor.h"
#include "fcgi-app/door/params.h"

const struct hub_channel *places_find(const struct hub_places *places, const char *name,
                                      size_t len) {
    for (size_t i = 0; i < places->count; i++) {
        const struct hub_channel *channel = &places->channels[i];
        if (channel->len == len && memcmp(channel->name, name, len) == 0)
            return channel;
    }
    return NULL;
}

static void drop_others(struct hub_places *places, const struct cursor *cursor) {
    size_t left = 0;

    for (size_t i = 0; i < places->count; i++) {
        struct hub_channel *channel = &places->channels[i];
        if (cursor_find(cursor, channel->name, channel->len) != NULL)
            places->channels[left++] = *channel;
        else
            free((char *)(uintptr_t)channel->name);
    }
    places->count = left;
}

static void add_new(struct hub_places *places, const struct cursor *cursor) {
    size_t before = places->count;
    struct hub_places old = {.channels = places->channels, .count = before};

    places->channels =
        mem_resize(places->channels, (before + cursor->count + 1) * sizeof *places->channels);
    old.channels = places->channels;
    for (size_t i = 0; i < cursor->count; i++) {
        const struct cursor_item *item = &cursor->items[i];
        if (places_have(&old, item->channel, item->channel_len))
            continue;
        places->channels[places->count++] =
            (struct hub_channel){.name = mem_copy(item->channel, item->channel_len),
                                 .len = item->channel_len,
                                 .since = {.kind = SINCE_AT, .at = item->position}};
    }
}

void places_follow(struct hub_places *places, struct session_bytes text) {
    struct cursor *cursor = NULL;

    if (text.len == 0 || cursor_parse(text.at, text.len, PARAMS_MAX, &cursor) != ERR_OK) {
        hub_places_free(places);
        return;
    }
    drop_others(places, cursor);
    add_new(places, cursor);
    free(cursor);
}

void places_put(const struct hub_places *places, struct buf *out) {
    for (size_t i = 0; i < places->count; i++) {
        const struct hub_channel *channel = &places->channels[i];
        if (channel->since.kind != SINCE_AT)
            continue;
        cursor_add(out, channel->name, channel->len, channel->since.at);
    }
}

struct hub_places places_copy(const struct hub_places *places) {
    struct hub_places copy = *places;

    copy.channels = mem_new((places->count + 1) * sizeof *copy.channels);
    for (size_t i = 0; i < places->count; i++) {
        copy.channels[i] = places->channels[i];
        copy.channels[i].name = mem_copy(places->channels[i].name, places->channels[i].len);
    }
    return copy;
}

bool places_have(const struct hub_places *places, const char *name, size_t len) {
    return places_find(places, name, len) != NULL;
}

struct batch *places_batch(const struct hub_places *places) {
    struct batch_channel *channels = mem_new((places->count + 1) * sizeof *channels);

    for (size_t i = 0; i < places->count; i++) {
        const struct hub_channel *channel = &places->channels[i];
        channels[i] = (struct batch_channel){.name = channel->name,
                                             .len = channel->len,
                                             .from = channel->since.at,
                                             .to = channel->since.at};
    }
    struct batch *batch = batch_new(channels, places->count, NULL, 0, 0);
    free(channels);
    return batch;
}

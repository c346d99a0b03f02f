/*
 * An open table of the channels' places, twice as large as it must be. The hash is seeded
 * with what only this process knows, so that nobody can choose names that all have the
 * same. A short list, which nearly every request has, is just looked along.
 */
#include "fcgi-app/protocols/channel_index.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>

#include "core/base/mem.h"

enum { FEW = 16 };

/* FNV-1a over sixteen random bytes that the kernel gave this process, and the name. */
static size_t hash_of(const char *name, size_t len) {
    const unsigned char *seed = (const unsigned char *)(uintptr_t)getauxval(AT_RANDOM);
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < 16 && seed != NULL; i++)
        hash = (hash ^ seed[i]) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)name[i]) * UINT64_C(0x100000001b3);
    return (size_t)(hash ^ hash >> 32);
}

static bool is_named(const struct hub_channel *channel, const char *name, size_t len) {
    return channel->len == len && memcmp(channel->name, name, len) == 0;
}

struct channel_index channel_index_make(const struct hub_channel *channels, size_t most) {
    struct channel_index index = {.channels = channels};
    size_t size = 1;

    if (most <= FEW || most > INDEX_MAX)
        return index;
    while (size < 2 * most)
        size *= 2;
    index.mask = size - 1;
    index.places = mem_new(size * sizeof *index.places);
    return index;
}

void channel_index_free(struct channel_index *index) {
    free(index->places);
    index->places = NULL;
}

/* Where a name stands in the table, or would. */
static size_t place_of(const struct channel_index *index, const char *name, size_t len) {
    size_t at = hash_of(name, len) & index->mask;

    while (index->places[at] != 0 && !is_named(&index->channels[index->places[at] - 1], name, len))
        at = (at + 1) & index->mask;
    return at;
}

void channel_index_note(struct channel_index *index) {
    const struct hub_channel *channel = &index->channels[index->noted++];

    if (index->mask > 0)
        index->places[place_of(index, channel->name, channel->len)] = (uint16_t)index->noted;
}

long channel_index_find(const struct channel_index *index, const char *name, size_t len) {
    if (index->mask > 0)
        return (long)index->places[place_of(index, name, len)] - 1;
    for (size_t i = 0; i < index->noted; i++) {
        if (is_named(&index->channels[i], name, len))
            return (long)i;
    }
    return -1;
}

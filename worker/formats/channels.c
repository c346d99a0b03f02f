/*
 * channels: what Django's channels_redis publishes in its pub/sub layer, on
 * `<prefix>__group__<group>`: a MessagePack map. Its other layer, the default, writes into
 * sorted sets of each process, and cannot be overheard.
 */
#include "worker/formats/formats.h"
#include "worker/formats/msgpack.h"

bool format_channels(const struct published *published, struct meaning *meaning) {
    struct msgpack_value *map = msgpack_read(published->payload, published->payload_len);
    bool good = map != NULL && map->kind == PACK_MAP && msgpack_json(map, &meaning->text, NULL);

    msgpack_free(map);
    if (!good)
        return meaning_none(meaning, "channels: not a MessagePack map");
    meaning_add(meaning, published->part, published->part_len);
    meaning_write(meaning);
    return true;
}

/* cursor_parse() on any text: what it takes is written again as an equal cursor. */
#include "core/data/cursor.h"

#include <stdlib.h>
#include <string.h>

#include "core/data/wildcard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct cursor *cursor = NULL;
    struct buf text = buf_make(SIZE_MAX / 2);

    if (cursor_parse((const char *)data, size, 64, &cursor) != ERR_OK)
        return 0;
    for (size_t i = 0; i < cursor->count; i++) {
        const struct cursor_item *item = &cursor->items[i];
        if (!channel_valid(item->channel, item->channel_len) &&
            !wildcard_valid(item->channel, item->channel_len))
            abort();
        cursor_add(&text, item->channel, item->channel_len, item->position);
    }
    struct cursor *again = NULL;
    if (cursor_parse(text.data, text.len, 64, &again) != ERR_OK || again->count != cursor->count)
        abort();
    for (size_t i = 0; i < cursor->count; i++) {
        const struct position *at =
            cursor_find(again, cursor->items[i].channel, cursor->items[i].channel_len);
        if (at == NULL || position_compare(*at, cursor->items[i].position) != 0)
            abort();
    }
    free(again);
    free(cursor);
    buf_free(&text);
    return 0;
}

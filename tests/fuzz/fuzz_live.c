/* page_parse_live() on any text that somebody publishes into our feed. */
#include "core/redis/page.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct page_live live;
    char text[POSITION_TEXT];

    if (page_parse_live((const char *)data, size, &live) != ERR_OK)
        return 0;
    size_t id_len = position_format(live.id, text);
    if (size < id_len || memcmp(data, text, id_len) != 0)
        abort();
    if (live.payload == NULL)
        return size == id_len ? 0 : (abort(), 0);
    if (live.payload < (const char *)data ||
        live.payload + live.payload_len != (const char *)data + size || data[id_len] != ' ')
        abort();
    return 0;
}

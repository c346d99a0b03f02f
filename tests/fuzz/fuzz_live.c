/* history_parse_live() on any text that somebody publishes into our feed. */
#include "core/history.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct position id;
    uint64_t at;
    const char *payload;
    size_t len;
    char text[POSITION_TEXT];

    if (history_parse_live((const char *)data, size, &id, &at, &payload, &len) != ERR_OK)
        return 0;
    if (payload < (const char *)data || payload + len != (const char *)data + size)
        abort();
    size_t id_len = position_format(id, text);
    if (memcmp(data, text, id_len) != 0 || data[id_len] != ' ')
        abort();
    return 0;
}

/*
 * Channel names. Every name from outside passes channel_valid() once, at the
 * edge; from there on it is a name like any other. Pure functions.
 */
#include "core/channel.h"

#include <string.h>

#include "core/json.h"

bool channel_valid(const char *name, size_t len) {
    if (len == 0 || len > CHANNEL_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c < 0x20 || c == 0x7f || c == '{' || c == '}' || c == '*')
            return false;
        /* U+0080 to U+009F, the C1 controls, are C2 80 to C2 9F */
        if (c == 0xc2 && i + 1 < len && (unsigned char)name[i + 1] < 0xa0)
            return false;
    }
    return json_utf8(name, len);
}

bool channel_reserved(const char *name, size_t len) {
    return len > 0 && name[0] == '~';
}

void channel_live_name(struct buf *out, const char *name, size_t len) {
    buf_text(out, CHANNEL_LIVE_PREFIX "{");
    buf_add(out, name, len);
    buf_char(out, '}');
}

bool channel_from_live(const char *live, size_t live_len, const char **name, size_t *len) {
    const size_t head = sizeof CHANNEL_LIVE_PREFIX; /* with the brace in place of the NUL */
    if (live_len < head + 2 || memcmp(live, CHANNEL_LIVE_PREFIX "{", head) != 0)
        return false;
    if (live[live_len - 1] != '}')
        return false;
    *name = live + head;
    *len = live_len - head - 1;
    return true;
}

/*
 * Channel names. Every name from outside passes channel_valid() once, at the
 * edge; from there on it is a name like any other. Pure functions.
 */
#include "core/data/channel.h"

#include "core/base/json.h"

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

/*
 * Only the last segment may be a wildcard, so a pattern is a beginning, and whether more
 * slashes may follow.
 */
#include "core/data/wildcard.h"

#include <string.h>

#include "core/data/channel.h"

/* The bytes in front of the stars. */
static size_t head_len(const char *pattern, size_t len) {
    size_t stars = 0;

    while (stars < len && stars < 2 && pattern[len - 1 - stars] == '*')
        stars++;
    return len - stars;
}

bool wildcard_is(const char *name, size_t len) {
    return len > 0 && name[len - 1] == '*';
}

bool wildcard_valid(const char *pattern, size_t len) {
    size_t head = head_len(pattern, len);

    return len > 0 && len <= CHANNEL_MAX && head < len &&
           (head == 0 || (pattern[head - 1] == '/' && channel_valid(pattern, head)));
}

bool wildcard_match(const char *pattern, size_t len, const char *name, size_t name_len) {
    size_t head = head_len(pattern, len);
    bool deep = len - head == 2;

    return name_len > head && memcmp(pattern, name, head) == 0 &&
           (deep || memchr(name + head, '/', name_len - head) == NULL);
}

/*
 * Names of pub/sub, built and taken apart here alone; core/redis/halley.lua builds the same.
 */
#include "core/data/names.h"

#include <stdio.h>
#include <string.h>

bool prefix_valid(const char *prefix) {
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    size_t len = strlen(prefix);

    return len >= 1 && len <= PREFIX_MAX && strspn(prefix, allowed) == len;
}

size_t names_bare_pattern(char out[OWN_NAME_MAX], const char *prefix) {
    return (size_t)snprintf(out, OWN_NAME_MAX, "%s:*", prefix);
}

size_t names_own(char out[OWN_NAME_MAX], const char *prefix, const char *word) {
    return (size_t)snprintf(out, OWN_NAME_MAX, "%s.%s", prefix, word);
}

void names_live(struct buf *out, const char *prefix, const char *channel, size_t len) {
    buf_text(out, prefix);
    buf_text(out, ".live:{");
    buf_add(out, channel, len);
    buf_char(out, '}');
}

/* Takes `head` off the front of a name. */
static bool take(const char *head, const char **at, size_t *len) {
    size_t head_len = strlen(head);

    if (*len < head_len || memcmp(*at, head, head_len) != 0)
        return false;
    *at += head_len;
    *len -= head_len;
    return true;
}

bool names_of_bare(const char *prefix, const char *text, size_t text_len, const char **channel,
                   size_t *len) {
    *channel = text;
    *len = text_len;
    return take(prefix, channel, len) && take(":", channel, len);
}

bool names_of_live(const char *prefix, const char *text, size_t text_len, const char **channel,
                   size_t *len) {
    *channel = text;
    *len = text_len;
    if (!take(prefix, channel, len) || !take(".live:{", channel, len) || *len < 2)
        return false;
    return (*channel)[--*len] == '}';
}

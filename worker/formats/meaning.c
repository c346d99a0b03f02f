/* Channels' names come from strangers here: each is checked, and none is taken twice. */
#include "worker/formats/meaning.h"

#include <string.h>

#include "core/data/channel.h"

enum { NAME_MAX_LEN = 2 * CHANNEL_MAX }; /* of a name in the making */

struct meaning meaning_begin(const char *pattern, size_t channels_max) {
    return (struct meaning){.pattern = pattern,
                            .channels_max = channels_max,
                            .channels = buf_make(channels_max * (CHANNEL_MAX + 1)),
                            .text = buf_make(MEANING_PAYLOAD_MAX)};
}

void meaning_free(struct meaning *meaning) {
    buf_free(&meaning->channels);
    buf_free(&meaning->text);
}

/* Puts the name in the place of each `*`. */
static void fill_in(struct buf *out, const char *pattern, const char *name, size_t len) {
    for (; *pattern != '\0'; pattern++) {
        if (*pattern == '*')
            buf_add(out, name, len);
        else
            buf_char(out, *pattern);
    }
}

static bool is_there(const struct meaning *meaning, const struct buf *name) {
    const char *at = meaning->channels.data, *end = at + meaning->channels.len;

    while (at < end) {
        size_t len = (size_t)((const char *)memchr(at, '\n', (size_t)(end - at)) - at);
        if (len == name->len && memcmp(at, name->data, len) == 0)
            return true;
        at += len + 1;
    }
    return false;
}

void meaning_add(struct meaning *meaning, const char *name, size_t len) {
    struct buf filled = buf_make(NAME_MAX_LEN);

    fill_in(&filled, meaning->pattern, name, len);
    if (filled.overflow || !channel_valid(filled.data, filled.len) ||
        channel_reserved(filled.data, filled.len)) {
        meaning->left_out++;
    } else if (meaning->count == 0 || !is_there(meaning, &filled)) {
        bool room = meaning->count < meaning->channels_max;
        meaning->count += room;
        meaning->left_out += !room;
        if (room) {
            buf_add(&meaning->channels, filled.data, filled.len);
            buf_char(&meaning->channels, '\n');
        }
    }
    buf_free(&filled);
}

void meaning_pass(struct meaning *meaning, const char *payload, size_t len) {
    meaning->payload = payload;
    meaning->payload_len = len;
}

void meaning_write(struct meaning *meaning) {
    meaning_pass(meaning, meaning->text.data, meaning->text.len);
}

bool meaning_none(struct meaning *meaning, const char *why) {
    meaning->why = why;
    return false;
}

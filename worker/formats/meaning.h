/*
 * What a publish of somebody else's means to Halley: a payload, and the channels that it goes to.
 * Formats fill it in. Values only.
 */
#ifndef HALLEY_MEANING_H
#define HALLEY_MEANING_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

enum { MEANING_PAYLOAD_MAX = 32 << 20 }; /* bytes of one that had to be written anew */

struct meaning {
    const char *pattern; /* of the channels' names, with `*` for what a format names; borrowed */
    size_t channels_max;
    size_t count;        /* of channels, no two of which are the same */
    struct buf channels; /* their names, a line end behind each */
    size_t left_out;     /* names that no channel can have, or were too many */
    struct buf text;     /* room for a payload that is written anew */
    const char *payload; /* the payload: borrowed, of what was published or of `text` */
    size_t payload_len;
    const char *why; /* why it is not understood; NULL: it is */
};

/* Empty, for at most so many channels. */
struct meaning meaning_begin(const char *pattern, size_t channels_max);
void meaning_free(struct meaning *meaning);

/* It goes to a channel of that name too, put into the pattern; or that is left out. */
void meaning_add(struct meaning *meaning, const char *name, size_t len);

/* The payload is what was published, or what was written into `text`. */
void meaning_pass(struct meaning *meaning, const char *payload, size_t len);
void meaning_write(struct meaning *meaning);

/* It is not understood, which is false. */
bool meaning_none(struct meaning *meaning, const char *why);

#endif

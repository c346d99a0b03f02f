/*
 * A list of texts in one buffer: what a protocol says, in its order. Any bytes may stand in
 * them. Some are no texts but bytes: a carrier that tells the two apart has another kind of message
 * for them.
 */
#ifndef HALLEY_TEXTS_H
#define HALLEY_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

/* Zeroed, it is empty. Free it with texts_free(). */
struct texts {
    struct buf all;
    struct texts_end {
        size_t at; /* in `all` */
        bool bytes;
    } * ends; /* of each */
    size_t count;
};

void texts_add(struct texts *texts, const void *text, size_t len);
void texts_add_bytes(struct texts *texts, const void *bytes, size_t len);

/* Whether the one with this index was added as bytes. */
bool texts_is_bytes(const struct texts *texts, size_t index);

/* The one with this index; borrowed until another is added. */
const char *texts_at(const struct texts *texts, size_t index, size_t *len);

/* Takes away what stands behind the first `count`. */
void texts_cut(struct texts *texts, size_t count);

/* Empties it, and gives its memory back. */
void texts_free(struct texts *texts);

#endif

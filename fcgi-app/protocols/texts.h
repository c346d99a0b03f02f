/*
 * A list of texts in one buffer: what a protocol says, in its order. Any bytes may stand in
 * them.
 */
#ifndef HALLEY_TEXTS_H
#define HALLEY_TEXTS_H

#include <stddef.h>

#include "core/base/buf.h"

/* Zeroed, it is empty. Free it with texts_free(). */
struct texts {
    struct buf all;
    size_t *ends; /* of each, in `all` */
    size_t count;
};

void texts_add(struct texts *texts, const void *text, size_t len);

/* The one with this index; borrowed until another is added. */
const char *texts_at(const struct texts *texts, size_t index, size_t *len);

/* Empties it, and gives its memory back. */
void texts_free(struct texts *texts);

#endif

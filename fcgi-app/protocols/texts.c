/*
 * A list of texts. Whoever fills one bounds what goes into it: an input of a known size, or a
 * batch.
 */
#include "fcgi-app/protocols/texts.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

static void add(struct texts *texts, const void *text, size_t len, bool bytes) {
    if ((texts->count & (texts->count - 1)) == 0) /* none, or a power of two: it is full */
        texts->ends = mem_resize(texts->ends, (2 * texts->count + 1) * sizeof *texts->ends);
    texts->all.max = SIZE_MAX / 2;
    buf_add(&texts->all, text, len);
    texts->ends[texts->count++] = (struct texts_end){texts->all.len, bytes};
}

void texts_add(struct texts *texts, const void *text, size_t len) {
    add(texts, text, len, false);
}

void texts_add_bytes(struct texts *texts, const void *bytes, size_t len) {
    add(texts, bytes, len, true);
}

bool texts_is_bytes(const struct texts *texts, size_t index) {
    return texts->ends[index].bytes;
}

const char *texts_at(const struct texts *texts, size_t index, size_t *len) {
    size_t from = index > 0 ? texts->ends[index - 1].at : 0;

    *len = texts->ends[index].at - from;
    return texts->all.data != NULL ? texts->all.data + from : "";
}

void texts_cut(struct texts *texts, size_t count) {
    if (count >= texts->count)
        return;
    texts->all.len = count > 0 ? texts->ends[count - 1].at : 0;
    texts->count = count;
}

void texts_free(struct texts *texts) {
    buf_free(&texts->all);
    free(texts->ends);
    memset(texts, 0, sizeof *texts);
}

/*
 * The life of a step: a protocol fills it, a carrier empties it.
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/protocols/protocol.h"

static void move(struct scan_value *value, char **to) {
    if (value->at == NULL)
        return;
    value->at = memcpy(*to, value->at, value->len);
    *to += value->len;
}

void step_keep(struct step *step) {
    char *kept = mem_new(step->ref.len + step->post.data.len + 1), *at = kept;

    move(&step->ref, &at);
    move(&step->post.data, &at);
    free(step->kept);
    step->kept = kept;
}

void step_free(struct step *step) {
    change_free(&step->join);
    change_free(&step->leave);
    order_post_free(&step->post);
    texts_free(&step->said);
    free(step->kept);
    memset(step, 0, sizeof *step);
}

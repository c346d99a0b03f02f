/*
 * What a Bayeux session wants. No name holds a line end (core/data/channel.h).
 */
#include "fcgi-app/carriers/bayeux/state.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/wildcard.h"

void state_parse(struct bayeux_state *state, const char *text, size_t len) {
    *state = (struct bayeux_state){.acks = len > 0 && text[0] == 'a'};
    for (size_t at = 1; at < len;) {
        const char *name = text + at + 1;
        size_t left = len - at - 1;
        const char *end = memchr(name, '\n', left);
        size_t size = end != NULL ? (size_t)(end - name) : left;
        if (size > 0)
            state_add(state, name, size);
        at += 1 + size;
    }
}

void state_put(const struct bayeux_state *state, struct buf *out) {
    buf_char(out, state->acks ? 'a' : '-');
    for (size_t i = 0; i < state->count; i++) {
        buf_char(out, '\n');
        buf_add(out, state->wants[i].name, state->wants[i].len);
    }
}

void state_free(struct bayeux_state *state) {
    for (size_t i = 0; i < state->count; i++)
        free(state->wants[i].name);
    free(state->wants);
    *state = (struct bayeux_state){0};
}

static long find(const struct bayeux_state *state, const char *name, size_t len) {
    for (size_t i = 0; i < state->count; i++) {
        if (state->wants[i].len == len && memcmp(state->wants[i].name, name, len) == 0)
            return (long)i;
    }
    return -1;
}

bool state_has(const struct bayeux_state *state, const char *name, size_t len) {
    return find(state, name, len) >= 0;
}

void state_add(struct bayeux_state *state, const char *name, size_t len) {
    if (state_has(state, name, len))
        return;
    state->wants = mem_resize(state->wants, (state->count + 1) * sizeof *state->wants);
    state->wants[state->count++] = (struct bayeux_want){mem_copy(name, len), len};
}

void state_drop(struct bayeux_state *state, const char *name, size_t len) {
    long at = find(state, name, len);

    if (at < 0)
        return;
    free(state->wants[at].name);
    state->count--;
    memmove(&state->wants[at], &state->wants[at + 1],
            (state->count - (size_t)at) * sizeof *state->wants);
}

bool state_wants(const struct bayeux_state *state, const char *name, size_t len) {
    for (size_t i = 0; i < state->count; i++) {
        const struct bayeux_want *want = &state->wants[i];
        if (wildcard_is(want->name, want->len) && wildcard_match(want->name, want->len, name, len))
            return true;
    }
    return state_has(state, name, len);
}

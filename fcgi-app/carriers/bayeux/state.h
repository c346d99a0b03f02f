/*
 * What a Bayeux session keeps beside its places (core/redis/session.h): what its client has
 * subscribed to, by name, since the places of a pattern are those of its channels too; and whether
 * it acknowledges. As a text it is "a" or "-", and behind it each name behind a line end. Pure
 * functions.
 */
#ifndef HALLEY_BAYEUX_STATE_H
#define HALLEY_BAYEUX_STATE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

/* Names are Halley's, without the slash in front. Zeroed, it is empty. */
struct bayeux_state {
    bool acks;
    size_t count;
    struct bayeux_want {
        char *name; /* owned, with a NUL behind it */
        size_t len;
    } * wants;
};

/* Reads the text, into a state that has nothing. */
void state_parse(struct bayeux_state *state, const char *text, size_t len);
void state_put(const struct bayeux_state *state, struct buf *out);
void state_free(struct bayeux_state *state);

bool state_has(const struct bayeux_state *state, const char *name, size_t len);
void state_add(struct bayeux_state *state, const char *name, size_t len);
void state_drop(struct bayeux_state *state, const char *name, size_t len);

/* Whether a channel is one that it wants, by its name or by a pattern. */
bool state_wants(const struct bayeux_state *state, const char *name, size_t len);

#endif

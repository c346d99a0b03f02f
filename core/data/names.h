/*
 * The names by which Redis's pub/sub knows what is Halley's. Pub/sub knows no
 * databases, so every name begins with the installation's prefix:
 *
 *   <prefix>:<channel>          a bare publish
 *   <prefix>.live:{<channel>}   the sequenced feed of a channel
 *   <prefix>.sequenced          what the workers tell each other, and other words
 *   <prefix>.census             a word by which an operator asks who waits (fcgi-app/hub/census.c)
 *   <prefix>.revoked            whose tokens are good no more (fcgi-app/rights/revoked.h)
 *   <prefix>.process:<process>  what is said to a process of the requests that it holds
 *
 * A prefix is letters, digits, - and _. So a name's prefix ends at its first dot or
 * colon, no pattern of one installation matches a name of another, and nothing in it
 * means something to PSUBSCRIBE. Pure functions.
 */
#ifndef HALLEY_NAMES_H
#define HALLEY_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/data/channel.h"

enum {
    PREFIX_MAX = 64,
    OWN_NAME_MAX = PREFIX_MAX + 32,
    LIVE_NAME_MAX = CHANNEL_MAX + OWN_NAME_MAX
};

#define PREFIX_DEFAULT "halley"

/* 1 to PREFIX_MAX letters, digits, - and _. */
bool prefix_valid(const char *prefix);

/* Writes the pattern of all bare publishes, `<prefix>:*`. Returns its length. */
size_t names_bare_pattern(char out[OWN_NAME_MAX], const char *prefix);

/* Writes a name that Halley keeps for itself, `<prefix>.<word>`. Returns its length. */
size_t names_own(char out[OWN_NAME_MAX], const char *prefix, const char *word);

/* Appends the name of a channel's sequenced feed. */
void names_live(struct buf *out, const char *prefix, const char *channel, size_t len);

/* Finds the channel in the name of a bare publish. False if `text` is no such name. */
bool names_of_bare(const char *prefix, const char *text, size_t text_len, const char **channel,
                   size_t *len);

/* Finds the channel in the name of a sequenced feed. False if `text` is no such name. */
bool names_of_live(const char *prefix, const char *text, size_t text_len, const char **channel,
                   size_t *len);

#endif

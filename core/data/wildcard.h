/*
 * Patterns of channel names, as Bayeux has them (Bayeux 1.0 §2.2.1): segments of a name are
 * parted by slashes, and a pattern's last segment stands for others. Pure functions.
 */
#ifndef HALLEY_WILDCARD_H
#define HALLEY_WILDCARD_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Whether it is one: `*`, `**`, or either behind a slash, behind what a name may be; CHANNEL_MAX
 * bytes at most. No pattern is a channel's name, for no name holds a star.
 */
bool wildcard_valid(const char *pattern, size_t len);

/* Whether a valid pattern stands for a name: `*` for one segment, `**` for one and more. */
bool wildcard_match(const char *pattern, size_t len, const char *name, size_t name_len);

/* Whether the name of a channel is in truth a pattern. */
bool wildcard_is(const char *name, size_t len);

#endif

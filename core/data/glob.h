/*
 * Patterns as Redis's PSUBSCRIBE reads them: `*` any bytes, `?` one, `[a-c]` and `[^x]` one of
 * a class, `\` takes the next byte as it is. Redis compares bytes, and so does this. Pure
 * functions.
 */
#ifndef HALLEY_GLOB_H
#define HALLEY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum { GLOB_MAX = 200 }; /* bytes of a pattern */

struct glob;

/* Reads a pattern of at most GLOB_MAX bytes (what is longer is cut there). Free it. */
struct glob *glob_new(const char *pattern);
void glob_free(struct glob *glob);

/* Whether the pattern begins with a byte that it names, and not with one of many. */
bool glob_rooted(const struct glob *glob);

/* Whether there is a text that both of them match. */
bool glob_meets(const struct glob *a, const struct glob *b);

/*
 * Whether it matches a text. If so `*part` is what its first `*` stands for, the shortest that
 * can be; or the whole text where the pattern has no `*`.
 */
bool glob_match(const struct glob *glob, const char *text, size_t len, const char **part,
                size_t *part_len);

#endif

/*
 * Lines of a configuration file:
 *
 *     [section]
 *     name = value     (or name: value)
 *     # comment        (or ; comment, which may stand behind a section or value too)
 *
 * Blanks around a line, a name and a value do not count. A line is a line: none is
 * continued, and none is cut.
 */
#ifndef HALLEY_INI_H
#define HALLEY_INI_H

#include <stdbool.h>
#include <stdio.h>

enum { INI_LINE = 4096 }; /* bytes, at most */

/*
 * Takes a value of a section ("" before the first), or (name and value are NULL) hears that
 * a section begins; returns false to end it there.
 */
typedef bool ini_fn(void *ctx, const char *section, const char *name, const char *value);

/*
 * Hands every section and value of a file to `take`. Returns 0, or the number of the first line
 * that is wrong: `*why` says what is, and is NULL where `take` said so.
 */
int ini_read(FILE *stream, ini_fn *take, void *ctx, const char **why);

#endif

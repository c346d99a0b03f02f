/*
 * Allocation that cannot fail. A process that is out of memory logs one line and
 * aborts: the web server or systemd starts it again, and every subscriber comes
 * back with its cursor, so nothing is lost. That is simpler, and better tested,
 * than a path of its own behind every allocation. Sizes that a stranger chooses
 * are bounded before they come here.
 */
#ifndef HALLEY_MEM_H
#define HALLEY_MEM_H

#include <stddef.h>

/* `size` zeroed bytes, owned by the caller, freed with free(). Any thread. */
void *mem_new(size_t size);

/* `old` made `size` bytes long; the new part is not zeroed. Any thread. */
void *mem_resize(void *old, size_t size);

/* A copy of `len` bytes with a NUL behind them. Any thread. */
char *mem_copy(const void *data, size_t len);

/* A copy of a C string. Any thread. */
char *mem_string(const char *text);

#endif

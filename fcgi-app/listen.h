/*
 * Listening by itself, for `-l`.
 */
#ifndef HALLEY_LISTEN_H
#define HALLEY_LISTEN_H

#include "core/err.h"

enum { LISTEN_PROBLEM = 256 };

/*
 * Listens on `unix:/path` (with the permissions `mode`; what a dead process left
 * at the path is replaced) or `tcp:host:port`. On failure `problem` says why.
 */
enum err listen_on(const char *address, int mode, int *fd, char problem[LISTEN_PROBLEM]) MUST_CHECK;

/* Removes the path of a unix address; other addresses need nothing. */
void listen_remove(const char *address);

#endif

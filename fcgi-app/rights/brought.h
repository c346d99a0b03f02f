/*
 * What a visitor brings by which the site may know him.
 */
#ifndef HALLEY_BROUGHT_H
#define HALLEY_BROUGHT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/crypto.h"

enum { BROUGHT_MAX = 32768 }; /* bytes of a line; of what is longer nothing is brought */

struct brought {
    unsigned char digest[CRYPTO_SHA256]; /* of all of it */
    char *cookie, *authorization;        /* "Name: value"; NULL: none */
    char *address;
    bool alone; /* his Authorization is for a connection, not for a request */
};

/* Copies; texts with control characters are as if they were not there. */
void brought_take(struct brought *brought, const char *cookie, const char *authorization,
                  const char *address);

/* What it holds; secrets are wiped. */
void brought_free(struct brought *brought);

/* Where the site is asked whether he may do that, for the caller to free. */
char *brought_url(const struct brought *brought, const char *url, const char *verb,
                  const char *channel, size_t len);

#endif

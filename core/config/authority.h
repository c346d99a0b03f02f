/*
 * Where the site is asked who may: an address of the option `authorize`. Pure functions.
 */
#ifndef HALLEY_AUTHORITY_H
#define HALLEY_AUTHORITY_H

#include <stdbool.h>

#include "core/base/err.h"

struct authority {
    char *socket; /* a path; NULL: none, TCP to the URL's host */
    char *url;
    bool local; /* what is asked does not leave this machine */
};

/*
 * Takes http:// or https://HOST[:PORT][/PATH][?QUERY], or unix:/PATH:/URI, over which HTTP is
 * spoken too. Neither names a user, nor has blanks, control characters or a fragment. ERR_SYNTAX,
 * with nothing to free, for anything else.
 */
enum err authority_parse(const char *text, struct authority *authority) MUST_CHECK;

void authority_free(struct authority *authority);

#endif

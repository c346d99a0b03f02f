/*
 * Parameters as application/x-www-form-urlencoded (WHATWG URL §5.1), from a
 * query string or a form.
 */
#ifndef HALLEY_PARAMS_H
#define HALLEY_PARAMS_H

#include <stddef.h>

#include "core/base/err.h"

enum { PARAMS_MAX = 2048 }; /* name=value pairs */

struct param {
    const char *name; /* decoded, NUL-terminated */
    const char *value;
    size_t name_len;
    size_t value_len; /* values may hold any byte; NUL included */
};

struct params {
    struct param *items; /* and behind them in the same block: */
    size_t count;
    char *text; /* what they point into */
};

/*
 * Parses `len` bytes. ERR_SYNTAX for a % without two hexadecimal digits,
 * ERR_FULL for more than PARAMS_MAX pairs. On failure there is nothing to free.
 */
enum err params_parse(struct params *params, const char *text, size_t len) MUST_CHECK;
void params_free(struct params *params);

/* The first parameter of that name, or NULL. */
const struct param *params_find(const struct params *params, const char *name);

/* How often a name stands there. */
size_t params_count(const struct params *params, const char *name);

/* Decodes %XX (and + as a space where `form`) in place; returns the new length, or -1. */
long params_decode(char *text, size_t len, int form);

#endif

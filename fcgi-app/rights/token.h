/*
 * Tokens: signed JSON (RFC 7515, RFC 7519) that says who somebody is, and which channels are his.
 * Pure functions.
 */
#ifndef HALLEY_TOKEN_H
#define HALLEY_TOKEN_H

#include <stddef.h>

#include "core/config/config.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/rights/keys.h"

enum { TOKEN_MAX = 8192 /* bytes */ };

/* What is wrong with one, in words that tell nothing of what stands in it. */
enum token_fault { TOKEN_GOOD, TOKEN_BAD, TOKEN_EXPIRED, TOKEN_EARLY, TOKEN_FOREIGN };

/* Those words, as the end of a sentence that begins with "token: ". */
const char *token_words(enum token_fault fault);

/*
 * Whose token it is at `now` (Unix seconds), held once; NULL, with `fault`, where it is not good.
 * There is no leeway: `now` is its end from that moment on.
 */
struct identity *token_read(const struct config *config, const struct keys *keys, const char *token,
                            size_t len, double now, enum token_fault *fault);

#endif

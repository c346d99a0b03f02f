/*
 * The keys of the configuration's sections [key KID], read from their files once. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_KEYS_H
#define HALLEY_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"

struct keys;

enum { KEYS_FILE_MAX = 16384, KEYS_SECRET_MIN = 32 /* bytes */ };

/*
 * Reads all of them; NULL, with `problem`, where a file is not there, is not a file that only its
 * owner and its group may read, or holds what does not fit its algorithm: for HS256 a secret of
 * KEYS_SECRET_MIN bytes or more, for the others a public key in PEM. Of a secret that is one line
 * of text the line's end is no part. The configuration is borrowed.
 */
struct keys *keys_load(const struct config *config, char problem[CONFIG_PROBLEM]);

/* Safe on NULL. */
void keys_unload(struct keys *keys);

/*
 * Whether a signature is that of a token, three parts with dots between of which the first
 * `signed_len` bytes are signed and `signature` is the last, by the key of that name. `kid`: NULL
 * where the token names none, which is enough where there is one key. `algorithm`: the name in the
 * token, which must be that of the key.
 */
struct keys_question {
    const char *token; /* ends with a NUL */
    size_t signed_len;
    const char *kid, *algorithm;
    const unsigned char *signature;
    size_t signature_len;
};
bool keys_verify(const struct keys *keys, const struct keys_question *question);

#endif

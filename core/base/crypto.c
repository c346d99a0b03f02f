/*
 * Wraps libcrypto. Pure functions.
 */
#include "core/base/crypto.h"

#include <openssl/evp.h>
#include <stdlib.h>

void crypto_base64(struct buf *out, const void *data, size_t len) {
    char *to = len > (size_t)INT32_MAX ? NULL : buf_reserve(out, (len + 2) / 3 * 4);
    if (to == NULL) {
        out->overflow = true;
        return;
    }
    out->len += (size_t)EVP_EncodeBlock((unsigned char *)to, data, (int)len);
}

void crypto_sha1(const void *data, size_t len, unsigned char out[CRYPTO_SHA1]) {
    unsigned size = CRYPTO_SHA1;
    if (EVP_Digest(data, len, out, &size, EVP_sha1(), NULL) != 1)
        abort(); /* libcrypto without SHA-1: nothing can be upgraded */
}

void crypto_sha256(const void *data, size_t len, unsigned char out[CRYPTO_SHA256]) {
    unsigned size = CRYPTO_SHA256;
    if (EVP_Digest(data, len, out, &size, EVP_sha256(), NULL) != 1)
        abort(); /* libcrypto without SHA-256: no session has a name */
}

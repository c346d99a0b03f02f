/*
 * What Halley needs of a cryptographic library: OpenSSL's libcrypto. This is the
 * one place that knows it.
 */
#ifndef HALLEY_CRYPTO_H
#define HALLEY_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

/* Appends `len` bytes as padded base64 (RFC 4648 §4). Any thread. */
void crypto_base64(struct buf *out, const void *data, size_t len);

/* Writes `len` bytes as twice as many lower-case hexadecimal digits, and a NUL. Any thread. */
void crypto_hex(char *out, const unsigned char *bytes, size_t len);

/* The SHA-1 digest of `len` bytes, which the WebSocket handshake asks for. Any thread. */
enum { CRYPTO_SHA1 = 20 };
void crypto_sha1(const void *data, size_t len, unsigned char out[CRYPTO_SHA1]);

/* The SHA-256 digest of `len` bytes (FIPS 180-4). Any thread. */
enum { CRYPTO_SHA256 = 32 };
void crypto_sha256(const void *data, size_t len, unsigned char out[CRYPTO_SHA256]);

/* What a public key in PEM (RFC 7468 §13) is good for. */
enum crypto_key {
    CRYPTO_KEY_NONE,   /* it is none, or another one */
    CRYPTO_KEY_RSA,    /* of 2048 bits at least */
    CRYPTO_KEY_P256,   /* on the curve of that name (FIPS 186-4) */
    CRYPTO_KEY_ED25519 /* RFC 8032 §5.1 */
};
enum crypto_key crypto_key_kind(const char *pem, size_t len);

/* Whether `signature` is that of such a key over these bytes. */
enum { CRYPTO_ED25519 = 64 };
bool crypto_ed25519_verify(const char *pem, size_t pem_len, const void *data, size_t len,
                           const unsigned char signature[CRYPTO_ED25519]);

#endif

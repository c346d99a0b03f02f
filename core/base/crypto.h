/*
 * What Halley needs of a cryptographic library: OpenSSL's libcrypto. This is the
 * one place that knows it.
 */
#ifndef HALLEY_CRYPTO_H
#define HALLEY_CRYPTO_H

#include <stddef.h>

#include "core/base/buf.h"

/* Appends `len` bytes as padded base64 (RFC 4648 §4). Any thread. */
void crypto_base64(struct buf *out, const void *data, size_t len);

/* The SHA-1 digest of `len` bytes, which the WebSocket handshake asks for. Any thread. */
enum { CRYPTO_SHA1 = 20 };
void crypto_sha1(const void *data, size_t len, unsigned char out[CRYPTO_SHA1]);

/* The SHA-256 digest of `len` bytes (FIPS 180-4). Any thread. */
enum { CRYPTO_SHA256 = 32 };
void crypto_sha256(const void *data, size_t len, unsigned char out[CRYPTO_SHA256]);

#endif

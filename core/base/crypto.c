/*
 * Wraps libcrypto. Pure functions.
 */
#include "core/base/crypto.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

void crypto_base64(struct buf *out, const void *data, size_t len) {
    char *to = len > (size_t)INT32_MAX ? NULL : buf_reserve(out, (len + 2) / 3 * 4);
    if (to == NULL) {
        out->overflow = true;
        return;
    }
    out->len += (size_t)EVP_EncodeBlock((unsigned char *)to, data, (int)len);
}

void crypto_hex(char *out, const unsigned char *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        *out++ = digits[bytes[i] >> 4];
        *out++ = digits[bytes[i] & 15];
    }
    *out = '\0';
}

void crypto_sha1(const void *data, size_t len, unsigned char out[CRYPTO_SHA1]) {
    unsigned size = CRYPTO_SHA1;
    if (EVP_Digest(data, len, out, &size, EVP_sha1(), NULL) != 1)
        abort(); /* libcrypto without SHA-1: nothing can be upgraded */
}

/* Found once: looking for it takes libcrypto as long as a short text's digest. */
void crypto_sha256(const void *data, size_t len, unsigned char out[CRYPTO_SHA256]) {
    static _Thread_local EVP_MD *digest;
    static _Thread_local EVP_MD_CTX *ctx;

    if (digest == NULL) {
        digest = EVP_MD_fetch(NULL, "SHA256", NULL);
        ctx = EVP_MD_CTX_new();
    }
    if (digest == NULL || ctx == NULL || EVP_DigestInit_ex2(ctx, digest, NULL) != 1 ||
        EVP_DigestUpdate(ctx, data, len) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1)
        abort(); /* libcrypto without SHA-256: no session has a name */
}

/* Nobody is asked for a password. */
static int no_password(char *out, int size, int writes, void *ctx) {
    (void)writes, (void)ctx;
    if (size > 0)
        *out = '\0';
    return -1;
}

static EVP_PKEY *read_key(const char *pem, size_t len) {
    BIO *bio = BIO_new_mem_buf(pem, (int)len);
    EVP_PKEY *key = bio != NULL ? PEM_read_bio_PUBKEY(bio, NULL, no_password, NULL) : NULL;

    BIO_free(bio);
    return key;
}

enum crypto_key crypto_key_kind(const char *pem, size_t len) {
    EVP_PKEY *key = len < INT32_MAX ? read_key(pem, len) : NULL;
    enum crypto_key kind = CRYPTO_KEY_NONE;
    char group[64] = "";

    if (key == NULL)
        return CRYPTO_KEY_NONE;
    (void)EVP_PKEY_get_group_name(key, group, sizeof group, NULL);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA && EVP_PKEY_get_bits(key) >= 2048)
        kind = CRYPTO_KEY_RSA;
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC && strcmp(group, "prime256v1") == 0)
        kind = CRYPTO_KEY_P256;
    else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519)
        kind = CRYPTO_KEY_ED25519;
    EVP_PKEY_free(key);
    return kind;
}

bool crypto_ed25519_verify(const char *pem, size_t pem_len, const void *data, size_t len,
                           const unsigned char signature[CRYPTO_ED25519]) {
    EVP_PKEY *key = read_key(pem, pem_len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    bool good = key != NULL && ctx != NULL &&
                EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, key) == 1 &&
                EVP_DigestVerify(ctx, signature, CRYPTO_ED25519, data, len) == 1;

    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    return good;
}

/* Tokens as a site's backend makes them, and as nobody should. */
#include "tests/lib/token.h"
#include "tests/lib/keep.h"

#include <check.h>
#include <grp.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *base64url(const void *data, size_t len) {
    char *text = keep(calloc(1, 4 * len / 3 + 8));

    EVP_EncodeBlock((unsigned char *)text, data, (int)len);
    for (char *at = text; *at != '\0'; at++) {
        if (*at == '=')
            *at-- = '\0';
        else
            *at = *at == '+' ? '-' : *at == '/' ? '_' : *at;
    }
    return text;
}

static const char *text64(const char *text) {
    return base64url(text, strlen(text));
}

const char *token_hs256(const char *secret, const char *header, const char *payload) {
    const char *text = keepf("%s.%s", text64(header), text64(payload));
    unsigned char digest[32];
    unsigned size = sizeof digest;

    HMAC(EVP_sha256(), secret, (int)strlen(secret), (const unsigned char *)text, strlen(text),
         digest, &size);
    return keepf("%s.%s", text, base64url(digest, size));
}

const char *token_of(const char *secret, const char *payload) {
    return token_hs256(secret, "{\"alg\":\"HS256\",\"typ\":\"JWT\"}", payload);
}

/* The two numbers of 32 bytes that RFC 7518 §3.4 has in place of what OpenSSL writes. */
static size_t plain_numbers(unsigned char *signature, size_t len) {
    const unsigned char *at = signature;
    ECDSA_SIG *both = d2i_ECDSA_SIG(NULL, &at, (long)len);

    BN_bn2binpad(ECDSA_SIG_get0_r(both), signature, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(both), signature + 32, 32);
    ECDSA_SIG_free(both);
    return 64;
}

const char *token_signed(const char *algorithm, const char *pem, const char *payload) {
    const char *text = keepf("%s.%s", text64(keepf("{\"alg\":\"%s\",\"typ\":\"JWT\"}", algorithm)),
                             text64(payload));
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[1024];
    size_t len = sizeof signature;
    const EVP_MD *digest = strcmp(algorithm, "EdDSA") == 0 ? NULL : EVP_sha256();

    ck_assert(EVP_DigestSignInit(ctx, NULL, digest, NULL, key) == 1);
    ck_assert(EVP_DigestSign(ctx, signature, &len, (const unsigned char *)text, strlen(text)) == 1);
    if (strcmp(algorithm, "ES256") == 0)
        len = plain_numbers(signature, len);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(key);
    BIO_free(bio);
    return keepf("%s.%s", text, base64url(signature, len));
}

static const char *taken(BIO *bio) {
    char *data, *text;
    long len = BIO_get_mem_data(bio, &data);

    text = keep(calloc(1, (size_t)len + 1));
    memcpy(text, data, (size_t)len);
    BIO_free(bio);
    return text;
}

void token_keys(const char *algorithm, const char **private_pem, const char **public_pem) {
    EVP_PKEY *key = strcmp(algorithm, "RS256") == 0   ? EVP_RSA_gen(2048)
                    : strcmp(algorithm, "ES256") == 0 ? EVP_EC_gen("P-256")
                                                      : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    BIO *secret = BIO_new(BIO_s_mem()), *open = BIO_new(BIO_s_mem());

    ck_assert(PEM_write_bio_PrivateKey(secret, key, NULL, NULL, 0, NULL, NULL) == 1);
    ck_assert(PEM_write_bio_PUBKEY(open, key) == 1);
    EVP_PKEY_free(key);
    *private_pem = taken(secret);
    *public_pem = taken(open);
}

const char *token_file(const char *text) {
    char *path = keep(strdup("/tmp/halley-key-XXXXXX"));
    int fd = mkstemp(path);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    struct group *group = getgrnam("www-data"); /* as which a web server may run it */
    if (geteuid() == 0 && group != NULL)
        ck_assert_int_eq(fchown(fd, (uid_t)-1, group->gr_gid), 0);
    ck_assert_int_eq(fchmod(fd, 0640), 0);
    close(fd);
    return path;
}

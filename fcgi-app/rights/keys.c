/*
 * Signatures, by libjwt. Debian 12 has three libraries for tokens: cjose lacks EdDSA too and
 * stands still; rhonabwy has it, and brings GnuTLS, Nettle and a second libcurl into each process,
 * and fetches keys that a token names unless it is told not to. libjwt needs OpenSSL and jansson,
 * which are here already, and does nothing by itself. It is given a token only when its algorithm
 * is the one of its key: so no token chooses how it is checked, `none` is nobody's, and a public
 * key never is a secret. EdDSA, which it lacks, is one call of libcrypto (core/base/crypto.h). What
 * a token claims token.c reads, more strictly than any of them.
 */
#include "fcgi-app/rights/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <jwt.h>

#include "core/base/crypto.h"
#include "core/base/mem.h"

struct secret {
    const struct key *section;
    unsigned char *bytes; /* with a NUL behind them */
    size_t len;
};

struct keys {
    size_t count;
    struct secret secrets[];
};

static const char *const names[] = {[ALGORITHM_NONE] = "none",
                                    [ALGORITHM_HS256] = "HS256",
                                    [ALGORITHM_RS256] = "RS256",
                                    [ALGORITHM_ES256] = "ES256",
                                    [ALGORITHM_EDDSA] = "EdDSA"};

/* ------------------------------------------------------------------------ reading */

static void say(char problem[CONFIG_PROBLEM], const struct key *section, const char *why) {
    snprintf(problem, CONFIG_PROBLEM, "file = %.200s: %s [key %s]", section->file, why,
             section->kid);
}

/* Opened, if it is one that only its owner and group may read; else -1. */
static int open_file(const struct key *section, char problem[CONFIG_PROBLEM]) {
    int fd = open(section->file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat file;

    if (fd < 0 || fstat(fd, &file) != 0)
        say(problem, section, strerror(errno));
    else if (!S_ISREG(file.st_mode))
        say(problem, section, "is no plain file");
    else if ((file.st_mode & S_IRWXO) != 0)
        say(problem, section,
            "others than its owner and group may use it; chmod o= does not let them");
    else
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static bool is_text(const unsigned char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] < ' ' || bytes[i] > '~')
            return false;
    }
    return true;
}

/* Takes off the end of the one line that a text is. */
static void trim(struct secret *secret) {
    size_t len = secret->len;

    len -= len > 0 && secret->bytes[len - 1] == '\n';
    len -= len > 0 && len < secret->len && secret->bytes[len - 1] == '\r';
    if (is_text(secret->bytes, len))
        secret->len = len;
    secret->bytes[secret->len] = '\0';
}

static bool read_file(struct secret *secret, int fd, char problem[CONFIG_PROBLEM]) {
    ssize_t came = 1;

    secret->bytes = mem_new(KEYS_FILE_MAX + 2);
    while (came > 0 && secret->len <= KEYS_FILE_MAX) {
        came = read(fd, secret->bytes + secret->len, KEYS_FILE_MAX + 1 - secret->len);
        secret->len += came > 0 ? (size_t)came : 0;
    }
    if (came < 0)
        say(problem, secret->section, strerror(errno));
    else if (secret->len > KEYS_FILE_MAX)
        say(problem, secret->section, "is longer than a key is");
    else
        return true;
    return false;
}

static bool fits(const struct secret *secret, char problem[CONFIG_PROBLEM]) {
    const char *text = (const char *)secret->bytes;
    enum crypto_key kind = crypto_key_kind(text, secret->len);

    switch (secret->section->algorithm) {
    case ALGORITHM_HS256:
        if (secret->len >= KEYS_SECRET_MIN && strstr(text, "-----BEGIN ") == NULL)
            return true;
        say(problem, secret->section, "HS256 needs a secret of 32 bytes or more, not in PEM");
        return false;
    case ALGORITHM_RS256:
        if (kind == CRYPTO_KEY_RSA)
            return true;
        say(problem, secret->section, "RS256 needs a public RSA key of 2048 bits or more, in PEM");
        return false;
    case ALGORITHM_ES256:
        if (kind == CRYPTO_KEY_P256)
            return true;
        say(problem, secret->section, "ES256 needs a public key on the curve P-256, in PEM");
        return false;
    default:
        if (kind == CRYPTO_KEY_ED25519)
            return true;
        say(problem, secret->section, "EdDSA needs a public Ed25519 key, in PEM");
        return false;
    }
}

static bool load(struct secret *secret, char problem[CONFIG_PROBLEM]) {
    int fd = open_file(secret->section, problem);
    bool read = fd >= 0 && read_file(secret, fd, problem);

    if (fd >= 0)
        close(fd);
    if (!read)
        return false;
    if (secret->section->algorithm == ALGORITHM_HS256)
        trim(secret);
    return fits(secret, problem);
}

struct keys *keys_load(const struct config *config, char problem[CONFIG_PROBLEM]) {
    struct keys *keys = mem_new(sizeof *keys + config->key_count * sizeof keys->secrets[0]);

    while (keys->count < config->key_count) {
        struct secret *secret = &keys->secrets[keys->count++];
        secret->section = &config->keys[keys->count - 1];
        if (!load(secret, problem)) {
            keys_unload(keys);
            return NULL;
        }
    }
    return keys;
}

void keys_unload(struct keys *keys) {
    for (size_t i = 0; keys != NULL && i < keys->count; i++) {
        if (keys->secrets[i].bytes != NULL)
            explicit_bzero(keys->secrets[i].bytes, KEYS_FILE_MAX + 2);
        free(keys->secrets[i].bytes);
    }
    free(keys);
}

/* ---------------------------------------------------------------------- verifying */

static const struct secret *find(const struct keys *keys, const char *kid) {
    if (kid == NULL)
        return keys->count == 1 ? &keys->secrets[0] : NULL;
    for (size_t i = 0; i < keys->count; i++) {
        if (strcmp(keys->secrets[i].section->kid, kid) == 0)
            return &keys->secrets[i];
    }
    return NULL;
}

static bool verify_by_library(const struct secret *secret, const char *token) {
    jwt_t *jwt = NULL;
    bool good = jwt_decode(&jwt, token, secret->bytes, (int)secret->len) == 0;

    jwt_free(jwt);
    return good;
}

bool keys_verify(const struct keys *keys, const struct keys_question *question) {
    const struct secret *secret = find(keys, question->kid);

    if (secret == NULL || strcmp(question->algorithm, names[secret->section->algorithm]) != 0)
        return false;
    if (secret->section->algorithm != ALGORITHM_EDDSA)
        return verify_by_library(secret, question->token);
    return question->signature_len == CRYPTO_ED25519 &&
           crypto_ed25519_verify((const char *)secret->bytes, secret->len, question->token,
                                 question->signed_len, question->signature);
}

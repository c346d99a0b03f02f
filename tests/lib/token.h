#ifndef HALLEY_TESTS_TOKEN_H
#define HALLEY_TESTS_TOKEN_H

/* A token with these two JSON texts, signed with HS256; kept. */
const char *token_hs256(const char *secret, const char *header, const char *payload);

/* The same with the usual header. */
const char *token_of(const char *secret, const char *payload);

/* One that is signed with a private key in PEM, of "RS256", "ES256" or "EdDSA"; kept. */
const char *token_signed(const char *algorithm, const char *pem, const char *payload);

/* A new pair of keys for that algorithm in PEM; kept. */
void token_keys(const char *algorithm, const char **private_pem, const char **public_pem);

/* A new file with that text, which others may not read; its path, kept. */
const char *token_file(const char *text);

#endif

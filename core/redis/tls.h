/*
 * TLS for a socket that somebody else believes to be plain. This is the one place that
 * knows OpenSSL's libssl; hiredis 0.14, which Debian 12 has, knows no TLS. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_TLS_H
#define HALLEY_TLS_H

#include <stdbool.h>

#include "core/base/err.h"
#include "core/base/loop.h"
#include "core/config/config.h"

enum { TLS_WHY = 256 };

/* Whom we trust, and who we are. */
struct tls;

/*
 * Reads the files redis_ca ("": whom the system trusts), redis_cert and redis_key ("": nobody)
 * of the configuration; they are not looked at again. Where one is no good `why` says so, and
 * begins with the name of its option.
 */
enum err tls_new(const struct config *config, struct tls **out, char why[TLS_WHY]) MUST_CHECK;

/* Its relays must be gone. Safe on NULL. */
void tls_free(struct tls *tls);

/* One encrypted connection. */
struct tls_relay;

/*
 * Takes the connection (it may still be under way) away from the descriptor `fd`, and puts in
 * its place a socket through which the same is said in plain text. Talks TLS 1.2 or newer,
 * and only to a server whose certificate is good for `host`, a name or a number (RFC 6125).
 * When the connection ends, so does the plain one, after what came before. ERR_SYSTEM leaves
 * `fd` as it is.
 */
enum err tls_relay_new(struct tls *tls, struct ev_loop *loop, int fd, const char *host,
                       struct tls_relay **out) MUST_CHECK;

/* Ends the connection; the plain socket is its owner's to close. Safe on NULL. */
void tls_relay_free(struct tls_relay *relay);

/* Hands on, in both directions, what is there now, without waiting. */
void tls_relay_pump(struct tls_relay *relay);

/* The descriptor that becomes readable when the server says something. */
int tls_relay_wire(const struct tls_relay *relay);

/* Why the connection ended, or could not be made; NULL: it did not, or was closed politely. */
const char *tls_relay_trouble(const struct tls_relay *relay);

#endif

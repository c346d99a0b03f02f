/*
 * A relay stands between a socket pair and the server:
 *
 *   hiredis ── plain ──► [out] ── SSL_write ──► wire ──► Redis
 *           ◄── plain ── [in] ◄── SSL_read ──── wire ◄──
 *
 * Each direction holds one record at most, and reads no further before that is gone: who
 * does not read is not read for. The handshake is made before anything else moves; until
 * then what hiredis says waits in the socket pair.
 */
#include "core/redis/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"

enum { RECORD = 16 * 1024 /* RFC 8446 §5.1 */ };

struct tls {
    SSL_CTX *context;
};

struct flow {
    size_t from, to; /* of `bytes`: what is not handed on yet */
    bool ended;      /* nothing more comes */
    char bytes[RECORD];
};

enum relay_state {
    RELAY_GREETING, /* the handshake is not over */
    RELAY_OPEN,     /* both directions flow */
    RELAY_CLOSED    /* there is no plain socket any more */
};

struct tls_relay {
    struct ev_loop *loop;
    SSL *ssl;
    int wire, plain;
    enum relay_state state;
    bool wants_write; /* the wire must be writable for OpenSSL to go on */
    struct flow out, in;
    char why[TLS_WHY];
    struct ev_io wire_ready, plain_ready;
};

/* ------------------------------------------------------------------------- files */

/* What OpenSSL complains about; it keeps a list, of which the oldest is the cause. */
static const char *complaint(void) {
    unsigned long code = ERR_get_error();
    const char *reason = NULL;

    ERR_clear_error();
    if (code != 0)
        reason =
            ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    return reason != NULL ? reason : "not to be used";
}

static enum err wrong(char *why, const char *option, const char *file) {
    snprintf(why, TLS_WHY, "%s = %.120s: %s", option, file, complaint());
    return ERR_SYSTEM;
}

/* A key that wants a password would have OpenSSL ask for it at the terminal. */
static int no_password(char *out, int size, int writing, void *ctx) {
    (void)writing, (void)ctx;
    if (size > 0)
        out[0] = '\0';
    return 0;
}

static enum err take_identity(SSL_CTX *context, const struct config *config, char *why) {
    bool cert = config->redis_cert[0] != '\0', key = config->redis_key[0] != '\0';

    if (cert != key) {
        snprintf(why, TLS_WHY, "%s is set without %s", cert ? "redis_cert" : "redis_key",
                 cert ? "redis_key" : "redis_cert");
        return ERR_SYNTAX;
    }
    if (!cert)
        return ERR_OK;
    SSL_CTX_set_default_passwd_cb(context, no_password);
    if (SSL_CTX_use_certificate_chain_file(context, config->redis_cert) != 1)
        return wrong(why, "redis_cert", config->redis_cert);
    if (SSL_CTX_use_PrivateKey_file(context, config->redis_key, SSL_FILETYPE_PEM) != 1)
        return wrong(why, "redis_key", config->redis_key);
    return ERR_OK;
}

static enum err take_authorities(SSL_CTX *context, const struct config *config, char *why) {
    int taken = config->redis_ca[0] != '\0' ? SSL_CTX_load_verify_file(context, config->redis_ca)
                                            : SSL_CTX_set_default_verify_paths(context);
    return taken == 1 ? ERR_OK : wrong(why, "redis_ca", config->redis_ca);
}

enum err tls_new(const struct config *config, struct tls **out, char why[TLS_WHY]) {
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    enum err err = ERR_SYSTEM;

    *out = NULL;
    ERR_clear_error();
    if (context == NULL || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
        (void)wrong(why, "redis", "rediss://");
    else
        err = take_authorities(context, config, why);
    if (err == ERR_OK)
        err = take_identity(context, config, why);
    if (err != ERR_OK) {
        SSL_CTX_free(context);
        return err;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
    *out = mem_new(sizeof **out);
    (*out)->context = context;
    return ERR_OK;
}

void tls_free(struct tls *tls) {
    if (tls == NULL)
        return;
    SSL_CTX_free(tls->context);
    free(tls);
}

/* ----------------------------------------------------------------------- the wire */

static void explain(struct tls_relay *relay, const char *what, const char *why) {
    if (relay->why[0] == '\0')
        snprintf(relay->why, sizeof relay->why, "%s%s", what, why);
}

/* Why OpenSSL has failed: the certificate, the system, the protocol, in this order. */
static void note_failure(struct tls_relay *relay, int error, int system) {
    long verdict = SSL_get_verify_result(relay->ssl);

    if (error == SSL_ERROR_ZERO_RETURN)
        return;
    if (verdict != X509_V_OK)
        explain(relay, "TLS: ", X509_verify_cert_error_string(verdict));
    else if (error == SSL_ERROR_SYSCALL && system != 0)
        explain(relay, "", strerror(system));
    else if (error == SSL_ERROR_SYSCALL)
        explain(relay, "TLS: ", "closed by the other side");
    else
        explain(relay, "TLS: ", complaint());
}

/* After a call of OpenSSL that did not succeed: true if there is only to wait. */
static bool may_wait(struct tls_relay *relay, int result) {
    int system = errno, error = SSL_get_error(relay->ssl, result);

    if (error == SSL_ERROR_WANT_READ)
        return true;
    if (error == SSL_ERROR_WANT_WRITE)
        return relay->wants_write = true;
    note_failure(relay, error, system);
    return false;
}

/* True once the handshake is over. */
static bool greet(struct tls_relay *relay) {
    if (relay->state != RELAY_GREETING)
        return true;
    ERR_clear_error();
    int result = SSL_connect(relay->ssl);
    if (result == 1)
        relay->state = RELAY_OPEN;
    else if (!may_wait(relay, result))
        relay->in.ended = true;
    return result == 1;
}

/* Each returns whether something has moved. */
static bool fill_from_wire(struct tls_relay *relay) {
    struct flow *in = &relay->in;

    if (in->from < in->to || in->ended)
        return false;
    ERR_clear_error();
    int got = SSL_read(relay->ssl, in->bytes, sizeof in->bytes);
    if (got > 0) {
        in->from = 0;
        in->to = (size_t)got;
        return true;
    }
    in->ended = !may_wait(relay, got);
    return false;
}

static bool empty_to_wire(struct tls_relay *relay) {
    struct flow *out = &relay->out;

    if (out->from == out->to || relay->in.ended)
        return false;
    ERR_clear_error();
    int put = SSL_write(relay->ssl, out->bytes + out->from, (int)(out->to - out->from));
    if (put > 0)
        out->from += (size_t)put;
    else
        relay->in.ended = !may_wait(relay, put);
    return put > 0;
}

static bool fill_from_plain(struct tls_relay *relay) {
    struct flow *out = &relay->out;

    if (out->from < out->to || out->ended)
        return false;
    ssize_t got = read(relay->plain, out->bytes, sizeof out->bytes);
    if (got > 0) {
        out->from = 0;
        out->to = (size_t)got;
        return true;
    }
    out->ended = got == 0 || (errno != EAGAIN && errno != EINTR);
    return false;
}

static bool empty_to_plain(struct tls_relay *relay) {
    struct flow *in = &relay->in;

    if (in->from == in->to)
        return false;
    ssize_t put = send(relay->plain, in->bytes + in->from, in->to - in->from, MSG_NOSIGNAL);
    if (put > 0)
        in->from += (size_t)put;
    else if (errno != EAGAIN && errno != EINTR)
        in->ended = true, in->from = in->to;
    return put > 0;
}

/* ---------------------------------------------------------------------- the relay */

static void watch(struct tls_relay *relay, struct ev_io *io, int fd, int events) {
    if (io->fd == fd && (io->events & (EV_READ | EV_WRITE)) == events &&
        ev_is_active(io) == (events != 0))
        return;
    ev_io_stop(relay->loop, io);
    ev_io_set(io, fd, events);
    if (events != 0)
        ev_io_start(relay->loop, io);
}

static void watch_both(struct tls_relay *relay) {
    const struct flow *in = &relay->in, *out = &relay->out;
    bool greeting = relay->state == RELAY_GREETING;
    bool in_empty = in->from == in->to, out_empty = out->from == out->to;

    watch(relay, &relay->wire_ready, relay->wire,
          (in_empty ? EV_READ : 0) | (relay->wants_write ? EV_WRITE : 0));
    watch(relay, &relay->plain_ready, relay->plain,
          (!greeting && out_empty && !out->ended ? EV_READ : 0) | (in_empty ? 0 : EV_WRITE));
}

static void close_plain(struct tls_relay *relay) {
    relay->state = RELAY_CLOSED;
    ev_io_stop(relay->loop, &relay->wire_ready);
    ev_io_stop(relay->loop, &relay->plain_ready);
    close(relay->plain);
    relay->plain = -1;
}

void tls_relay_pump(struct tls_relay *relay) {
    bool moved;

    if (relay->state == RELAY_CLOSED)
        return;
    relay->wants_write = false;
    if (greet(relay)) {
        do {
            moved = fill_from_plain(relay);
            moved |= empty_to_wire(relay);
            moved |= fill_from_wire(relay);
            moved |= empty_to_plain(relay);
        } while (moved);
    }
    if ((relay->in.ended && relay->in.from == relay->in.to) || relay->out.ended)
        close_plain(relay);
    else
        watch_both(relay);
}

static void on_ready(struct ev_loop *loop, struct ev_io *io, int events) {
    (void)loop, (void)events;
    tls_relay_pump(io->data);
}

/* ------------------------------------------------------------------------- making */

/* The certificate must name this host: a number as a number, which SNI does not know. */
static bool expect_host(SSL *ssl, const char *host) {
    unsigned char number[sizeof(struct in6_addr)];

    if (inet_pton(AF_INET, host, number) == 1 || inet_pton(AF_INET6, host, number) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

/* Puts one end of a socket pair in the place of `fd`; returns the other end, or -1. */
static int put_pair(int fd) {
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0)
        return -1;
    int put = dup3(ends[0], fd, O_CLOEXEC);
    close(ends[0]);
    if (put == fd)
        return ends[1];
    close(ends[1]);
    return -1;
}

enum err tls_relay_new(struct tls *tls, struct ev_loop *loop, int fd, const char *host,
                       struct tls_relay **out) {
    struct tls_relay *relay = mem_new(sizeof *relay);

    relay->loop = loop;
    relay->plain = -1;
    relay->ssl = SSL_new(tls->context);
    relay->wire = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (relay->ssl != NULL && relay->wire >= 0 && expect_host(relay->ssl, host) &&
        SSL_set_fd(relay->ssl, relay->wire) == 1)
        relay->plain = put_pair(fd);
    if (relay->plain < 0) {
        tls_relay_free(relay);
        *out = NULL;
        return ERR_SYSTEM;
    }
    relay->wants_write = true; /* to begin with: it may not be connected yet */
    ev_init(&relay->wire_ready, on_ready);
    ev_init(&relay->plain_ready, on_ready);
    relay->wire_ready.data = relay->plain_ready.data = relay;
    watch_both(relay);
    *out = relay;
    return ERR_OK;
}

void tls_relay_free(struct tls_relay *relay) {
    if (relay == NULL)
        return;
    if (relay->state == RELAY_OPEN)
        (void)SSL_shutdown(relay->ssl);
    if (relay->plain >= 0)
        close_plain(relay);
    SSL_free(relay->ssl);
    if (relay->wire >= 0)
        close(relay->wire);
    free(relay);
}

int tls_relay_wire(const struct tls_relay *relay) {
    return relay->wire;
}

const char *tls_relay_trouble(const struct tls_relay *relay) {
    return relay != NULL && relay->why[0] != '\0' ? relay->why : NULL;
}

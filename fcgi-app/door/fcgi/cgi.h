/*
 * Requests as CGI describes them: in variables, which FastCGI hands on as a request's
 * parameters. The one place that knows libfcgi.
 */
#ifndef HALLEY_CGI_H
#define HALLEY_CGI_H

#include <stdbool.h>

#include "fcgi-app/door/request.h"

/* Prepares libfcgi. Once, from main(), before signals are set up. */
enum err cgi_init(void) MUST_CHECK;

/* Whether this program was started as plain CGI, not with a FastCGI socket on descriptor 0. */
bool cgi_is_plain(void);

/*
 * Reads one request from a FastCGI connection by libfcgi, at most `body_max`
 * bytes of its body. The caller has looked: the records are all there, and nothing
 * behind them. The descriptor stays open, but on failure. ERR_SYNTAX if what came was
 * not a whole request. `taker`: as request_new() has it.
 */
enum err cgi_read(int fd, size_t body_max, const struct request_taker *taker,
                  struct request **out) MUST_CHECK;

/* A body that was gathered before its request was read. */
struct cgi_body {
    struct buf kept; /* its beginning, or all of it */
    size_t total;    /* bytes that came */
};

/* The same where `fd` holds the parameters and an empty body, in place of which `body` is
 * taken over; on failure it stays the caller's. */
enum err cgi_read_gathered(int fd, struct cgi_body *body, const struct request_taker *taker,
                           struct request **out) MUST_CHECK;

/* The same from the environment and standard input of a CGI program. */
enum err cgi_read_environment(size_t body_max, const struct request_taker *taker,
                              struct request **out) MUST_CHECK;

#endif

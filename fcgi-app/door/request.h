/*
 * One request, read whole: what Halley keeps of the CGI variables, and the body.
 * The one place that knows libfcgi.
 */
#ifndef HALLEY_REQUEST_H
#define HALLEY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "fcgi-app/door/params.h"
#include "fcgi-app/door/site.h"

enum { REQUEST_QUERY_MAX = 8192, REQUEST_FORM_MAX = 65536, REQUEST_HEADER_MAX = 65536 };

struct request {
    const char *method;
    const char *path;   /* of the URI, as it was sent; "" where the server does not say it */
    const char *served; /* the path that the server's own rules have seen; "" likewise */
    const char
        *endpoint; /* what follows the mount, "" before request_mount() and if nothing does */
    const char *query;
    const char *content_type;
    const char *last_event_id;
    const char *idempotency_key;
    const char *remote_addr;
    struct site_claims claims;
    const char *body;
    size_t body_len;
    bool body_over;       /* the body was longer than the limit; `body` is its beginning */
    bool body_short;      /* less of the body came than CONTENT_LENGTH says */
    bool repeats;         /* it says what the last one said: its parameters are not parsed */
    bool proxied;         /* it came through another proxy: remote_addr is that one's */
    bool query_said;      /* by the web server; else it is that of the URI */
    bool early_header;    /* the web server needs a header to notice that a browser has left */
    size_t bytes;         /* all of it, as it was read */
    struct params params; /* filled by whoever routes it */
    char *body_block;     /* what `body` points to, if anything was allocated for it */
    char text[];          /* what the other strings point into */
};

struct client;

/* What a door does with a whole request; both now belong to the callee. */
typedef void request_fn(void *ctx, struct request *request, struct client *client);

/* What a request is made of; none is NULL, all are borrowed for the length of the call. */
struct request_texts {
    const char *method;
    const char *uri;
    const char *script_name;
    const char *path_info;
    const char *query;
    const char *content_type;
    const char *last_event_id;
    const char *idempotency_key;
    const char *remote_addr;
    struct site_claims claims;
};

/* A request without a body. Free it with request_free(). */
struct request *request_new(const struct request_texts *texts);

/* Finds the endpoint of a request below `mount` (the option). */
void request_mount(struct request *request, const char *mount);

/* Prepares libfcgi. Once, from main(), before signals are set up. */
enum err request_init(void) MUST_CHECK;

/* Whether this program was started as plain CGI, not with a FastCGI socket on descriptor 0. */
bool request_is_cgi(void);

/*
 * Reads one request from a FastCGI connection by libfcgi, at most `body_max`
 * bytes of its body. The caller has looked: the records are all there, and nothing
 * behind them. The descriptor stays open, but on failure. ERR_SYNTAX if what came was
 * not a whole request.
 */
enum err request_read(int fd, size_t body_max, struct request **out) MUST_CHECK;

/* A body that was gathered before its request was read. */
struct request_body {
    struct buf kept; /* its beginning, or all of it */
    size_t total;    /* bytes that came */
};

/* The same where `fd` holds the parameters and an empty body, in place of which `body` is
 * taken over; on failure it stays the caller's. */
enum err request_read_gathered(int fd, struct request_body *body, struct request **out) MUST_CHECK;

/* The same from the CGI environment and standard input. */
enum err request_read_cgi(size_t body_max, struct request **out) MUST_CHECK;

/* Frees everything. Safe on NULL. */
void request_free(struct request *request);

#endif

/*
 * One request, read whole: what Halley keeps of what it says, and its body. Every door makes
 * these, and hands them to the same taker.
 */
#ifndef HALLEY_REQUEST_H
#define HALLEY_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "fcgi-app/door/params.h"
#include "fcgi-app/door/said.h"
#include "fcgi-app/door/site.h"
#include "fcgi-app/rights/identity.h"

enum { REQUEST_QUERY_MAX = 8192, REQUEST_FORM_MAX = 65536, REQUEST_HEADER_MAX = 65536 };

enum { REQUEST_SEGMENTS = 8 }; /* of a path below the mount; what has more is nobody's */

/* A segment of a path, as it was sent: not decoded, not ended by a NUL. */
struct segment {
    const char *at;
    size_t len;
};

/* No string is NULL; what was not said is "". */
struct request {
    const char *method;
    const char *path;   /* of the URI, as it was sent; "" where the server does not say it */
    const char *served; /* the path that the server's own rules have seen; "" likewise */
    /* what follows the mount; "" before request_mount(), if nothing does, or if one of its
     * segments is empty or made of dots: that leads nowhere */
    const char *endpoint;
    struct segment segments[REQUEST_SEGMENTS]; /* of `endpoint` */
    size_t segment_count;
    const char *query;
    const char *content_type;
    const char *last_event_id;
    const char *idempotency_key;
    const char *remote_addr;
    struct site_claims claims;
    /* dear ones: "" also where the taker did not want them */
    const char *forwarded_for;
    const char *forwarded_proto;
    const char *forwarded;
    const char *cookie;
    const char *authorization;
    const char *remote_user;
    const char *auth_type;
    const char *groups;      /* of that user, as the web server lists them */
    const char *login_fault; /* why the fields in which a proxy names that user are not taken, in
                              * words that last; NULL: they are, or there are none */
    const char *referer;
    const char *if_none_match;
    const char *asked_method;  /* Access-Control-Request-Method */
    const char *asked_headers; /* Access-Control-Request-Headers */
    const char *protocol;      /* HTTP/1.1 */
    const char *connection;
    const char *upgrade;
    const char *socket_key;      /* Sec-WebSocket-Key */
    const char *socket_protocol; /* Sec-WebSocket-Protocol: what is offered */
    const char *socket_version;  /* Sec-WebSocket-Version */
    const char *body;
    size_t body_len;
    bool body_over;       /* the body was longer than the limit; `body` is its beginning */
    bool body_short;      /* less of the body came than its length says */
    bool credential;      /* it says who somebody is, cookies aside */
    bool repeats;         /* it says what the last one said: its parameters are not parsed */
    bool proxied;         /* it came through another proxy: remote_addr is that one's */
    bool query_said;      /* by the web server; else it is that of the URI */
    bool notices_late;    /* it tells that a browser has left only when it fails to send */
    bool early_header;    /* the web server needs a header to notice that a browser has left */
    bool mounted;         /* request_mount() was called */
    size_t bytes;         /* all of it, as it was read */
    struct params params; /* filled by whoever routes it */
    const struct identity *who; /* filled by whoever routes it: from whom it is; NULL: nobody knows.
                                 * Let go with the request */
    char *body_block;           /* what `body` points to, if anything was allocated for it */
    char *dear_block;           /* what the dear ones point into; or NULL */
    char text[];                /* what the other strings point into */
};

struct client;

/* What a door does with a whole request; both now belong to the callee. */
typedef void request_fn(void *ctx, struct request *request, struct client *client);

/* Whom the doors of a process hand their requests to. */
struct request_taker {
    request_fn *take;
    /* Which dear fields it needs of a request that says some, and has all others already;
     * a set of them. NULL: none. */
    said_set (*wants)(void *ctx, struct request *request);
    void *ctx;
};

/*
 * A request without a body, from what was said, which is borrowed for the length of the
 * call. `taker` may be NULL. Free it with request_free().
 */
struct request *request_new(const struct said *said, const struct request_taker *taker);

/* Its body, taken over: what was kept of `total` bytes that came, of `announced` that were to
 * come (0: nobody said). */
void request_set_body(struct request *request, struct buf kept, size_t total, size_t announced);

/* Finds the endpoint of a request below `mount` (the option), once. */
void request_mount(struct request *request, const char *mount);

/* Whether two requests say the same of all these. */
bool request_same(const struct request *one, const struct request *other, said_set of);

/* Frees everything. Safe on NULL. */
void request_free(struct request *request);

#endif

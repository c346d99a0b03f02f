/*
 * How answers are written as HTTP/1.1 has them (RFC 9112 §6, §7). Belongs to the loop's thread.
 */
#ifndef HALLEY_CLIENT_HTTP_H
#define HALLEY_CLIENT_HTTP_H

#include "fcgi-app/door/connection.h"

/* How a connection's answer is framed: bits of its `own`. */
enum {
    HTTP_OLD = 1,     /* the request was of HTTP/1.0: there are no chunks */
    HTTP_CLOSE = 2,   /* the answer says that nothing follows it */
    HTTP_CHUNKED = 4, /* the answer goes in chunks */
    HTTP_LINGER = 8   /* something lies unread behind the request: the other side is let finish
                         what it says, else it would lose the answer (§9.6) */
};

/* For a carrier of HTTP connections; it adds how they are upgraded. */
extern const struct client_kind client_http_kind;

#endif

/*
 * The opening handshake of a WebSocket: an HTTP/1.1 request that asks to be
 * upgraded (RFC 6455 §4.2). The one place that knows http_parser.
 */
#ifndef HALLEY_WS_HANDSHAKE_H
#define HALLEY_WS_HANDSHAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"

enum { HANDSHAKE_MAX = 16384 }; /* bytes of request line and headers */

enum handshake_state {
    HANDSHAKE_PARTIAL, /* well formed so far */
    HANDSHAKE_WHOLE,   /* `request` is filled */
    HANDSHAKE_BAD      /* no HTTP/1.1 request: `problem` says what is wrong */
};

/*
 * Parses `len` bytes from the start of a connection. Once whole, `*used` says
 * where the frames begin, `*request` is the caller's, and `*key` (in the
 * request's memory) is the Sec-WebSocket-Key; or, with HANDSHAKE_BAD, `problem`
 * is what to answer. `origins` is the option of that name.
 */
enum handshake_state handshake_parse(const char *data, size_t len, const char *origins,
                                     size_t *used, struct request **request, struct buf *accept,
                                     struct problem *problem);

#endif

/*
 * Reads the request that a connection to the WebSockets' own address begins with. The one
 * place that knows http_parser.
 */
#ifndef HALLEY_WS_OPENING_H
#define HALLEY_WS_OPENING_H

#include <stddef.h>

#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"

enum { OPENING_MAX = 16384 }; /* bytes of request line and header */

enum opening_state {
    OPENING_PARTIAL, /* well formed so far */
    OPENING_WHOLE,   /* `request` is filled */
    OPENING_BAD      /* no HTTP request: `problem` says what is wrong */
};

/*
 * Parses `len` bytes from the start of a connection. Once whole, `*used` says where the header
 * ends, and `*request`, with all that a handshake is told by, is the caller's.
 */
enum opening_state opening_parse(const char *data, size_t len, size_t *used,
                                 struct request **request, struct problem *problem);

#endif

/*
 * How answers are written to FastCGI connections, and to whoever started a CGI program.
 * Belongs to the loop's thread.
 */
#ifndef HALLEY_CLIENT_FCGI_H
#define HALLEY_CLIENT_FCGI_H

#include <stdbool.h>
#include <stdint.h>

#include "fcgi-app/door/connection.h"

/* For a carrier of FastCGI connections: how they are clients, and are left. */
extern const struct client_kind client_fcgi_kind;
bool client_fcgi_left(struct connection *connection, unsigned what);

/* The connection is the client of the request that it carries from here on. */
struct client *client_fcgi_begin(struct connection *connection);

/* A client that is not a request's that the intake took in: it owns `fd` (set to
 * non-blocking here), and is closed when it is answered. */
struct client *client_fcgi_new(struct connections *all, int fd, uint16_t request_id);

/* The same for the request of a CGI program, which is answered on its standard output as it
 * is; `head_only`: it was HEAD. */
struct client *client_cgi_new(struct connections *all, int fd, bool head_only);

#endif

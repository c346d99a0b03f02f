/*
 * Where Halley stands in a site: the option `mount`, and which paths below it are
 * endpoints. Pure functions, for requests of every door.
 */
#ifndef HALLEY_MOUNT_H
#define HALLEY_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * The path of a request's target (RFC 9112 §3.2) as it was sent: without the query, and
 * without the scheme and host of an absolute form. Points into `uri`; `*len` bytes.
 */
const char *mount_path(const char *uri, size_t *len);

/*
 * The name of the endpoint that a request is for, which nobody has looked up yet, or NULL:
 * there is none. `sent` is the path of its URI (""
 * where the server does not say it) and `served` the path that the server's own rules have
 * seen (SCRIPT_NAME and PATH_INFO; "" likewise). `mount` is "" for the root. Points into
 * `sent`, or into `served` and then `*rewritten` says so.
 */
const char *mount_endpoint(const char *mount, const char *sent, const char *served,
                           bool *rewritten);

/*
 * The same for services, whose paths go on with what clients choose: the server's rules may have
 * seen that decoded.
 */
const char *mount_service(const char *mount, const char *sent, const char *served, bool *rewritten);

/* The last segment of a path that is not below the mount; NULL where it is, or has none. */
const char *mount_elsewhere(const char *mount, const char *sent);

#endif

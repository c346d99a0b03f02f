/*
 * Who has logged in at the proxy that a request came through, as that proxy says it in a header
 * field (the options user_header and group_header). Nobody but a trusted peer is believed. Pure
 * functions.
 */
#ifndef HALLEY_HTTP_LOGIN_H
#define HALLEY_HTTP_LOGIN_H

#include <stdbool.h>

#include "fcgi-app/door/said.h"

enum { LOGIN_TEXT = 256 }; /* a name out of Forwarded, with its NUL */

/*
 * Has `said` name that user and his groups as REMOTE_USER would over FastCGI, or nobody where the
 * peer is not `trusted`. `forwarded`: the name is the parameter remote_user of the last element of
 * Forwarded (RFC 7239 §4), and is written to `user`, which must last as long as `said`. Returns
 * NULL; or why it is not clear whom the fields name, in words that last.
 */
const char *login_find(struct said *said, bool trusted, bool forwarded, char user[LOGIN_TEXT]);

#endif

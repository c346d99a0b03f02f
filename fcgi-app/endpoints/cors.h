/*
 * What browsers are told so that pages of other sites may read answers (WHATWG Fetch §3.2,
 * CORS): those that the option `origins` names. Pure functions.
 */
#ifndef HALLEY_CORS_H
#define HALLEY_CORS_H

#include "core/base/buf.h"
#include "fcgi-app/door/request.h"

/* What a preflight asks, so what it is answered from. */
#define CORS_WANTS (SAID_BIT(SAID_ASKED_METHOD) | SAID_BIT(SAID_ASKED_HEADERS))

/* Appends the fields that every answer to this request has; none where its page may not read
 * it, or is of this site as far as anybody can tell. */
void cors_put(const struct request *request, const char *origins, struct buf *out);

/* Appends what the answer to a preflight has besides: the methods that are allowed (a list,
 * commas between), and the fields that may be sent. Nothing for what is no preflight. */
void cors_put_preflight(const struct request *request, const char *origins, const char *methods,
                        struct buf *out);

/* Appends the field by which a browser shows the answer in frames of this site's pages, and of
 * those of `origins`, alone (CSP 3 §6.4.2). */
void cors_put_ancestors(const char *origins, struct buf *out);

/* Whether a text is a list of names of fields (RFC 9110 §5.1), and goes into a header as it is. */
bool cors_is_list(const char *text);

#endif

/*
 * The little that Halley needs of JSON besides scan.h: is this text one valid JSON value,
 * is this text valid UTF-8, write this text as a JSON string, and read it again. This is
 * the one place that knows jansson.
 */
#ifndef HALLEY_JSON_H
#define HALLEY_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

/*
 * Whether `len` bytes are one JSON text (RFC 8259) of any kind of value, with
 * white space around it allowed. Numbers beyond the range of a double, surrogates
 * without their other half, and nesting beyond SCAN_DEPTH count as not valid. Any thread.
 */
bool json_valid(const char *text, size_t len);

/* Whether a valid JSON text has no member twice, in whatever object and spelling. Any thread. */
bool json_single(const char *text, size_t len);

/* Whether `len` bytes are valid UTF-8 (RFC 3629). Any thread. */
bool json_utf8(const char *text, size_t len);

/* Appends valid UTF-8 as a JSON string, quotes included. */
void json_quote(struct buf *out, const char *text, size_t len);

/*
 * What a JSON string says, with a NUL behind it, which it may hold others of: the caller's
 * to free(). NULL if the text is no string, or says what is no UTF-8 (half a surrogate pair).
 */
char *json_unquote(const char *text, size_t len, size_t *said_len);

/*
 * Appends a valid JSON text on one line: line ends can stand only between its
 * tokens, and become spaces, so that line-framed transports stay whole.
 */
void json_splice(struct buf *out, const char *text, size_t len);

#endif

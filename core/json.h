/*
 * The little that Halley needs of JSON, by jansson: is this text one valid JSON
 * value, is this text valid UTF-8, write this text as a JSON string. This is
 * the one place that knows jansson.
 */
#ifndef HALLEY_JSON_H
#define HALLEY_JSON_H

#include <stdbool.h>
#include <stddef.h>

#include "core/buf.h"

/*
 * Whether `len` bytes are one JSON text (RFC 8259) of any kind of value, with
 * white space around it allowed. Numbers beyond the range of a double, and
 * nesting beyond jansson's 2048 levels, count as not valid. Any thread.
 */
bool json_valid(const char *text, size_t len);

/* Whether `len` bytes are valid UTF-8 (RFC 3629). Any thread. */
bool json_utf8(const char *text, size_t len);

/* Appends valid UTF-8 as a JSON string, quotes included. */
void json_quote(struct buf *out, const char *text, size_t len);

/*
 * Appends a valid JSON text on one line: line ends can stand only between its
 * tokens, and become spaces, so that line-framed transports stay whole.
 */
void json_splice(struct buf *out, const char *text, size_t len);

/* --- a parsed value; all looks are safe on NULL and on values of another kind --- */

struct json;

/* Parses one JSON text; NULL if it is not valid. Free it with json_free(). */
struct json *json_parse(const char *text, size_t len);
void json_free(struct json *json);

/* A value of its own, to be freed; NULL for NULL. */
struct json *json_clone(const struct json *json);

/* The member of an object, or NULL. Borrowed. */
const struct json *json_member(const struct json *json, const char *name);

/* Whether it is an object; how many elements an array has (0 if it is none). */
bool json_is_map(const struct json *json);
size_t json_length(const struct json *json);

/* An element of an array, or NULL. Borrowed. */
const struct json *json_element(const struct json *json, size_t index);

/* The text of a string, which may hold NULs; NULL if it is none. Borrowed. */
const char *json_text(const struct json *json, size_t *len);

/* Appends the value, compact. */
void json_write(struct buf *out, const struct json *json);

#endif

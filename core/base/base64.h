/* Base64 (RFC 4648 §4) as others write it, read again. Pure functions; any thread. */
#ifndef HALLEY_BASE64_H
#define HALLEY_BASE64_H

#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/err.h"

/*
 * Appends the bytes that padded base64 stands for. ERR_SYNTAX, and nothing appended, for anything
 * that an encoder does not write: other characters, blanks, no padding, bits left over that are
 * not zero. ERR_FULL past the buffer's maximum.
 */
enum err base64_decode(struct buf *out, const char *text, size_t len) MUST_CHECK;

#endif

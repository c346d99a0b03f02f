/*
 * What the line feed and its transport have in common.
 */
#ifndef HALLEY_TRANSPORT_LINE_H
#define HALLEY_TRANSPORT_LINE_H

#include "core/base/buf.h"

/* Bits of the variant. */
enum {
    LINE_JSON = 1,  /* a batch a line */
    LINE_ANSWER = 2 /* where the stream begins anew, a command is answered OK */
};

/* Appends a channel's name as commands and messages have it: with a blank in it, or a quotation
 * mark in front, as a JSON string. */
void line_put_name(struct buf *out, const char *name, size_t len);

#endif

/*
 * What the transports share that write JavaScript: a batch as an argument of a
 * call, and the name of the function that is called.
 */
#ifndef HALLEY_SCRIPT_H
#define HALLEY_SCRIPT_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/data/batch.h"
#include "fcgi-app/transports/transport.h"

/*
 * Reads `callback`, which must be [A-Za-z_$][A-Za-z0-9_$.]{0,127}, into the
 * options; a transport's `options` function.
 */
bool script_options(const struct params *params, size_t channel_count,
                    struct transport_options *options, struct problem *problem);

/*
 * Appends a batch as a JavaScript expression that is safe inside a <script>
 * element: "<" and the line separators U+2028 and U+2029, which can stand in
 * strings only, are written as escapes.
 */
void script_batch(struct batch *batch, struct buf *out);

/* The same of any valid JSON text. */
void script_text(const char *text, size_t len, struct buf *out);

/* Whether a function may be called by that name, as `callback` is. */
bool script_name(const char *name, size_t len);

#endif

/*
 * JSONP: a batch as a call in a script that any page may load, from before
 * cross-origin requests existed. It holds like a long poll; timeout=0 answers at
 * once. Off unless `jsonp = on`, because every site may read what it carries.
 */
#include "fcgi-app/transports/script.h"
#include "fcgi-app/transports/transports.h"

static bool enabled(const struct config *config) {
    return config->jsonp != 0;
}

/* The comment in front keeps the name from being taken for the start of another format. */
static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    buf_printf(out, "/**/%s(", options->callback);
    script_batch(batch, out);
    buf_text(out, ");");
}

const struct transport transport_jsonp = {.name = "jsonp",
                                          .content_type = "application/javascript; charset=utf-8",
                                          .waits = true,
                                          .enabled = enabled,
                                          .options = script_options,
                                          .render = render};

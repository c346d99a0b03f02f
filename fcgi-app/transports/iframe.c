/*
 * The forever frame: an HTML page that never ends, in a hidden iframe; each batch
 * is a script element that calls a function of the page around it. It works in
 * every browser that ever ran scripts.
 */
#include "fcgi-app/transports/script.h"
#include "fcgi-app/transports/transports.h"

/* Browsers used to run nothing of a page before they had this many bytes of it. */
enum { PADDING = 1024 };

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    buf_printf(out, "<script>parent.%s(", options->callback);
    script_batch(batch, out);
    buf_text(out, ")</script>\n");
}

static void begin(const struct transport_options *options, struct batch *start, struct buf *out) {
    buf_text(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<title>Halley</title></head><body>\n");
    buf_printf(out, "<!--%*s-->\n", PADDING, "");
    render(options, start, out);
}

static void keepalive(const struct transport_options *options, struct batch *place,
                      struct buf *out) {
    (void)options, (void)place;
    buf_text(out, "<!---->\n");
}

static void end(const struct transport_options *options, struct buf *out) {
    (void)options;
    buf_text(out, "</body></html>\n");
}

const struct transport transport_iframe = {.name = "iframe",
                                           .content_type = "text/html; charset=utf-8",
                                           .waits = true,
                                           .stream = true,
                                           .options = script_options,
                                           .begin = begin,
                                           .render = render,
                                           .keepalive = keepalive,
                                           .end = end};

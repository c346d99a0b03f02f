/*
 * multipart/x-mixed-replace (Netscape 1995): every part replaces the one before;
 * cameras still speak it. A batch is a part. The boundary is sent right behind a
 * part, not before the next one, because readers take a part for whole only when
 * they see it.
 */
#include "fcgi-app/transports/transports.h"

#define BOUNDARY "halley-part" /* no line of JSON begins with two dashes */

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    const struct buf *json = batch_json(batch);
    (void)options;
    buf_text(out, "Content-Type: application/json\r\n\r\n");
    buf_add(out, json->data, json->len);
    buf_text(out, "\r\n--" BOUNDARY "\r\n");
}

static void begin(const struct transport_options *options, struct batch *start, struct buf *out) {
    buf_text(out, "--" BOUNDARY "\r\n");
    render(options, start, out);
}

static void end(const struct transport_options *options, struct buf *out) {
    (void)options;
    buf_text(out, "\r\n--" BOUNDARY "--\r\n");
}

/* Nothing may stand between parts, so an idle stream is kept open by an empty batch. */
const struct transport transport_multipart = {.name = "multipart",
                                              .content_type =
                                                  "multipart/x-mixed-replace; boundary=" BOUNDARY,
                                              .waits = true,
                                              .stream = true,
                                              .begin = begin,
                                              .render = render,
                                              .keepalive = render,
                                              .end = end};

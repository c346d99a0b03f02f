/*
 * XHR or fetch streaming: one answer that does not end, a batch a line
 * (application/x-ndjson). The first line is a batch without messages, which says
 * where the stream begins; an empty line keeps it alive.
 */
#include "fcgi-app/transports/transports.h"

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    const struct buf *json = batch_json(batch);
    (void)options;
    buf_add(out, json->data, json->len);
    buf_char(out, '\n');
}

static void keepalive(const struct transport_options *options, struct batch *place,
                      struct buf *out) {
    (void)options, (void)place;
    buf_char(out, '\n');
}

const struct transport transport_stream = {.name = "stream",
                                           .content_type = "application/x-ndjson",
                                           .waits = true,
                                           .stream = true,
                                           .begin = render,
                                           .render = render,
                                           .keepalive = keepalive};

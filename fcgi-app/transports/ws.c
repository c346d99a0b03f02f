/*
 * WebSocket (RFC 6455): a batch a text message. A batch without messages opens
 * the stream, and every change of its channels, and says where it begins. The
 * framing, and the pings that keep an idle connection open, are the socket's
 * (ws/socket.c).
 */
#include "fcgi-app/transports/transports.h"

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    const struct buf *json = batch_json(batch);
    (void)options;
    buf_add(out, json->data, json->len);
}

/* An empty piece is what a socket sends as a ping. */
static void keepalive(const struct transport_options *options, struct batch *place,
                      struct buf *out) {
    (void)options, (void)place, (void)out;
}

const struct transport transport_ws = {.name = "ws",
                                       .waits = true,
                                       .stream = true,
                                       .socket = true,
                                       .begin = render,
                                       .keepalive = keepalive};

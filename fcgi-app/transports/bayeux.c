/*
 * Bayeux: a batch in an event of Faye's stream. The id of an event is the cursor behind it, so a
 * browser that opens the stream once more says what it has.
 */
#include "fcgi-app/transports/bayeux.h"

#include "fcgi-app/carriers/bayeux/replies.h"
#include "fcgi-app/transports/transports.h"

static void begin(const struct transport_options *options, struct batch *start, struct buf *out) {
    (void)options, (void)start;
    buf_text(out, ":\n\n");
}

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    struct buf objects = buf_make(SIZE_MAX / 2), cursor = buf_make(SIZE_MAX / 2);
    (void)options;

    bayeux_reply_messages(&objects, batch, NULL);
    bayeux_reply_gap_notice(&objects, batch);
    batch_cursor(batch, batch_size(batch), &cursor);
    if (objects.len > 0)
        buf_printf(out, "id: %s\ndata: [%s]\n\n", cursor.data, objects.data);
    else
        buf_printf(out, "id: %s\n:\n\n", cursor.data != NULL ? cursor.data : "");
    buf_free(&objects);
    buf_free(&cursor);
}

static void keepalive(const struct transport_options *options, struct batch *place,
                      struct buf *out) {
    (void)options, (void)place;
    buf_text(out, ":\n\n");
}

/* An empty piece is what a socket sends as a ping. */
static void ping(const struct transport_options *options, struct batch *place, struct buf *out) {
    (void)options, (void)place, (void)out;
}

static void nothing(const struct transport_options *options, struct batch *batch, struct buf *out) {
    (void)options, (void)batch, (void)out;
}

const struct transport transport_bayeux = {
    .name = "bayeux", .waits = true, .carried = true, .slows = true};

const struct transport transport_bayeux_stream = {.name = "bayeux-stream",
                                                  .waits = true,
                                                  .stream = true,
                                                  .carried = true,
                                                  .begin = begin,
                                                  .render = render,
                                                  .keepalive = keepalive};

const struct transport transport_bayeux_socket = {.name = "bayeux-socket",
                                                  .waits = true,
                                                  .stream = true,
                                                  .socket = true,
                                                  .carried = true,
                                                  .begin = nothing,
                                                  .render = nothing,
                                                  .keepalive = ping};

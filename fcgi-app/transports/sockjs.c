/*
 * SockJS: a batch as the frame that its protocol's texts make, wrapped as the kind of answer
 * wants it; what is said of sessions, and where a stream begins, is the carrier's
 * (carriers/sockjs/). A poll is answered by the carrier altogether: here it is only held.
 */
#include "fcgi-app/transports/sockjs.h"

#include "fcgi-app/transports/transports.h"

static enum sockjs_kind kind_of(const struct transport_options *options) {
    return (enum sockjs_kind)(options->variant % SOCKJS_KINDS);
}

static const struct protocol *protocol_of(const struct transport_options *options) {
    return protocol_at(options->variant / SOCKJS_KINDS);
}

static unsigned shared(const struct transport_options *options, struct batch *batch) {
    unsigned shape = options->speech != NULL ? speech_shape(options->speech, batch) : SHAPE_ALL;
    return shape == SHAPE_OWN ? TRANSPORT_OWN : shape << 8 | options->variant;
}

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    struct texts texts = {0};
    struct buf frame = buf_make(SIZE_MAX / 2);
    enum sockjs_kind kind = kind_of(options);

    protocol_of(options)->render(options->speech, batch, &texts);
    if (kind == SOCKJS_RAW)
        buf_add(out, texts.all.data, texts.all.len);
    else
        sockjs_put_messages(&texts, &frame);
    sockjs_wrap(kind, "", frame.data, frame.len, out);
    buf_free(&frame);
    texts_free(&texts);
}

/* Where a session over HTTP begins is told as one of its own frames. */
static void begin(const struct transport_options *options, struct batch *start, struct buf *out) {
    if (kind_of(options) >= SOCKJS_WEBSOCKET && protocol_of(options)->confirms)
        render(options, start, out);
}

/* An empty piece is what a socket sends as a ping. */
static void keepalive(const struct transport_options *options, struct batch *place,
                      struct buf *out) {
    (void)place;
    if (kind_of(options) < SOCKJS_WEBSOCKET)
        sockjs_wrap(kind_of(options), "", "h", 1, out);
}

const struct transport transport_sockjs = {.name = "sockjs",
                                           .waits = true,
                                           .stream = true,
                                           .socket = true,
                                           .carried = true,
                                           .begin = begin,
                                           .render = render,
                                           .shared = shared,
                                           .keepalive = keepalive};

const struct transport transport_sockjs_poll = {
    .name = "sockjs-poll", .waits = true, .carried = true};

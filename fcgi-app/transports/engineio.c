/*
 * Engine.IO: a batch as the packets that its protocol's texts are. A poll is answered by the
 * carrier (carriers/engineio/) altogether: here it is only held. Pings are the carrier's too.
 */
#include "fcgi-app/transports/engineio.h"

#include "fcgi-app/carriers/engineio_payload.h"
#include "fcgi-app/transports/transports.h"

static const struct protocol *protocol_of(const struct transport_options *options) {
    return protocol_at(options->variant);
}

static unsigned shared(const struct transport_options *options, struct batch *batch) {
    unsigned shape = options->speech != NULL ? speech_shape(options->speech, batch) : SHAPE_ALL;
    return shape == SHAPE_OWN ? TRANSPORT_OWN : shape << 8 | options->variant;
}

static void render(const struct transport_options *options, struct batch *batch, struct buf *out) {
    struct texts texts = {0};

    protocol_of(options)->render(options->speech, batch, &texts);
    for (size_t i = 0; i < texts.count; i++) {
        struct engineio_packet packet = {.type = ENGINEIO_MESSAGE,
                                         .binary = texts_is_bytes(&texts, i)};
        packet.data = texts_at(&texts, i, &packet.len);
        engineio_payload_add(out, &packet);
    }
    texts_free(&texts);
}

/* Where a session over polls begins is told as one of its own frames. */
static void begin(const struct transport_options *options, struct batch *start, struct buf *out) {
    if (protocol_of(options)->confirms)
        render(options, start, out);
}

const struct transport transport_engineio = {.name = "engineio",
                                             .waits = true,
                                             .stream = true,
                                             .socket = true,
                                             .carried = true,
                                             .begin = begin,
                                             .render = render,
                                             .shared = shared};

const struct transport transport_engineio_poll = {
    .name = "engineio-poll", .waits = true, .carried = true};

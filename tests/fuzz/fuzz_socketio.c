/* Socket.IO packets of any bytes: what is parsed is written, and parsed again it is the same; with
 * its attachments in their places it is JSON that every reader takes. */
#include "fcgi-app/protocols/socketio_packet.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

static void must_equal(const struct socketio_packet *a, const struct socketio_packet *b) {
    must(a->type == b->type && a->attachments == b->attachments && a->has_id == b->has_id &&
         a->id == b->id);
    must(a->space_len == b->space_len && memcmp(a->space, b->space, a->space_len) == 0);
    must((a->data.at == NULL) == (b->data.at == NULL) && a->data.len == b->data.len);
    must(a->data.at == NULL || memcmp(a->data.at, b->data.at, a->data.len) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static struct socketio_attachment attachments[SOCKETIO_ATTACHMENTS];
    struct buf out = buf_make(2 * size + 64);
    struct socketio_packet packet, again;

    if (socketio_parse(&packet, (const char *)data, size) == ERR_OK) {
        socketio_write(&out, &packet);
        must(!out.overflow && socketio_parse(&again, out.data, out.len) == ERR_OK);
        must_equal(&packet, &again);
        buf_clear(&out);
        for (size_t i = 0; i < SOCKETIO_ATTACHMENTS; i++)
            attachments[i] = (struct socketio_attachment){"", 0};
        if (packet.attachments > 0) {
            socketio_fill(&out, packet.data, attachments, packet.attachments);
            must(!out.overflow && out.len <= packet.data.len && scan_tame(out.data, out.len));
        }
    }
    buf_free(&out);
    return 0;
}

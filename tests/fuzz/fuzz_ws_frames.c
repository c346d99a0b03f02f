/* Any bytes from a browser, on the socket's framing. However they are cut into pieces, the
 * same messages come out, each UTF-8 and no longer than it may be; what is sent back is whole
 * frames without a mask, with at most one close frame and nothing behind it.
 */
#include "fcgi-app/door/ws/frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_MESSAGE = 300, OUT_MAX = 64 * 1024 * 1024 };

static void must(bool what) {
    if (!what)
        abort();
}

static void check_frames(const struct buf *out) {
    bool closed = false;

    for (size_t at = 0; at < out->len;) {
        const unsigned char *frame = (const unsigned char *)out->data + at;
        size_t left = out->len - at, len = left > 1 ? frame[1] & 0x7f : 0, head = 2;

        must(left >= 2 && (frame[0] & 0xf0) == 0x80 && (frame[1] & 0x80) == 0 && !closed);
        if (len == 126) {
            must(left >= 4);
            len = (size_t)(frame[2] << 8 | frame[3]);
            head = 4;
        }
        must(len <= MAX_MESSAGE + 9 && left >= head + len);
        closed = frame[0] == 0x88;
        must(!closed || (len != 1 && len <= 125));
        at += head + len;
    }
}

/* What was heard, in pieces of `piece` bytes; each message is echoed. */
static void converse(const uint8_t *data, size_t size, size_t piece, bool binary, struct buf *heard,
                     struct buf *out) {
    struct frames *frames = frames_new(MAX_MESSAGE, binary);
    struct buf text;
    bool bytes;

    for (size_t at = 0; at < size; at += piece) {
        char *copy = malloc(piece); /* so that reading beyond it is noticed */
        size_t len = size - at < piece ? size - at : piece;
        memcpy(copy, data + at, len);
        frames_take(frames, copy, len);
        free(copy);
        while (frames_next(frames, &text, &bytes)) {
            must(text.len <= MAX_MESSAGE && (bytes ? binary : json_utf8(text.data, text.len)));
            buf_add(heard, text.data, text.len);
            buf_char(heard, '\n');
            (bytes ? frames_bytes : frames_text)(frames, text.data, text.len);
            buf_free(&text);
        }
        if (frames_over(frames) || frames_failed(frames))
            must(frames_closing(frames));
        frames_put(frames, out);
    }
    frames_ping(frames);
    frames_close(frames, SOCKET_GOING_AWAY, "over");
    frames_put(frames, out);
    must(frames_closing(frames));
    check_frames(out);
    frames_free(frames);
}

static void converse_in_pieces(const uint8_t *data, size_t size, bool binary) {
    static const size_t pieces[] = {1, 3, 64, 100000};
    struct buf first = buf_make(OUT_MAX);

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        struct buf heard = buf_make(OUT_MAX), out = buf_make(OUT_MAX);
        converse(data, size, pieces[i], binary, i == 0 ? &first : &heard, &out);
        must(i == 0 || (heard.len == first.len &&
                        (heard.len == 0 || memcmp(heard.data, first.data, heard.len) == 0)));
        buf_free(&heard);
        buf_free(&out);
    }
    buf_free(&first);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    converse_in_pieces(data, size, false);
    converse_in_pieces(data, size, true);
    return 0;
}

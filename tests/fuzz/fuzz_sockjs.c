/* Any body that a SockJS client sends: what is taken of it are texts, and whatever they are, the
 * frame in which they go back is JSON, in each kind's wrapping too, and says the same texts.
 */
#include "fcgi-app/carriers/sockjs/frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool what) {
    if (!what)
        abort();
}

static bool same(const struct texts *one, const struct texts *other) {
    for (size_t i = 0; one->count == other->count && i < one->count; i++) {
        size_t len, other_len;
        const char *text = texts_at(one, i, &len), *again = texts_at(other, i, &other_len);
        if (len != other_len || memcmp(text, again, len) != 0)
            return false;
    }
    return one->count == other->count;
}

/* The frame a[...] is the same texts, and holds none of the bytes that are to be escaped. */
static void check_frame(const struct texts *texts, const struct buf *frame) {
    struct texts again = {0};

    if (texts->count == 0)
        return;
    must(frame->data[0] == 'a');
    must(sockjs_take(frame->data + 1, frame->len - 1, false, &again) == SOCKJS_INPUT_GOOD);
    must(same(texts, &again));
    for (size_t i = 0; i < frame->len; i++) {
        must((unsigned char)frame->data[i] >= 0x20);
        must(memcmp(frame->data + i, "\xe2\x80\xa8", i + 3 <= frame->len ? 3 : 0) != 0 ||
             i + 3 > frame->len);
    }
    texts_free(&again);
}

static void check_wrapped(const struct buf *frame) {
    for (enum sockjs_kind kind = SOCKJS_XHR; kind <= SOCKJS_RAW; kind++) {
        struct buf out = buf_make(SIZE_MAX / 2);
        sockjs_wrap(kind, "cb", frame->data, frame->len, &out);
        must(frame->len == 0 || out.len >= frame->len);
        if (kind == SOCKJS_HTMLFILE && out.len > 0) /* the one end of a script is ours */
            must(strstr(out.data, "</script>") == out.data + out.len - strlen("</script>\r\n"));
        buf_free(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1); /* without a NUL behind it */
    struct texts texts = {0};
    struct buf frame = buf_make(SIZE_MAX / 2), any = buf_make(SIZE_MAX / 2);

    memcpy(text, data, size);
    enum sockjs_input input = sockjs_take(text, size, size % 2 == 0, &texts);
    must(texts.count <= SOCKJS_MESSAGES_MAX && (input != SOCKJS_INPUT_EMPTY || size == 0));
    sockjs_put_messages(&texts, &frame);
    check_frame(&texts, &frame);
    check_wrapped(&frame);
    sockjs_put_string(text, size, &any);
    must(any.len >= 2);
    (void)sockjs_callback_valid(text, size);
    buf_free(&any);
    buf_free(&frame);
    texts_free(&texts);
    free(text);
    return 0;
}

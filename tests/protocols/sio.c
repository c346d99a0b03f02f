/* The application that the suite socket.io-protocol is run against: says with what it was
 * connected, and sends `message` and `message-with-ack` back.
 */
#include "tests/protocols/sio.h"

#include <string.h>

#include "fcgi-app/protocols/socketio.h"

static bool is_called(const struct socketio_call *call, const char *quoted) {
    return call->name.len == strlen(quoted) && memcmp(call->name.at, quoted, call->name.len) == 0;
}

static struct scan_value value_of(const struct buf *buf) {
    return (struct scan_value){buf->data, buf->len};
}

static void connected(const struct speech *speech, struct socketio_space *space,
                      struct scan_value auth, struct step *step) {
    struct buf list = buf_make(SIZE_MAX / 2);
    (void)speech;

    buf_text(&list, "[\"auth\",");
    buf_add(&list, auth.at, auth.len);
    buf_char(&list, ']');
    socketio_emit(step, space, value_of(&list), NULL);
    buf_free(&list);
}

static void event(const struct socketio_call *call, struct step *step) {
    struct buf list = buf_make(SIZE_MAX / 2);
    struct scan_value first = call->name;
    bool any = scan_next(call->data, &first), back = is_called(call, "\"message\"");

    buf_text(&list, back ? "[\"message-back\"" : "[");
    buf_text(&list, back && any ? "," : "");
    if (any)
        buf_add(&list, first.at, (size_t)(call->data.at + call->data.len - first.at));
    else
        buf_char(&list, ']');
    if (back)
        socketio_emit(step, call->space, value_of(&list), call->attachments);
    else if (is_called(call, "\"message-with-ack\""))
        socketio_acknowledge(step, call, value_of(&list), call->attachments);
    buf_free(&list);
}

static const struct socketio_application application = {.connected = connected, .event = event};

static void take(const struct speech *speech, const char *text, size_t len, struct step *step) {
    socketio_take(speech, &application, text, len, step);
}

static void take_bytes(const struct speech *speech, const char *bytes, size_t len,
                       struct step *step) {
    socketio_take_bytes(speech, &application, bytes, len, step);
}

static void joined(const struct speech *speech, const struct hub_places *begin, struct step *step) {
    socketio_joined(speech, &application, begin, step);
}

const struct protocol protocol_sio_test = {.name = "sio-test",
                                           .open = socketio_open,
                                           .take = take,
                                           .take_bytes = take_bytes,
                                           .tell = socketio_tell,
                                           .joined = joined,
                                           .render = socketio_render,
                                           .shape = socketio_shape,
                                           .deadline = socketio_deadline,
                                           .state_new = socketio_state_new,
                                           .state_free = socketio_state_free,
                                           .save = socketio_state_save,
                                           .load = socketio_state_load};

/*
 * wslay's event interface over buffers. It answers pings, checks masks, UTF-8 and sizes of
 * frames, and closes with the code that each mistake has. What it does not do is to collect
 * a message from its fragments: there each would cost memory of its own, an empty one as
 * much as any. They are added to one buffer, which is never longer than a message may be,
 * in however many frames it comes.
 *
 * Two mistakes are wslay's own: it takes half a status code in a close frame for none, and
 * closes without a code what is no frame at all.
 */
#include "fcgi-app/door/ws/frames.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wslay/wslay.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

struct inbound {
    struct inbound *prev, *next;
    struct buf text;
    bool bytes;
};

struct frames {
    wslay_event_context_ptr wslay;
    size_t max_message;
    bool bytes;       /* binary messages are taken */
    const char *from; /* what wslay has not taken yet, inside of frames_take() */
    size_t left;
    struct buf *out;    /* where it writes, inside of frames_put() */
    struct buf message; /* what has come of a text message that is not whole */
    struct inbound *inbox;
    bool arriving;  /* such a message has begun */
    bool control;   /* the frame that is being read is a control frame */
    bool half_code; /* the last frame was a close with one byte */
    bool refused;   /* a frame was no part of a message that is taken: nothing more is read */
    bool broken;    /* what came were no frames: wslay is not asked any more, ... */
    bool told;      /* ... and it was said that they were not */
    bool closing;
};

/* ------------------------------------------------------------ wslay's callbacks */

static ssize_t on_recv(wslay_event_context_ptr wslay, uint8_t *data, size_t len, int flags,
                       void *ctx) {
    struct frames *frames = ctx;
    size_t n = frames->left < len ? frames->left : len;
    (void)flags;

    if (n == 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    memcpy(data, frames->from, n);
    frames->from += n;
    frames->left -= n;
    return (ssize_t)n;
}

static ssize_t on_send(wslay_event_context_ptr wslay, const uint8_t *data, size_t len, int flags,
                       void *ctx) {
    struct frames *frames = ctx;
    (void)wslay, (void)flags;
    buf_add(frames->out, data, len);
    return (ssize_t)len;
}

/* Closes, and takes nothing more. */
static void refuse(struct frames *frames, unsigned code, const char *reason) {
    frames_close(frames, code, reason);
    wslay_event_shutdown_read(frames->wslay);
    frames->refused = true;
}

/* A frame begins. wslay knows how long it is, but not how long the fragments before it were. */
static void on_frame(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_start_arg *arg, void *ctx) {
    struct frames *frames = ctx;
    (void)wslay;

    frames->control = wslay_is_ctrl_frame(arg->opcode) != 0;
    frames->half_code = arg->opcode == WSLAY_CONNECTION_CLOSE && arg->payload_length == 1;
    if (frames->control)
        return;
    frames->arriving = true;
    if (arg->opcode == WSLAY_BINARY_FRAME && !frames->bytes)
        refuse(frames, SOCKET_UNSUPPORTED, "messages must be text");
    else if (arg->payload_length > frames->max_message - frames->message.len)
        refuse(frames, SOCKET_TOO_BIG, "");
}

static void on_chunk(wslay_event_context_ptr wslay,
                     const struct wslay_event_on_frame_recv_chunk_arg *arg, void *ctx) {
    struct frames *frames = ctx;
    (void)wslay;
    if (!frames->control && !frames->refused)
        buf_add(&frames->message, arg->data, arg->data_length);
}

/* A message is whole. */
static void on_message(wslay_event_context_ptr wslay, const struct wslay_event_on_msg_recv_arg *arg,
                       void *ctx) {
    struct frames *frames = ctx;
    (void)wslay;

    if (wslay_is_ctrl_frame(arg->opcode) || frames->refused)
        return;
    struct inbound *message = mem_new(sizeof *message);
    message->text = frames->message;
    message->bytes = arg->opcode == WSLAY_BINARY_FRAME;
    DL_APPEND(frames->inbox, message);
    frames->message = buf_make(frames->max_message);
    frames->arriving = false;
}

/* ---------------------------------------------------------------------- receiving */

void frames_take(struct frames *frames, const char *data, size_t len) {
    if (frames->broken)
        return;
    frames->from = data;
    frames->left = len;
    bool failed = wslay_event_recv(frames->wslay) != 0 && !frames->refused;
    frames->left = 0;
    frames->broken = failed || frames->half_code;
}

bool frames_next(struct frames *frames, struct buf *text, bool *bytes) {
    struct inbound *message = frames->inbox;

    if (message == NULL)
        return false;
    DL_DELETE(frames->inbox, message);
    *text = message->text;
    *bytes = message->bytes;
    free(message);
    return true;
}

bool frames_arriving(const struct frames *frames) {
    return frames->arriving && !frames->refused;
}

/* ------------------------------------------------------------------------ sending */

static void queue(struct frames *frames, uint8_t opcode, const char *text, size_t len) {
    const struct wslay_event_msg message = {opcode, (const uint8_t *)text, len};
    if (!frames_closing(frames))
        (void)wslay_event_queue_msg(frames->wslay, &message);
}

void frames_text(struct frames *frames, const char *text, size_t len) {
    queue(frames, WSLAY_TEXT_FRAME, text, len);
}

void frames_bytes(struct frames *frames, const char *bytes, size_t len) {
    queue(frames, WSLAY_BINARY_FRAME, bytes, len);
}

void frames_ping(struct frames *frames) {
    queue(frames, WSLAY_PING, "", 0);
}

void frames_close(struct frames *frames, unsigned code, const char *reason) {
    if (frames_closing(frames))
        return;
    (void)wslay_event_queue_close(frames->wslay, (uint16_t)code, (const uint8_t *)reason,
                                  strlen(reason));
    frames->closing = true;
}

size_t frames_text_head(unsigned char head[FRAMES_HEAD], size_t len) {
    size_t extended = len < 126 ? 0 : len < 65536 ? 2 : 8;

    head[0] = 0x80 | WSLAY_TEXT_FRAME; /* its last frame, too */
    head[1] = extended == 0 ? (unsigned char)len : extended == 2 ? 126 : 127;
    for (size_t i = 0; i < extended; i++)
        head[2 + i] = (unsigned char)((uint64_t)len >> 8 * (extended - 1 - i));
    return 2 + extended;
}

/* The close frame that wslay does not make: 1002 (RFC 6455 §7.1.7). */
static void put_protocol_error(struct frames *frames, struct buf *out) {
    static const unsigned char protocol_error[] = {0x88, 0x02, 0x03, 0xea};

    if (!frames->told && !frames->closing)
        buf_add(out, protocol_error, sizeof protocol_error);
    frames->told = true;
}

void frames_put(struct frames *frames, struct buf *out) {
    if (frames->broken) {
        put_protocol_error(frames, out);
        return;
    }
    frames->out = out;
    if (wslay_event_want_write(frames->wslay) && wslay_event_send(frames->wslay) != 0)
        frames->broken = true;
    frames->out = NULL;
}

/* ------------------------------------------------------------------------- state */

/* wslay stops reading when it has queued a close frame itself. */
static bool wslay_closes(const struct frames *frames) {
    return !wslay_event_get_read_enabled(frames->wslay);
}

bool frames_closing(const struct frames *frames) {
    return frames->closing || frames->broken || wslay_closes(frames);
}

bool frames_idle(const struct frames *frames) {
    return !frames_closing(frames) && !wslay_event_want_write(frames->wslay);
}

bool frames_failed(const struct frames *frames) {
    return frames->broken ||
           (wslay_closes(frames) && !wslay_event_get_close_received(frames->wslay));
}

bool frames_left(const struct frames *frames) {
    return wslay_event_get_close_received(frames->wslay);
}

bool frames_over(const struct frames *frames) {
    return wslay_event_get_close_sent(frames->wslay) &&
           wslay_event_get_close_received(frames->wslay);
}

struct frames *frames_new(size_t max_message, bool bytes) {
    static const struct wslay_event_callbacks callbacks = {.recv_callback = on_recv,
                                                           .send_callback = on_send,
                                                           .on_frame_recv_start_callback = on_frame,
                                                           .on_frame_recv_chunk_callback = on_chunk,
                                                           .on_msg_recv_callback = on_message};
    struct frames *frames = mem_new(sizeof *frames);

    frames->max_message = max_message;
    frames->bytes = bytes;
    frames->message = buf_make(max_message);
    if (wslay_event_context_server_init(&frames->wslay, &callbacks, frames) != 0)
        abort(); /* out of memory */
    wslay_event_config_set_max_recv_msg_length(frames->wslay, max_message);
    wslay_event_config_set_no_buffering(frames->wslay, 1);
    return frames;
}

void frames_free(struct frames *frames) {
    struct buf text;
    bool bytes;

    while (frames_next(frames, &text, &bytes))
        buf_free(&text);
    wslay_event_context_free(frames->wslay);
    buf_free(&frames->message);
    free(frames);
}

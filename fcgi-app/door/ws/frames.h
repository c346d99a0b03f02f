/*
 * WebSocket framing (RFC 6455 §5), both ways, in memory: bytes that came are taken, and
 * whole messages come out; what is said is framed into a buffer. The one place that
 * knows wslay. No descriptor, no clock.
 */
#ifndef HALLEY_WS_FRAMES_H
#define HALLEY_WS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"

/* Close codes that Halley gives itself (RFC 6455 §7.4.1); the library gives the others. */
enum {
    SOCKET_GOING_AWAY = 1001,
    SOCKET_UNSUPPORTED = 1003,
    SOCKET_POLICY = 1008,
    SOCKET_TOO_BIG = 1009,
    SOCKET_TRY_LATER = 1013 /* IANA's registry */
};

struct frames;

/* A server's side. A message of more than `max_message` bytes is closed with 1009, a binary one
 * with 1003 unless `bytes`. */
struct frames *frames_new(size_t max_message, bool bytes);
void frames_free(struct frames *frames);

/*
 * Takes what came. A mistake is answered with a close frame of its code, and what comes
 * behind it, or behind the other side's close frame, is not looked at.
 */
void frames_take(struct frames *frames, const char *data, size_t len);

/* The next message that is whole; the caller's, to be freed by buf_free(). `bytes`: it is a binary
 * one. False: none is. */
bool frames_next(struct frames *frames, struct buf *message, bool *bytes);

/* Whether a message has begun to arrive and is not whole. */
bool frames_arriving(const struct frames *frames);

/* These are framed by frames_put(); nothing is said behind a close frame. */
void frames_text(struct frames *frames, const char *text, size_t len);
void frames_bytes(struct frames *frames, const char *bytes, size_t len);
void frames_ping(struct frames *frames);
void frames_close(struct frames *frames, unsigned code, const char *reason);

enum { FRAMES_HEAD = 10 };

/*
 * The head of a frame with a whole text of `len` bytes; returns how long it is. Where frames_idle()
 * says that nothing else is to go before it, such a frame may be sent by itself, which saves it its
 * way through the library.
 */
size_t frames_text_head(unsigned char head[FRAMES_HEAD], size_t len);
bool frames_idle(const struct frames *frames);

/* Appends all that is to be sent, answers to pings and mistakes too. */
void frames_put(struct frames *frames, struct buf *out);

/* A close frame was said, or is the answer to a mistake: nothing else will be sent. */
bool frames_closing(const struct frames *frames);

/* The other side broke the rules: nothing more is expected of it. */
bool frames_failed(const struct frames *frames);

/* The other side has said goodbye; the answer is put with the next frames_put(). */
bool frames_left(const struct frames *frames);

/* Both sides have said goodbye, and ours was put. */
bool frames_over(const struct frames *frames);

#endif

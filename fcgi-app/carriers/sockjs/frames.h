/*
 * SockJS 0.3 and 1.x on the wire: frames, how each kind of answer wraps them, and what a client
 * sends. Pure functions.
 */
#ifndef HALLEY_SOCKJS_FRAMES_H
#define HALLEY_SOCKJS_FRAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "fcgi-app/protocols/texts.h"

/* Ways to carry messages to the client. */
enum sockjs_kind {
    SOCKJS_XHR,
    SOCKJS_JSONP,
    SOCKJS_XHR_STREAMING,
    SOCKJS_EVENTSOURCE,
    SOCKJS_HTMLFILE,
    SOCKJS_WEBSOCKET,
    SOCKJS_RAW /* a WebSocket without frames: each message is a text */
};

/* Whether an answer of that kind goes on behind a frame. */
static inline bool sockjs_streams(enum sockjs_kind kind) {
    return kind >= SOCKJS_XHR_STREAMING;
}

/* The Content-Type of an HTTP kind. */
const char *sockjs_type(enum sockjs_kind kind);

/* Appends a text as a JSON string, with all the escapes that clients need. */
void sockjs_put_string(const char *text, size_t len, struct buf *out);

/* Appends the messages a["...","..."]; nothing where there are none. */
void sockjs_put_messages(const struct texts *texts, struct buf *out);

/* Appends the close frame c[code,"reason"]. */
void sockjs_put_close(unsigned code, const char *reason, struct buf *out);

/* Appends what an answer of that kind begins with, in front of its first frame. */
void sockjs_begin(enum sockjs_kind kind, const char *callback, struct buf *out);

/* Appends a frame as an answer of that kind has it; nothing for an empty one. */
void sockjs_wrap(enum sockjs_kind kind, const char *callback, const char *frame, size_t len,
                 struct buf *out);

/* Whether a callback's name goes into a script as it is. */
bool sockjs_callback_valid(const char *name, size_t len);

enum sockjs_input {
    SOCKJS_INPUT_GOOD,
    SOCKJS_INPUT_EMPTY,  /* nothing at all */
    SOCKJS_INPUT_BROKEN, /* no array of strings */
    SOCKJS_INPUT_MANY    /* more than SOCKJS_MESSAGES_MAX */
};

enum { SOCKJS_MESSAGES_MAX = 64 };

/*
 * Takes the messages of what a client sends, an array of strings; with `lone` one string by
 * itself too, as a WebSocket may send it.
 */
enum sockjs_input sockjs_take(const char *text, size_t len, bool lone, struct texts *messages);

#endif

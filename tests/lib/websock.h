#ifndef HALLEY_TESTS_WEBSOCK_H
#define HALLEY_TESTS_WEBSOCK_H

#include "tests/lib/pile.h"

#include <stdbool.h>
#include <stdint.h>

/* RFC 6455 §5.2 */
enum frame_op {
    FRAME_MORE = 0,
    FRAME_TEXT = 1,
    FRAME_BINARY = 2,
    FRAME_CLOSE = 8,
    FRAME_PING = 9,
    FRAME_PONG = 10
};
enum { FRAME_FIN = 0x80, FRAME_MASKED = 0x80 };

/* A WebSocket as a client has it, who may also break the rules. */
struct websock {
    int fd;
    int status; /* of the handshake's answer; 0: not there yet */
    char *head; /* kept */
    struct pile raw;
    bool silent;   /* answers neither pings nor a close frame */
    bool said_bye; /* by websock_bye() */
    bool hung_up;
    int code;          /* of the close frame that came; 0: none, 1005: one without a code */
    const char *words; /* of that frame; kept */
    size_t pings, pongs;
    /* the message that websock_next() gave; valid until it is called again */
    char *text;
    size_t length;
    bool binary; /* it is no text */
};

/* Begins a handshake for `path` on a connected socket (-1: returns NULL); `headers`
 * are further lines, each with its end, or "". */
struct websock *websock_on(int fd, const char *path, const char *headers);

/* A whole handshake's text; kept. */
char *websock_hello(const char *path, const char *headers);

/* The same with bytes that the test made up. */
struct websock *websock_raw(int fd, const void *hello, size_t length);

/* Waits up to `ms` for more, and takes in what has come. */
void websock_turn(struct websock *socket, int ms);

/* The next message that has come, in socket->text; false: none. Answers pings. */
bool websock_next(struct websock *socket);

/* Turns until there is an answer to the handshake. */
int websock_reach_status(struct websock *socket);

/* Turns until there is a message; fails when it is closed instead. */
const char *websock_reach_text(struct websock *socket);

/* Turns until a message has this text in it. */
const char *websock_reach(struct websock *socket, const char *part);

/* Turns until the other side has hung up; returns the code of its close frame. */
int websock_reach_close(struct websock *socket);

bool websock_say(struct websock *socket, const char *text);

/* One frame as RFC 6455 has it or not: the first byte, whether it is masked, the payload. */
bool websock_frame(struct websock *socket, unsigned first, bool masked, const void *payload,
                   size_t length);

/* Sends a close frame with this code. */
bool websock_bye(struct websock *socket, int code);

/* Hangs up and frees it. Safe on NULL. */
void websock_close(struct websock *socket);

#endif

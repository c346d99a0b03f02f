#ifndef HALLEY_TESTS_HELD_H
#define HALLEY_TESTS_HELD_H

#include "tests/lib/lab.h"
#include "tests/lib/pile.h"

enum held_end {
    HELD_OPEN,
    HELD_WHOLE, /* ended as its framing has it: last chunk, last byte, END_REQUEST */
    HELD_CUT    /* the other side hung up in the middle */
};

/* An answer that is read while it is still being written. */
struct held {
    int fd;
    int status; /* 0: its head is not there yet */
    char *head; /* kept */
    struct pile body;
    enum held_end end;
    /* held.c's own */
    struct pile raw, inner;
    enum held_framing { HELD_CHUNKED, HELD_LENGTH, HELD_TO_END, HELD_FASTCGI } framing;
    bool fastcgi;
    size_t left; /* of a body of known length */
    int64_t begun_us;
    int64_t first_byte_us; /* until the first byte of the body; 0: not there yet */
};

/* GET `path` from a web server; `header` is one more line or NULL. NULL: nobody listens. */
struct held *held_web(int port, const char *path, const char *header);

/* The same straight from an application's FastCGI socket; `last_event_id` may be NULL. */
struct held *held_app(const char *socket, const char *path, const char *last_event_id);

/* Waits up to `ms` for more and takes what has come. */
void held_turn(struct held *held, int ms);

/* Takes what has come when somebody else knows that there is something. */
void held_take(struct held *held);

/* Turns until it has a head; fails when patience ends. */
void held_reach_head(struct held *held);

/* Turns until it has ended. */
void held_reach_end(struct held *held);

/* Value of a header, kept; NULL: not there. */
const char *held_header(const struct held *held, const char *name);

/* Hangs up and frees it. Safe on NULL. */
void held_close(struct held *held);

#endif

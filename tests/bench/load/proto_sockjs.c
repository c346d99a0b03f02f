/* SockJS: a session is a name that the client makes up; each POST to it is answered by
 * frames, a line each: "o" opens it, "h" is a sign of life, a["..."] are messages, "c" is
 * the end. By xhr_streaming the answer goes on until it has become large, and the client
 * asks again; it begins with a line of 2048 "h".
 */
#include "tests/bench/load/proto.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { NOBODY, OPEN };

static void ask_for(struct subscriber *subscriber, struct request *request, const char *way) {
    static unsigned sessions;

    if (subscriber->phase == NOBODY)
        snprintf(subscriber->place[0], PLACE, "/000/load%ld-%u", (long)getpid(), sessions++);
    request->method = "POST";
    request_path(request, subscriber->path);
    request_path(request, subscriber->place[0]);
    request_path(request, way);
}

static void ask_xhr(struct subscriber *subscriber, struct request *request) {
    ask_for(subscriber, request, "/xhr");
    subscriber->waiting = subscriber->phase == OPEN;
}

static void ask_streaming(struct subscriber *subscriber, struct request *request) {
    ask_for(subscriber, request, "/xhr_streaming");
    subscriber->phase = OPEN;
}

static enum next answer(struct subscriber *subscriber, const struct answer *answer) {
    if (answer->status != 200 || answer->length == 0 || answer->body[0] == 'c')
        return NEXT_FAIL;
    subscriber->phase = OPEN;
    subscriber_take(subscriber, answer->body, answer->length);
    return NEXT_ASK;
}

static size_t piece(struct subscriber *subscriber, const char *data, size_t length,
                    struct pile *reply) {
    const char *end = memrchr(data, '\n', length);
    size_t lines = end ? (size_t)(end - data) + 1 : 0;

    (void)reply;
    if (lines == 0)
        return 0;
    /* the line of "h" alone opens nothing; a session that goes on says nothing else */
    if (memchr(data, 'o', lines) || memchr(data, 'a', lines))
        subscriber->waiting = true;
    subscriber_take(subscriber, data, lines);
    return lines;
}

const struct proto proto_sockjs_xhr = {
    .name = "sockjs-xhr", .path = "/sockjs", .ask = ask_xhr, .answer = answer};

const struct proto proto_sockjs_streaming = {.name = "sockjs-streaming",
                                             .path = "/sockjs",
                                             .stream = true,
                                             .stream_phase = OPEN,
                                             .ask = ask_streaming,
                                             .piece = piece};

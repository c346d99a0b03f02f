/* WebSockets (RFC 6455): of Halley, where each batch is one unmasked text frame; of Nchan
 * and of servers whose every frame is a message. Pings are answered; the mask of what is
 * sent is zero, which is legal and costs nothing.
 */
#include "tests/bench/load/proto.h"
#include "tests/bench/load/trouble.h"

#include <stdint.h>
#include <string.h>

enum { CONTINUATION = 0, TEXT = 1, CLOSE = 8, PING = 9, PONG = 10, FINAL = 0x80, MASKED = 0x80 };

struct frame {
    int opcode;
    const char *content;
    size_t length;
};

/* Bytes of the whole frame at the front; 0: it is not all there. */
static size_t read_frame(struct frame *frame, const char *data, size_t length) {
    const unsigned char *head = (const unsigned char *)data;
    size_t extended, at;

    if (length < 2)
        return 0;
    frame->opcode = head[0] & 15;
    frame->length = head[1] & 127;
    extended = frame->length == 126 ? 2 : frame->length == 127 ? 8 : 0;
    at = 2 + extended;
    if (length < at)
        return 0;
    if (extended) {
        frame->length = 0;
        for (size_t i = 0; i < extended; i++)
            frame->length = frame->length << 8 | head[2 + i];
    }
    frame->content = data + at;
    return frame->length <= length - at ? at + frame->length : 0;
}

static void put_pong(struct pile *reply, const struct frame *ping) {
    const unsigned char head[6] = {FINAL | PONG, (unsigned char)(MASKED | ping->length)};

    pile_add(reply, head, sizeof head);
    pile_add(reply, ping->content, ping->length);
}

/* A message in several frames is looked at frame by frame: a server that splits one
 * inside its number would be seen to lose it. */
static void take(struct subscriber *subscriber, const struct frame *frame, struct pile *reply) {
    if (frame->opcode == CLOSE && frame->length >= 2)
        trouble("closed with %d",
                (unsigned char)frame->content[0] << 8 | (unsigned char)frame->content[1]);
    if (frame->opcode == PING && frame->length < 126)
        put_pong(reply, frame);
    if (frame->opcode != TEXT && frame->opcode != CONTINUATION)
        return;
    subscriber->waiting = true;
    subscriber_take(subscriber, frame->content, frame->length);
    place_between(subscriber->place[0], frame->content, frame->length, "\"cursor\":\"", "\"");
}

static size_t piece(struct subscriber *subscriber, const char *data, size_t length,
                    struct pile *reply) {
    struct frame frame;
    size_t at = 0, whole;

    while ((whole = read_frame(&frame, data + at, length - at)) > 0) {
        take(subscriber, &frame, reply);
        at += whole;
    }
    return at;
}

static void upgrade(struct request *request) {
    request_header(request, "Connection", "Upgrade");
    request_header(request, "Upgrade", "websocket");
    request_header(request, "Sec-WebSocket-Version", "13");
    request_header(request, "Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
}

static void ask_halley(struct subscriber *subscriber, struct request *request) {
    request_path(request, subscriber->path);
    request_path(request, "/ws?channel=");
    request_path(request, subscriber->channel);
    request_path(request, "&since=");
    request_path(request, subscriber->place[0][0] ? subscriber->place[0] : "now");
    upgrade(request);
}

static void ask_plain(struct subscriber *subscriber, struct request *request) {
    request_path(request, subscriber->path);
    upgrade(request);
}

/* It says nothing before its first message: who has been answered waits, and the messages of
 * the warm-up, which are not measured, show whether it did. */
static size_t piece_plain(struct subscriber *subscriber, const char *data, size_t length,
                          struct pile *reply) {
    subscriber->waiting = true;
    return piece(subscriber, data, length, reply);
}

const struct proto proto_halley_ws = {
    .name = "halley-ws", .path = "/comet", .stream = true, .ask = ask_halley, .piece = piece};

const struct proto proto_nchan_ws = {
    .name = "nchan-ws", .path = "/sub", .stream = true, .ask = ask_plain, .piece = piece_plain};

const struct proto proto_plain_ws = {
    .name = "plain-ws", .path = "/", .stream = true, .ask = ask_plain, .piece = piece_plain};

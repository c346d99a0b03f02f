/* A WebSocket client (RFC 6455) on bare sockets, for the tests only: a library
 * would refuse to send what a wicked client sends.
 *
 * What comes from the server is judged strictly: no mask, no reserved bits, whole
 * frames, nothing behind a close frame. Masks are all of one value, which is legal
 * and makes failures readable.
 */
#include "tests/lib/websock.h"

#include "tests/lib/http.h"
#include "tests/lib/keep.h"
#include "tests/lib/wire.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* RFC 6455 §1.3 */
#define KEY    "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

char *websock_hello(const char *path, const char *headers) {
    return keepf("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n"
                 "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: " KEY "\r\n%s\r\n",
                 path, headers);
}

struct websock *websock_raw(int fd, const void *hello, size_t length) {
    struct websock *socket;

    if (fd < 0)
        return NULL;
    socket = calloc(1, sizeof *socket);
    must(socket, "out of memory");
    socket->fd = fd;
    if (!wire_send(fd, hello, length))
        socket->hung_up = true;
    return socket;
}

struct websock *websock_on(int fd, const char *path, const char *headers) {
    const char *hello = websock_hello(path, headers);

    return websock_raw(fd, hello, strlen(hello));
}

static void read_head(struct websock *socket) {
    long end = pile_find(&socket->raw, "\r\n\r\n");
    struct answer answer = {0};
    const char *accept;

    if (end < 0)
        return;
    socket->head = keepf("%.*s\r\n", (int)end, socket->raw.data);
    pile_drop(&socket->raw, (size_t)end + 4);
    must(strncmp(socket->head, "HTTP/1.1 ", 9) == 0, "no HTTP: %s", socket->head);
    socket->status = atoi(socket->head + 9);
    answer.head = socket->head;
    accept = answer_header(&answer, "Sec-WebSocket-Accept");
    must(socket->status != 101 || (accept && strcmp(accept, ACCEPT) == 0), "not our key: %s",
         socket->head);
}

void websock_turn(struct websock *socket, int ms) {
    if (socket->hung_up || !wire_stirs(socket->fd, ms))
        return;
    if (!pile_read(&socket->raw, socket->fd))
        socket->hung_up = true;
    if (!socket->status && socket->raw.length)
        read_head(socket);
}

struct frame {
    unsigned first;
    size_t head, length;
};

/* False: it is not all there. */
static bool look(const struct pile *raw, struct frame *frame) {
    const unsigned char *at = (const unsigned char *)raw->data;
    size_t wide;

    if (raw->length < 2)
        return false;
    frame->first = at[0];
    frame->length = at[1] & 0x7f;
    wide = frame->length == 127 ? 8 : frame->length == 126 ? 2 : 0;
    must(!(at[1] & FRAME_MASKED) && !(at[0] & 0x70), "a frame that begins with %02x %02x", at[0],
         at[1]);
    if (raw->length < 2 + wide)
        return false;
    for (size_t i = 0; i < wide; i++)
        frame->length = (i ? frame->length << 8 : 0) | at[2 + i];
    frame->head = 2 + wide;
    return raw->length - frame->head >= frame->length;
}

static void take_close(struct websock *socket, const char *payload, size_t length) {
    must(length != 1, "a close frame of one byte");
    socket->code =
        length ? (int)((unsigned char)payload[0] << 8 | (unsigned char)payload[1]) : 1005;
    socket->words = length ? keepf("%.*s", (int)length - 2, payload + 2) : "";
    if (!socket->silent && !socket->said_bye)
        websock_frame(socket, FRAME_FIN | FRAME_CLOSE, true, payload, length);
}

static void take_message(struct websock *socket, const char *payload, const struct frame *frame) {
    socket->text = calloc(1, frame->length + 1);
    memcpy(socket->text, payload, frame->length);
    socket->length = frame->length;
    socket->binary = (frame->first & 15) == FRAME_BINARY;
}

bool websock_next(struct websock *socket) {
    struct frame frame = {0};

    free(socket->text);
    socket->text = NULL;
    while (socket->status == 101 && !socket->text && look(&socket->raw, &frame)) {
        const char *payload = socket->raw.data + frame.head;

        must(!socket->code, "a frame (%02x) behind the close frame", frame.first);
        must(frame.first & FRAME_FIN, "a fragment (%02x)", frame.first);
        switch (frame.first & 15) {
        case FRAME_TEXT:
        case FRAME_BINARY:
            take_message(socket, payload, &frame);
            break;
        case FRAME_PING:
            socket->pings++;
            if (!socket->silent)
                websock_frame(socket, FRAME_FIN | FRAME_PONG, true, payload, frame.length);
            break;
        case FRAME_PONG:
            socket->pongs++;
            break;
        case FRAME_CLOSE:
            take_close(socket, payload, frame.length);
            break;
        default:
            must(false, "a frame of kind %02x", frame.first);
        }
        pile_drop(&socket->raw, frame.head + frame.length);
    }
    return socket->text != NULL;
}

int websock_reach_status(struct websock *socket) {
    int64_t end = now_ms() + PATIENCE_MS;

    must(socket, "nobody listens");
    while (!socket->status && !socket->hung_up) {
        must(now_ms() < end, "no answer to a handshake");
        websock_turn(socket, 100);
    }
    return socket->status;
}

const char *websock_reach_text(struct websock *socket) {
    int64_t end = now_ms() + PATIENCE_MS;

    must(websock_reach_status(socket) == 101, "no handshake: %s",
         socket->head ? socket->head : "hung up");
    while (!websock_next(socket)) {
        must(!socket->code && !socket->hung_up, "closed with %d (%s) instead of a message",
             socket->code, socket->words ? socket->words : "");
        must(now_ms() < end, "no message within %d ms", PATIENCE_MS);
        websock_turn(socket, 100);
    }
    return socket->text;
}

const char *websock_reach(struct websock *socket, const char *part) {
    do
        websock_reach_text(socket);
    while (!strstr(socket->text, part));
    return socket->text;
}

int websock_reach_close(struct websock *socket) {
    int64_t end = now_ms() + PATIENCE_MS;

    websock_reach_status(socket);
    while (!socket->hung_up || socket->raw.length) {
        size_t before = socket->raw.length;
        bool over = socket->hung_up;

        must(now_ms() < end, "it does not hang up (close frame: %d)", socket->code);
        websock_turn(socket, 100);
        while (websock_next(socket)) {
        }
        if (over && before == socket->raw.length)
            break; /* half a frame, or no WebSocket at all */
    }
    return socket->code;
}

bool websock_frame(struct websock *socket, unsigned first, bool masked, const void *payload,
                   size_t length) {
    unsigned char head[14] = {(unsigned char)first};
    size_t used = 2, wide = length > 65535 ? 8 : length > 125 ? 2 : 0;
    char *body = malloc(length + 1);
    bool sent;

    must(body, "out of memory");
    head[1] = (unsigned char)(wide == 8 ? 127 : wide == 2 ? 126 : length);
    for (size_t i = 0; i < wide; i++)
        head[used++] = (unsigned char)(length >> 8 * (wide - 1 - i));
    if (masked) {
        head[1] |= FRAME_MASKED;
        memset(head + used, 0x55, 4);
        used += 4;
    }
    for (size_t i = 0; i < length; i++)
        body[i] = (char)(((const char *)payload)[i] ^ (masked ? 0x55 : 0));
    sent = wire_send(socket->fd, head, used) && wire_send(socket->fd, body, length);
    free(body);
    return sent;
}

bool websock_say(struct websock *socket, const char *text) {
    return websock_frame(socket, FRAME_FIN | FRAME_TEXT, true, text, strlen(text));
}

bool websock_bye(struct websock *socket, int code) {
    const char payload[2] = {(char)(code >> 8), (char)code};

    socket->said_bye = true;
    return websock_frame(socket, FRAME_FIN | FRAME_CLOSE, true, payload, sizeof payload);
}

void websock_close(struct websock *socket) {
    if (!socket)
        return;
    close(socket->fd);
    free(socket->text);
    pile_free(&socket->raw);
    free(socket);
}

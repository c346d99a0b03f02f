/* Engine.IO 4 by long polling, as socket.io's own client begins: a session, the packet
 * "40" that joins the main namespace, then one GET after the other. An answer is packets
 * with a record separator between them; a ping is answered before the next GET.
 */
#include "tests/bench/load/proto.h"

#include <string.h>

enum { NOBODY, JOINING, WAITING, PINGED };
enum { SEPARATOR = 0x1e };

static void ask(struct subscriber *subscriber, struct request *request) {
    if (subscriber->phase == JOINING || subscriber->phase == PINGED) {
        request->method = "POST";
        request_header(request, "Content-Type", "text/plain;charset=UTF-8");
        request_body(request, subscriber->phase == JOINING ? "40" : "3");
    }
    request_path(request, subscriber->path);
    request_path(request, "?EIO=4&transport=polling");
    if (subscriber->phase == NOBODY)
        return;
    request_path(request, "&sid=");
    request_path(request, subscriber->place[0]);
    subscriber->waiting = subscriber->phase == WAITING;
}

static bool has_ping(const char *body, size_t length) {
    const char *end = body + length, *stop;

    for (; body < end; body = stop + 1) {
        stop = memchr(body, SEPARATOR, (size_t)(end - body));
        stop = stop ? stop : end;
        if (stop - body == 1 && *body == '2')
            return true;
    }
    return false;
}

static enum next answer(struct subscriber *subscriber, const struct answer *answer) {
    if (answer->status != 200)
        return NEXT_FAIL;
    switch (subscriber->phase) {
    case NOBODY:
        subscriber->phase = JOINING;
        return place_between(subscriber->place[0], answer->body, answer->length, "\"sid\":\"", "\"")
                   ? NEXT_ASK
                   : NEXT_FAIL;
    case WAITING:
        subscriber_take(subscriber, answer->body, answer->length);
        if (has_ping(answer->body, answer->length))
            subscriber->phase = PINGED;
        return NEXT_ASK;
    default:
        subscriber->phase = WAITING;
        return NEXT_ASK;
    }
}

const struct proto proto_engineio = {
    .name = "engineio", .path = "/socket.io/", .ask = ask, .answer = answer};

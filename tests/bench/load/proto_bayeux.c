/* Bayeux (faye) by long polling: a handshake, a subscription, then "connect" again and
 * again, each answered by the messages that there are, or nothing after a while.
 */
#include "tests/bench/load/proto.h"

#include <string.h>

enum { NOBODY, KNOWN, SUBSCRIBED };

static void put_client(const struct subscriber *subscriber, struct request *request,
                       const char *channel) {
    request_body(request, "[{\"channel\":\"");
    request_body(request, channel);
    request_body(request, "\",\"clientId\":\"");
    request_body(request, subscriber->place[0]);
}

static void ask(struct subscriber *subscriber, struct request *request) {
    request->method = "POST";
    request_path(request, subscriber->path);
    request_header(request, "Content-Type", "application/json");
    switch (subscriber->phase) {
    case NOBODY:
        request_body(request, "[{\"channel\":\"/meta/handshake\",\"version\":\"1.0\","
                              "\"supportedConnectionTypes\":[\"long-polling\"]}]");
        break;
    case KNOWN:
        put_client(subscriber, request, "/meta/subscribe");
        request_body(request, "\",\"subscription\":\"/");
        request_body(request, subscriber->channel);
        request_body(request, "\"}]");
        break;
    default:
        put_client(subscriber, request, "/meta/connect");
        request_body(request, "\",\"connectionType\":\"long-polling\"}]");
        subscriber->waiting = true;
    }
}

static enum next answer(struct subscriber *subscriber, const struct answer *answer) {
    const char *no = "\"successful\":false";

    if (answer->status != 200 || answer->length == 0 ||
        memmem(answer->body, answer->length, no, strlen(no)))
        return NEXT_FAIL;
    if (subscriber->phase == NOBODY &&
        !place_between(subscriber->place[0], answer->body, answer->length, "\"clientId\":\"", "\""))
        return NEXT_FAIL;
    if (subscriber->phase < SUBSCRIBED)
        subscriber->phase++;
    subscriber_take(subscriber, answer->body, answer->length);
    return NEXT_ASK;
}

const struct proto proto_bayeux = {
    .name = "bayeux", .path = "/bayeux", .ask = ask, .answer = answer};

/* Halley's long and plain polling (fcgi-app/PROTOCOL.md): the first answer to "now" is a
 * cursor, with which everything after it is asked for. The floors speak it too.
 */
#include "tests/bench/load/proto.h"

#include <string.h>

enum { NOWHERE, PLACED };

static void ask_for(const struct subscriber *subscriber, struct request *request,
                    const char *endpoint) {
    request_path(request, subscriber->path);
    request_path(request, endpoint);
    request_path(request, "?channel=");
    request_path(request, subscriber->channel);
    request_path(request, "&since=");
    request_path(request, subscriber->phase == NOWHERE ? "now" : subscriber->place[0]);
}

static void ask_wait(struct subscriber *subscriber, struct request *request) {
    ask_for(subscriber, request, subscriber->phase == NOWHERE ? "/poll" : "/wait");
    subscriber->waiting = subscriber->phase == PLACED;
    if (subscriber->waiting)
        request_path(request, "&timeout=55");
}

static void ask_poll(struct subscriber *subscriber, struct request *request) {
    ask_for(subscriber, request, "/poll");
    subscriber->waiting = subscriber->phase == PLACED;
}

/* "Close to capacity: come back by polling" is no measurement. */
static bool is_turned_away(const struct answer *answer) {
    return memmem(answer->body, answer->length, "\"retry\":", 8) != NULL;
}

static enum next answer(struct subscriber *subscriber, const struct answer *answer) {
    if (answer->status != 200 ||
        !place_between(subscriber->place[0], answer->body, answer->length, "\"cursor\":\"", "\""))
        return NEXT_FAIL;
    subscriber->phase = PLACED;
    if (subscriber_take(subscriber, answer->body, answer->length) == 0 && is_turned_away(answer))
        return NEXT_FAIL;
    return NEXT_ASK;
}

const struct proto proto_halley_wait = {
    .name = "halley-wait", .path = "/comet", .ask = ask_wait, .answer = answer};

const struct proto proto_halley_poll = {
    .name = "halley-poll", .path = "/comet", .polls = true, .ask = ask_poll, .answer = answer};

/* The waiting PHP script that Halley is compared with: the first line of an answer is
 * the next cursor, each other line a message. Without a cursor it begins now.
 */
#include "tests/bench/load/proto.h"

#include <string.h>

static void ask(struct subscriber *subscriber, struct request *request) {
    request_path(request, subscriber->path);
    if (subscriber->place[0][0]) {
        request_path(request, "?since=");
        request_path(request, subscriber->place[0]);
    }
    subscriber->waiting = true;
}

static enum next answer(struct subscriber *subscriber, const struct answer *answer) {
    const char *end = answer->length ? memchr(answer->body, '\n', answer->length) : NULL;

    if (answer->status != 200 || !end ||
        !place_copy(subscriber->place[0], answer->body, (size_t)(end - answer->body)))
        return NEXT_FAIL;
    subscriber_take(subscriber, answer->body, answer->length);
    return NEXT_ASK;
}

const struct proto proto_php = {.name = "php", .path = "/wait", .ask = ask, .answer = answer};

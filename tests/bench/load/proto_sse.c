/* Server-Sent Events (WHATWG HTML §9.2), of Halley and of Nchan: blocks that end with an
 * empty line, of which the last "id:" is where the subscriber is.
 */
#include "tests/bench/load/proto.h"

#include <string.h>

static void keep_id(struct subscriber *subscriber, const char *block, size_t length) {
    if (length > 4 && memcmp(block, "id: ", 4) == 0)
        place_between(subscriber->place[0], block, length, "id: ", "\n");
    else
        place_between(subscriber->place[0], block, length, "\nid: ", "\n");
}

static size_t piece(struct subscriber *subscriber, const char *data, size_t length,
                    struct pile *reply) {
    const char *end = data + length, *last = data, *at = data, *next;

    (void)reply;
    while ((next = memmem(at, (size_t)(end - at), "\n\n", 2))) {
        last = at;
        at = next + 2;
    }
    if (at == data)
        return 0;
    subscriber->waiting = true;
    keep_id(subscriber, last, (size_t)(at - last));
    subscriber_take(subscriber, data, (size_t)(at - data));
    return (size_t)(at - data);
}

static void ask_halley(struct subscriber *subscriber, struct request *request) {
    request_path(request, subscriber->path);
    request_path(request, "/events?channel=");
    request_path(request, subscriber->channel);
    request_path(request, "&since=");
    request_path(request, subscriber->place[0][0] ? subscriber->place[0] : "now");
}

static void ask_nchan(struct subscriber *subscriber, struct request *request) {
    request_path(request, subscriber->path);
    request_header(request, "Accept", "text/event-stream");
    if (subscriber->place[0][0])
        request_header(request, "Last-Event-ID", subscriber->place[0]);
}

const struct proto proto_halley_sse = {
    .name = "halley-sse", .path = "/comet", .stream = true, .ask = ask_halley, .piece = piece};

const struct proto proto_nchan_sse = {
    .name = "nchan-sse", .path = "/sub", .stream = true, .ask = ask_nchan, .piece = piece};

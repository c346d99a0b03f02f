/* One fixed URL, again and again: what --path without --proto asks for in mode poll. */
#include "tests/bench/load/proto.h"

static void ask(struct subscriber *subscriber, struct request *request) {
    request_path(request, subscriber->path);
    subscriber->waiting = true;
}

static enum next answer(struct subscriber *subscriber, const struct answer *answer) {
    (void)subscriber;
    return answer->status == 200 ? NEXT_ASK : NEXT_FAIL;
}

const struct proto proto_url = {
    .name = "url", .path = "/", .polls = true, .ask = ask, .answer = answer};

/* Nchan's long polling: an answer is one message; its Last-Modified and Etag, sent back,
 * ask for the next. The first request begins where the server's configuration says
 * (nchan_subscriber_first_message), from now on if that is "newest".
 */
#include "tests/bench/load/proto.h"

static void ask(struct subscriber *subscriber, struct request *request) {
    request_path(request, subscriber->path);
    if (subscriber->place[0][0])
        request_header(request, "If-Modified-Since", subscriber->place[0]);
    if (subscriber->place[1][0])
        request_header(request, "If-None-Match", subscriber->place[1]);
    subscriber->waiting = true;
}

static void keep(char place[PLACE], const struct answer *answer, const char *name) {
    size_t length;
    const char *value = answer_header(answer, name, &length);

    if (value)
        place_copy(place, value, length);
}

static enum next answer(struct subscriber *subscriber, const struct answer *answer) {
    if (answer->status == 304 || answer->status == 408)
        return NEXT_ASK; /* its time was over */
    if (answer->status != 200)
        return NEXT_FAIL;
    keep(subscriber->place[0], answer, "Last-Modified");
    keep(subscriber->place[1], answer, "Etag");
    subscriber_take(subscriber, answer->body, answer->length);
    return NEXT_ASK;
}

const struct proto proto_nchan_poll = {
    .name = "nchan-poll", .path = "/sub", .ask = ask, .answer = answer};

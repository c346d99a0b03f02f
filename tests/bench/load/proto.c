/* The protocols that there are, and what several of them need. */
#include "tests/bench/load/proto.h"

#include "tests/bench/load/http.h"

#include <string.h>

extern const struct proto proto_url, proto_halley_wait, proto_halley_poll, proto_halley_sse,
    proto_halley_ws, proto_nchan_poll, proto_nchan_sse, proto_nchan_ws, proto_plain_ws,
    proto_engineio, proto_sockjs_xhr, proto_sockjs_streaming, proto_bayeux, proto_php;

static const struct proto *const protos[] = {
    &proto_url,        &proto_halley_wait, &proto_halley_poll,      &proto_halley_sse,
    &proto_halley_ws,  &proto_nchan_poll,  &proto_nchan_sse,        &proto_engineio,
    &proto_sockjs_xhr, &proto_bayeux,      &proto_sockjs_streaming, &proto_php,
    &proto_nchan_ws,   &proto_plain_ws};

const struct proto *proto_find(const char *name) {
    for (size_t i = 0; i < sizeof protos / sizeof protos[0]; i++) {
        if (strcmp(protos[i]->name, name) == 0)
            return protos[i];
    }
    return NULL;
}

size_t subscriber_take(struct subscriber *subscriber, const char *text, size_t length) {
    return track_scan(&subscriber->track, subscriber->tally, text, length);
}

const char *answer_header(const struct answer *answer, const char *name, size_t *length) {
    return http_header(answer->head, answer->head_length, name, length);
}

bool place_copy(char place[PLACE], const char *text, size_t length) {
    if (length >= PLACE)
        return false;
    memcpy(place, text, length);
    place[length] = '\0';
    return true;
}

bool place_between(char place[PLACE], const char *text, size_t length, const char *before,
                   const char *until) {
    const char *from = length > 0 ? memmem(text, length, before, strlen(before)) : NULL, *to;

    if (!from)
        return false;
    from += strlen(before);
    to = memmem(from, length - (size_t)(from - text), until, strlen(until));
    return to && place_copy(place, from, (size_t)(to - from));
}

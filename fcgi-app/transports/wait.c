/*
 * Long polling and interval polling: one batch as JSON, and the answer is over.
 * `wait` holds the request until there is something to deliver; `poll` is a wait
 * of no time at all.
 */
#include "fcgi-app/transports/transport.h"
#include "fcgi-app/transports/transports.h"

const struct transport transport_wait = {
    .name = "wait", .content_type = "application/json", .waits = true};

const struct transport transport_poll = {.name = "poll", .content_type = "application/json"};

/*
 * The list of transports, the one that clients should prefer first. A new one is
 * a line here and a file beside this one.
 */
#include "fcgi-app/transports/transport.h"

#include <string.h>

#include "fcgi-app/transports/bayeux.h"
#include "fcgi-app/transports/engineio.h"
#include "fcgi-app/transports/sockjs.h"
#include "fcgi-app/transports/transports.h"

static const struct transport *const transports[] = {
    &transport_ws,     &transport_events,        &transport_stream,        &transport_multipart,
    &transport_iframe, &transport_wait,          &transport_jsonp,         &transport_poll,
    &transport_sockjs, &transport_sockjs_poll,   &transport_engineio,      &transport_engineio_poll,
    &transport_bayeux, &transport_bayeux_stream, &transport_bayeux_socket, &transport_line};

enum { COUNT = sizeof transports / sizeof transports[0] };

const struct transport *transport_at(size_t index) {
    return index < COUNT ? transports[index] : NULL;
}

size_t transport_index(const struct transport *transport) {
    size_t index = 0;
    while (index < COUNT && transports[index] != transport)
        index++;
    return index;
}

const struct transport *transport_find(const char *name) {
    for (size_t i = 0; i < COUNT; i++) {
        if (transports[i]->name[0] == name[0] && !transports[i]->carried &&
            strcmp(transports[i]->name, name) == 0)
            return transports[i];
    }
    return NULL;
}

/*
 * Socket.IO v5, but for what an application of it does: namespaces, packets, acknowledgements,
 * binary, and going on where a connection broke. What events of clients mean is said by an
 * application; Halley's own is in socketio.c, and the tests have another one.
 */
#ifndef HALLEY_SOCKETIO_H
#define HALLEY_SOCKETIO_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/scan.h"
#include "fcgi-app/protocols/protocol.h"
#include "fcgi-app/protocols/socketio_state.h"

/* An event that has come whole. All of it is borrowed for the call. */
struct socketio_call {
    const struct speech *speech;
    struct socketio_space *space;
    struct scan_value ref;           /* the namespace and the number, as they stand in the packet */
    bool asks;                       /* for an acknowledgement */
    struct scan_value name;          /* the event's, a JSON string or number */
    struct scan_value data;          /* the list of the name and all arguments */
    const struct texts *attachments; /* of it; NULL: it is not binary */
};

struct socketio_application {
    /* A namespace is connected; what is said goes behind the answer. NULL: nothing is to be done.
     */
    void (*connected)(const struct speech *speech, struct socketio_space *space,
                      struct scan_value auth, struct step *step);
    void (*event)(const struct socketio_call *call, struct step *step);
};

/* Subscribes, unsubscribes and publishes. */
extern const struct socketio_application socketio_halley;

/* --- what a protocol is made of, for the application that it is given --- */

void socketio_open(const struct speech *speech, struct step *step);
void socketio_take(const struct speech *speech, const struct socketio_application *application,
                   const char *text, size_t len, struct step *step);
void socketio_take_bytes(const struct speech *speech,
                         const struct socketio_application *application, const char *bytes,
                         size_t len, struct step *step);
void socketio_joined(const struct speech *speech, const struct socketio_application *application,
                     const struct hub_places *begin, struct step *step);
void socketio_tell(const struct speech *speech, const struct outcome *outcome, struct step *step);
uint64_t socketio_deadline(const struct speech *speech);

/* socketio_render.c */
void socketio_render(const struct speech *speech, struct batch *batch, struct texts *texts);
unsigned socketio_shape(const struct speech *speech, struct batch *batch);

/* --- for applications --- */

/* Says an event in a namespace, as it stands: `data` is the list of its name and arguments. */
void socketio_emit(struct step *step, const struct socketio_space *space, struct scan_value data,
                   const struct texts *attachments);

/* Acknowledges an event that asks for it with a list. */
void socketio_acknowledge(struct step *step, const struct socketio_call *call,
                          struct scan_value list, const struct texts *attachments);

/* Whether a channel may be joined by event; if not, why. */
bool socketio_may_join(const struct speech *speech, const struct socketio_space *space,
                       const char *name, size_t len, struct problem *problem);

/* The step leaves a channel, unless another namespace of the session is about it. */
void socketio_leave(const struct socketio_state *state, const struct socketio_space *space,
                    const char *name, size_t len, struct step *step);

#endif

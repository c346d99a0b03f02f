/*
 * Binary in events: Socket.IO sends it apart, with a placeholder where it belongs; in a message of
 * Halley's it is base64, and the member `binary` says where, as JSON Pointers (RFC 6901) into the
 * data. Pure functions.
 */
#ifndef HALLEY_SOCKETIO_BINARY_H
#define HALLEY_SOCKETIO_BINARY_H

#include "core/base/buf.h"
#include "core/base/scan.h"
#include "fcgi-app/protocols/texts.h"

/* Appends, with commas between, the pointer of each placeholder of `count` attachments in `data`,
 * down to SOCKETIO_DEEPEST values inside of one another; what is deeper stays base64. */
enum { SOCKETIO_DEEPEST = 64 };
void socketio_point(struct buf *out, struct scan_value data, size_t count);

/*
 * Appends `data` with a placeholder in place of each base64 text that a pointer of the list names;
 * the bytes are added to `attachments`, whose first placeholder has number 0. A pointer that names
 * none, and what there are more than SOCKETIO_ATTACHMENTS of, leaves its text as it is.
 */
void socketio_lift(struct buf *out, struct scan_value data, struct scan_value pointers,
                   struct texts *attachments);

#endif

/*
 * Packets of Socket.IO v5, as they stand in messages of Engine.IO
 * (https://github.com/socketio/socket.io-protocol, revision 5):
 *
 *     <type>[<n>-][/namespace,][id][json]
 *
 * with n binary messages behind one of the two binary types, which the JSON names where they belong
 * as {"_placeholder":true,"num":k}. Pure functions.
 */
#ifndef HALLEY_SOCKETIO_PACKET_H
#define HALLEY_SOCKETIO_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/scan.h"

enum socketio_type {
    SOCKETIO_CONNECT,
    SOCKETIO_DISCONNECT,
    SOCKETIO_EVENT,
    SOCKETIO_ACK,
    SOCKETIO_CONNECT_ERROR,
    SOCKETIO_BINARY_EVENT,
    SOCKETIO_BINARY_ACK
};

enum {
    SOCKETIO_ATTACHMENTS = 64,   /* of one packet */
    SOCKETIO_NAMESPACE_MAX = 200 /* bytes of a namespace's name */
};

struct socketio_packet {
    enum socketio_type type;
    const char *space; /* the namespace, "/" where none is named; borrowed */
    size_t space_len;
    bool has_id;            /* an acknowledgement is asked for, or given */
    uint64_t id;            /* below 2^53 */
    struct scan_value data; /* JSON; none: `at` is NULL */
    unsigned attachments;   /* binary messages that belong to it */
};

/*
 * Takes the text of a message apart; the packet points into it. ERR_SYNTAX: it is none, or its data
 * is not what its type carries: nothing or an object to connect, nothing to disconnect, an array
 * that begins with a name of the application's own to an event, an array to an acknowledgement; or
 * its placeholders name an attachment that does not come. ERR_RANGE: too many attachments, or too
 * long a namespace.
 */
enum err socketio_parse(struct socketio_packet *packet, const char *text, size_t len) MUST_CHECK;

/* Appends the packet as text. */
void socketio_write(struct buf *out, const struct socketio_packet *packet);

/* Whether a JSON string can be an event's name: clients and servers keep some for themselves. */
bool socketio_event_name(struct scan_value name);

/* Whether an object stands for one of `count` attachments, and for which. */
bool socketio_placeholder(struct scan_value object, size_t count, size_t *number);

/*
 * Appends `data`, with each placeholder replaced by base64 of the attachment that it names, as a
 * string: what can stand in a message of Halley's.
 */
struct socketio_attachment {
    const char *at;
    size_t len;
};
void socketio_fill(struct buf *out, struct scan_value data,
                   const struct socketio_attachment *attachments, size_t count);

#endif

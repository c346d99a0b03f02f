/*
 * Engine.IO v4 on the wire: packets, payloads of several packets, and what a request is refused
 * with (https://github.com/socketio/engine.io-protocol, revision 4). Pure functions.
 */
#ifndef HALLEY_ENGINEIO_PAYLOAD_H
#define HALLEY_ENGINEIO_PAYLOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/base/err.h"

enum engineio_type {
    ENGINEIO_OPEN,
    ENGINEIO_CLOSE,
    ENGINEIO_PING,
    ENGINEIO_PONG,
    ENGINEIO_MESSAGE,
    ENGINEIO_UPGRADE,
    ENGINEIO_NOOP
};

/* Of one payload that a client sends: it gathers what its page says at once. */
enum { ENGINEIO_PACKETS = 1024 };

struct engineio_packet {
    enum engineio_type type;
    bool binary; /* a message of bytes */
    const char *data;
    size_t len;
};

/* The packets of a payload; they point into it, and into `bytes`. */
struct engineio_payload {
    struct engineio_packet packets[ENGINEIO_PACKETS];
    size_t count;
    struct buf bytes; /* what binary messages say */
};

/*
 * Takes the body of a POST apart. ERR_SYNTAX: it is none, or one of its packets is none: an empty
 * one, another type, text that is no UTF-8, base64 that no encoder writes. ERR_RANGE: there are too
 * many packets. Free with engineio_payload_free(), also then.
 */
enum err engineio_payload_parse(struct engineio_payload *payload, const char *text,
                                size_t len) MUST_CHECK;
void engineio_payload_free(struct engineio_payload *payload);

/* One packet as it stands on a WebSocket, in a text message. It points into it. ERR_SYNTAX. */
enum err engineio_packet_parse(struct engineio_packet *packet, const char *text,
                               size_t len) MUST_CHECK;

/* Appends a packet to a payload, behind a separator where it is not the first. */
void engineio_payload_add(struct buf *out, const struct engineio_packet *packet);

/* What a session begins with: the packet `open`. */
struct engineio_opening {
    const char *id;                       /* that needs no escapes */
    bool websocket;                       /* it can be upgraded to */
    unsigned ping_interval, ping_timeout; /* milliseconds */
    size_t max_payload;                   /* bytes */
};
void engineio_open(struct buf *out, const struct engineio_opening *opening);

/* Why a request is refused, with 400 where nothing else is said. */
enum engineio_refusal {
    ENGINEIO_FINE = -1, /* it is not */
    ENGINEIO_TRANSPORT = 0,
    ENGINEIO_SESSION = 1,
    ENGINEIO_METHOD = 2,
    ENGINEIO_REQUEST = 3,
    ENGINEIO_FORBIDDEN = 4, /* with 403 */
    ENGINEIO_VERSION = 5
};

/* Appends the JSON body of a refusal, which must be one. */
void engineio_refuse(struct buf *out, enum engineio_refusal refusal);

/* A request, as far as it can be judged before its session is looked for. */
struct engineio_request {
    const char *method;
    const char *version;   /* the parameter EIO; NULL: there is none */
    const char *transport; /* the parameter; NULL: there is none */
    bool session;          /* there is a `sid` */
    bool upgrades;         /* it asks for a WebSocket */
};

/* What it is refused with, in the order in which the reference server looks. */
enum engineio_refusal engineio_judge(const struct engineio_request *request);

#endif

/*
 * The seam between the hub and the ways in which a browser is sent its batches.
 * A transport only turns batches into bytes: it knows neither Redis nor the
 * waiters nor descriptors. To add one, write one file in transports/ that fills
 * this struct, and name it in transports/registry.c.
 */
#ifndef HALLEY_TRANSPORT_H
#define HALLEY_TRANSPORT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/base/buf.h"
#include "core/config/config.h"
#include "core/data/batch.h"
#include "fcgi-app/door/params.h"
#include "fcgi-app/door/problem.h"

struct speech;

/* A rendering that is nobody else's. */
#define TRANSPORT_OWN UINT_MAX

/* What a request asked of its transport. */
struct transport_options {
    const struct config *config;
    unsigned variant; /* the transport's own; renderings are shared by transport and variant */
    char *callback;   /* a checked JavaScript name, or NULL; owned by the waiter */
    const struct speech *speech; /* what is said on a session (protocols/protocol.h), or NULL */
};

struct transport {
    const char *name;         /* of its endpoint */
    const char *content_type; /* NULL: an answer that has no header */
    bool waits;               /* holds a request that has nothing to deliver yet */
    bool stream;              /* goes on after a batch */
    bool cursors;             /* tells the cursor behind every message, not once a batch */
    bool socket;              /* needs a WebSocket, so it is no endpoint of FastCGI */
    bool own_door;            /* has a door of its own, so it is no endpoint at all */
    bool carried;             /* a service's (carriers/), so it is no endpoint at all */
    bool slows;               /* its client can be told to come back later, carried or not */

    /* Whether the configuration turns it on; NULL: always. */
    bool (*enabled)(const struct config *config);

    /*
     * Reads its own parameters; fills `problem` and returns false if one is
     * wrong. NULL: it has none.
     */
    bool (*options)(const struct params *params, size_t channel_count,
                    struct transport_options *options, struct problem *problem);

    /* Appends the first bytes of a stream, which starts where `start` stands. NULL: none. */
    void (*begin)(const struct transport_options *options, struct batch *start, struct buf *out);

    /* Appends a batch. NULL: its JSON as it is. */
    void (*render)(const struct transport_options *options, struct batch *batch, struct buf *out);

    /* The number under which a rendering of this batch is shared, or TRANSPORT_OWN. NULL: the
     * variant. */
    unsigned (*shared)(const struct transport_options *options, struct batch *batch);

    /*
     * Appends what keeps an idle stream open; `place` is where it stands. NULL: not a
     * stream.
     */
    void (*keepalive)(const struct transport_options *options, struct batch *place,
                      struct buf *out);

    /* Appends the polite end of a stream. NULL: nothing. */
    void (*end)(const struct transport_options *options, struct buf *out);

    /*
     * Appends a whole stream that says that none can be had for now, and why: for clients
     * who would take an error for final. NULL: the problem is told as it is.
     */
    void (*later)(const struct transport_options *options, const struct problem *problem,
                  struct buf *out);
};

/* The transport of an endpoint, or NULL: none has this name. */
const struct transport *transport_find(const char *name);

/* Its place among all of them. */
size_t transport_index(const struct transport *transport);

/* All of them, in the order in which a client would prefer them; NULL past the end. */
const struct transport *transport_at(size_t index);

#endif

/*
 * The answering side of one request: a descriptor, how answers are framed on it,
 * and what it has not taken yet. Writes never block. Belongs to the loop's
 * thread.
 */
#ifndef HALLEY_CLIENT_H
#define HALLEY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/loop.h"
#include "fcgi-app/stats.h"

struct client;

enum client_framing {
    CLIENT_FCGI, /* STDOUT records of one request id */
    CLIENT_RAW   /* as it is: the standard output of a CGI program */
};

/* A piece of an answer; borrowed for the length of the call. */
struct part {
    const void *data;
    size_t len;
};

/* Who watches a client. Each may free the client. */
struct client_events {
    void (*gone)(void *ctx);    /* the web server says that the browser has left */
    void (*drained)(void *ctx); /* everything that was queued has been taken */
};

/* A client that owns `fd` (set to non-blocking here). `request_id` is FastCGI's. */
struct client *client_new(struct ev_loop *loop, struct stats *stats, int fd,
                          enum client_framing framing, uint16_t request_id);

/* From now on `events` are told; call once. Both are borrowed and outlive the client. */
void client_watch(struct client *client, const struct client_events *events, void *ctx);

/*
 * Sends the parts as one piece; what the descriptor does not take is queued.
 * ERR_GONE if nobody is there any more (the caller then drops the client).
 */
enum err client_send(struct client *client, const struct part *parts, size_t count) MUST_CHECK;

/*
 * Sends the parts and the end of the answer, flushes, closes and frees: the
 * client is not the caller's any more. A reader that takes nothing for
 * CLIENT_FLUSH seconds is closed all the same.
 */
#define CLIENT_FLUSH 30.0
void client_finish(struct client *client, const struct part *parts, size_t count);

/* Closes at once and frees. Safe on NULL. */
void client_drop(struct client *client);

/* Bytes that are queued and not taken yet. */
size_t client_backlog(const struct client *client);

#endif

/*
 * An open WebSocket (RFC 6455): a kind of client whose pieces are text messages. Binary ones go
 * both ways where its owner knows them.
 * Belongs to the loop's thread.
 */
#ifndef HALLEY_WS_SOCKET_H
#define HALLEY_WS_SOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/loop.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/door/client.h"

struct socket_events {
    /* a text message from the browser, borrowed; may drop or finish the client */
    void (*message)(void *ctx, const char *text, size_t len);
    /* a binary one, likewise; NULL: they are closed with 1003 */
    void (*bytes)(void *ctx, const char *bytes, size_t len);
    /* the browser has said goodbye: whether nothing waits any more of what it said before. False:
     * asked again after socket_let_go(). NULL: nothing ever waits */
    bool (*settled)(void *ctx);
    /* the client is gone for good; called once, last */
    void (*closed)(void *ctx);
};

struct socket_limits {
    size_t max_message; /* bytes of a message from the browser; above: close 1009 */
    size_t max_queue;   /* bytes to send above which nothing more is read */
    double silence;     /* seconds without a byte, pings answered, that count as gone; and */
                        /* for which a message may be arriving: above: close 1008 */
};

/*
 * A client on an upgraded connection. `early` are bytes that came behind the
 * handshake; `hello` (the 101 answer) is sent first. The descriptor is owned.
 */
struct client *socket_new(struct ev_loop *loop, struct stats *stats, int fd,
                          const struct part *hello, const struct part *early,
                          const struct socket_limits *limits, const struct socket_events *events,
                          void *ctx);

/*
 * Sends one text message, between batches; ignored if the socket is closing. While the
 * client is held it is sent when that is over.
 */
void socket_say(struct client *client, const char *text, size_t len);

/* The same for a binary message. */
void socket_say_bytes(struct client *client, const char *bytes, size_t len);

/*
 * Sends several messages as one piece, for who stands between the client and whoever sends: as
 * client_send(). ERR_GONE if nobody is there any more.
 */
struct socket_message {
    const char *at;
    size_t len;
    bool bytes; /* a binary one */
};
enum err socket_send_all(struct client *client, const struct socket_message *messages,
                         size_t count) MUST_CHECK;

/*
 * Says goodbye: a close frame with this code and reason behind all that was said. Nobody else
 * may hold the client.
 */
void socket_close(struct client *client, unsigned code, const char *reason);

/*
 * Whether what the browser says is read on. What it says meanwhile waits in the kernel, and
 * then in the browser.
 */
void socket_read_on(struct client *client, bool on);

/*
 * Between these two the client is not freed, whatever happens to it; the last one
 * frees it if it ended meanwhile.
 */
void socket_hold(struct client *client);
void socket_let_go(struct client *client);

#endif

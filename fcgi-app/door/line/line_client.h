/*
 * A connection of the line feed, as a client of the hub: text goes out as it is given, lines
 * come in one at a time, as whoever reads them can take them. Belongs to the loop's thread.
 */
#ifndef HALLEY_LINE_CLIENT_H
#define HALLEY_LINE_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/loop.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/door/client.h"

/* Who reads the lines. `line`, `silent` and `ended` may drop or finish the client. */
struct line_events {
    /* A line, borrowed. False: not now; it is given again after line_client_go_on(). */
    bool (*line)(void *ctx, const char *text, size_t len);
    /* No line came for a while, and none has ever. */
    void (*silent)(void *ctx);
    /* No line will come any more, but the client may still read. False: not now, as above. */
    bool (*ended)(void *ctx);
    /* Whether all lines that were taken are answered: what is wrong with the next one is told
     * behind that. False: not now, as above. */
    bool (*answered)(void *ctx);
    /* The client is about to end: whoever holds it lets it go. */
    void (*let_go)(void *ctx);
    /* Appends what the client is told of a problem. */
    void (*tell)(void *ctx, const struct problem *problem, struct buf *out);
    /* The client is gone for good; called once, last. */
    void (*closed)(void *ctx);
};

struct line_limits {
    size_t max_queue;    /* bytes to send above which nothing more is read */
    double silence;      /* seconds for which a line may be arriving, and what was sent may be on
                          * its way to a client that is there no more */
    double patience;     /* seconds until a client that never said anything is `silent` */
    const char *origins; /* for Flash's policy; borrowed */
};

/* A client on a descriptor that does not block, and becomes the client's. */
struct client *line_client_new(struct ev_loop *loop, struct stats *stats, int fd,
                               const struct line_limits *limits, const struct line_events *events,
                               void *ctx);

/* Sends text between what the hub sends; ignored if the client is closing. */
void line_client_say(struct client *client, const char *text, size_t len);

/* The line that was not taken, and those behind it, can be taken now: they are given soon, not
 * from inside of this call. */
void line_client_go_on(struct client *client);

#endif

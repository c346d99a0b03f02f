/*
 * What a request brings to a session in Redis: its messages are steps of a protocol, carried out
 * there. Shared by the carriers whose clients poll; each has its own frames and answers. Belongs
 * to the loop's thread.
 */
#ifndef HALLEY_DOING_H
#define HALLEY_DOING_H

#include <stdbool.h>

#include "core/redis/session.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/protocols/protocol.h"

/* How a carrier writes what the session is to have. */
struct doing_carrier {
    /* appends one text as a frame; NULL: it is one as it is. An empty frame stands for where the
     * session stands when it is sent: no text becomes one */
    void (*frame)(const char *text, size_t len, bool bytes, struct buf *out);
    /* appends with what a session is closed that its protocol ends */
    void (*reason)(unsigned code, const char *words, struct buf *out);
    bool once;    /* only the first request is told that */
    unsigned ttl; /* milliseconds for which the others are; 0: as long as it would have lived */
    /* finishes the client: everything was done; or there is no such session (any more) */
    void (*done)(struct client *client);
    void (*unknown)(struct client *client);
};

/* All of it is borrowed for the length of the call, but what lives as long as the program. */
struct doing_request {
    struct app *app;
    const struct doing_carrier *carrier; /* lives on */
    struct speech speech;                /* its argument lives on */
    const char *id;                      /* the session's name in Redis */
    const char *who;                     /* the client's address */
    struct client *client;
    unsigned pulse;  /* a pong is in it: milliseconds until the next ping; 0 */
    unsigned ttl;    /* with `pulse`: milliseconds from now */
    const char *bye; /* the client closes, behind its messages: the reason to be kept; or NULL */
};

/* Does what the messages say, which are taken over, and answers the request. */
void doing_begin(const struct doing_request *request, struct texts *messages);

#endif

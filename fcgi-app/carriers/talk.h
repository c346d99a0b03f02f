/*
 * A session that lives in memory, on one connection: what is said there by a protocol
 * (protocols/protocol.h), and carried out on the hub. WebSockets have one, and whatever else is
 * a connection of its own. Belongs to the loop's thread.
 */
#ifndef HALLEY_TALK_H
#define HALLEY_TALK_H

#include "fcgi-app/door/client.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/protocols/protocol.h"

struct talk;

/* What a connection can do, as the functions of door/ws/socket.h do it for a WebSocket. */
struct talk_carrier {
    /* says one text, between batches; ignored where the connection is ending */
    void (*say)(struct client *client, const char *text, size_t len);
    /* the same for a text that is bytes; NULL: it is said as a text */
    void (*say_bytes)(struct client *client, const char *bytes, size_t len);
    /* ends it, with a code and a reason as far as it has words for them; nobody else holds it */
    void (*close)(struct client *client, unsigned code, const char *reason);
    /* whether what the client says is read on */
    void (*read_on)(struct client *client, bool on);
    /* between these two the client is not freed, whatever happens to it */
    void (*hold)(struct client *client);
    void (*let_go)(struct client *client);
};

/* The speech's argument and `who`, `read`'s channels and `who` are borrowed for the length of a
 * call. */
struct talk_setting {
    struct app *app;
    const struct talk_carrier *carrier;
    const struct transport *transport; /* how batches are written; a stream */
    unsigned variant;
    struct speech speech; /* its argument outlives the talk; a state is taken over by it */
    bool resumed;         /* the speech goes on in its state: its protocol does not open it */
    const char *who;      /* the client's address */
    unsigned limit;       /* messages in a batch */
};

/* A talk that waits for its client: talk_begin() must follow. */
struct talk *talk_new(const struct talk_setting *setting);

/*
 * The client is there: it is held as `read` says, whose transport, variant, and where it names no
 * channel the channels, are the talk's own.
 */
void talk_begin(struct talk *talk, struct client *client, const struct hub_read *read);

/* A text came from the client, or bytes. `talk` is a struct talk, as whoever owns sockets wants it.
 */
void talk_message(void *talk, const char *text, size_t len);
void talk_bytes(void *talk, const char *bytes, size_t len);

/* Whether nothing waits to be done of what the client said. What is on its way to Redis is done,
 * whether the client stays or not. */
bool talk_settled(void *talk);

/* Ends the connection from here. */
void talk_close(struct talk *talk, unsigned code, const char *reason);

/* The client is gone for good: the last call. */
void talk_closed(void *talk);

#endif

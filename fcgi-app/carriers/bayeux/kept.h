/*
 * Where the client of a session stands that its process keeps in memory (SESSION_KEEPS), and how
 * its answers are numbered so that nothing is lost with the process. Pure functions.
 *
 * A client that acknowledges says the number of the last answer that it has, in whichever process.
 * So the number says by itself how far the answer went: it is that of the last answer which Redis
 * was told of, and above it, in so many bits for each of the channels that were written down then,
 * how many messages further each is (find_unwritten() in core/redis/session.lua takes it apart).
 * What does not fit is told to Redis before it is sent, and numbers go on from there.
 */
#ifndef HALLEY_BAYEUX_KEPT_H
#define HALLEY_BAYEUX_KEPT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/redis/session.h"
#include "fcgi-app/hub/place.h"

enum {
    KEPT_BITS = 24,    /* of a number, for all channels; 2^53 are safe in JavaScript */
    KEPT_REQUESTS = 16 /* that are remembered, as Redis does */
};

/* Zeroed, there is nothing in it. */
struct kept {
    struct hub_places settled;         /* what the client is known to have */
    struct hub_places sent;            /* what it has with its last answer, ... */
    bool flying;                       /* ... which is not confirmed yet; else nothing */
    uint64_t batch;                    /* that answer's number */
    char request[SESSION_REQUEST_MAX]; /* its client's id for the request */
    size_t request_len;
    struct session_bytes requests[KEPT_REQUESTS]; /* ids of those since Redis was told; owned */
    size_t request_count;
    struct hub_places base; /* what Redis was told, ... */
    uint64_t base_batch;    /* ... with this number, ... */
    bool based;             /* ... and goes on from; else nothing */
    bool moved;             /* Redis was not told all of it */
};

void kept_free(struct kept *kept);

/* It begins with what Redis says: a cursor, and the number of the last answer. */
void kept_begin(struct kept *kept, struct session_bytes cursor, uint64_t batch);

/* Channels came, or went. */
void kept_follow(struct kept *kept, struct session_bytes cursor);

/* Where the next answer goes on, its last one having arrived. A copy, the caller's to free. */
struct hub_places kept_copy(const struct kept *kept);

/* A number for an answer behind which the client stands there. False: Redis must be told before;
 * then kept_next() is one. */
bool kept_number(const struct kept *kept, const struct hub_places *places, uint64_t *number);
uint64_t kept_next(const struct kept *kept);

/* An answer is sent: to a request with that id, which is cut off where it is too long. */
void kept_send(struct kept *kept, const struct hub_places *places, uint64_t number,
               struct session_bytes request);

/* Whether the last answer arrived, by what the next request says that came the same way behind it:
 * the number that it acknowledges; -1: it does not, and what was sent this way arrives. */
bool kept_arrived(const struct kept *kept, long ack);

/* It did. */
void kept_settle(struct kept *kept);

/* A request came, with that id: Redis is told with the next write, so that it knows an older one
 * that was stuck. Then they are forgotten: so many of the oldest. */
void kept_note(struct kept *kept, struct session_bytes request);
void kept_forget(struct kept *kept, size_t count);

/* Tells Redis: `wanted` says the rest. As session_write(). */
enum err kept_tell(const struct kept *kept, struct sessions *sessions, const char *id,
                   const struct session_write *wanted, session_fn *done, void *ctx) MUST_CHECK;

/* Redis has been told all of it: numbers go on from there. */
void kept_write(struct kept *kept);

#endif

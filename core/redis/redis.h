/*
 * One connection to Redis that comes back by itself. A program has two: one for
 * commands, one that is subscribed (RESP2 does not mix them). hiredis is known
 * to what stands behind this header alone (_redis.h).
 *
 * Everything here belongs to the thread of the loop that it was made with.
 */
#ifndef HALLEY_REDIS_H
#define HALLEY_REDIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/histogram.h"
#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/config/target.h"

struct redis;

/* A reply, or NULL where the connection was lost before it came. */
struct redisReply;
typedef struct redisReply redis_reply;

/* Called once for each command; `reply` is borrowed for the length of the call. */
typedef void redis_reply_fn(void *ctx, const redis_reply *reply);

enum redis_state {
    REDIS_CONNECTING, /* the first attempt, or the one at once after a loss */
    REDIS_UP,         /* commands are answered */
    REDIS_DOWN        /* the last attempt failed; another follows */
};

struct redis_events {
    void (*up)(void *ctx);   /* connected, authenticated and answering */
    void (*down)(void *ctx); /* was up, and is lost; every command was answered with NULL */
    void (*away)(void *ctx); /* an attempt to connect failed; NULL: nobody asks */
    /* a message of a subscription; all are borrowed; not called on the command connection */
    void (*message)(void *ctx, const char *channel, size_t channel_len, const char *payload,
                    size_t payload_len);
    /* Redis has confirmed redis_subscribe() (true) or redis_unsubscribe() (false) */
    void (*subscribed)(void *ctx, const char *channel, size_t channel_len, bool on);
    /*
     * Redis refuses redis_subscribe(), and says why; the connection goes on. NULL: nobody
     * asks, and the connection is given up
     */
    void (*refused)(void *ctx, const char *channel, size_t channel_len, const char *why,
                    size_t why_len);
    /* the sign of life of that number, and all before it, are back; NULL: nobody asks */
    void (*pulsed)(void *ctx, uint64_t number);
};

struct redis_options {
    const char *url;             /* an address that was checked (core/config/target.h) */
    const struct config *config; /* borrowed; the files of TLS */
    const char *name;            /* for CLIENT SETNAME */
    const char *prefix;          /* of the name that a subscriber asks for its signs of life by */
    double timeout;              /* seconds of silence to a question that count as a loss */
    bool subscriber;             /* this connection is for subscriptions */
    bool any_role;               /* else a Redis that is no master is left again */
    bool quiet;                  /* who made it says in the log how it fares */
    struct redis *companion;     /* neither stays where the other leaves; or NULL */
    /* the host to connect to, asked at each attempt; NULL: nobody knows yet. Optional. */
    const struct target_host *(*where)(void *ctx);
    void *where_ctx;
    struct histogram *round_trips; /* counts how long commands take, a sample of them; or NULL */
    const struct redis_events *events;
    void *ctx;
};

/* A connection that begins to connect when the loop runs. The url was checked. */
struct redis *redis_new(struct ev_loop *loop, const struct redis_options *options);

/* Closes and frees; outstanding commands are answered with NULL first. Safe on NULL. */
void redis_free(struct redis *redis);

enum redis_state redis_state(const struct redis *redis);

/*
 * Sends a command. `reply` is called once, later, never from inside this call.
 * ERR_REDIS if the connection is not up: then it is not called at all.
 */
enum err redis_command(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                       const char **argv, const size_t *lens) MUST_CHECK;

/* Subscribes to one channel (or, with glob characters and `pattern`, to many). */
enum err redis_subscribe(struct redis *redis, const char *channel, size_t len,
                         bool pattern) MUST_CHECK;

/*
 * Sends a command and subscribes to one channel and some patterns, all in one transaction: what
 * is published before the command is not heard, what is published after it is. For a connection
 * without subscriptions, just up. `reply` is called once, before any message is passed on, with
 * a list of the command's own reply and the number of this connection (CLIENT ID), with the error
 * that was the first, or with NULL where the connection was lost.
 */
enum err redis_join(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                    const char **argv, const size_t *lens, const char *channel,
                    const char *const *patterns, size_t count) MUST_CHECK;

/* Ends a subscription. Do not subscribe to the same again before that is confirmed. */
enum err redis_unsubscribe(struct redis *redis, const char *channel, size_t len,
                           bool pattern) MUST_CHECK;

/* Ends the subscriptions to REDIS_PATTERNS patterns at most, in one instant; each is confirmed by
 * itself, in this order. */
enum { REDIS_PATTERNS = 64 };
enum err redis_unsubscribe_all(struct redis *redis, const char *const *patterns,
                               size_t count) MUST_CHECK;

/*
 * Handles what Redis has already sent on this connection, without waiting.
 * Never from inside a callback of this module.
 */
void redis_drain(struct redis *redis);

/*
 * Whether something that Redis has sent on this connection lies in its socket, or is to come
 * because the connection asked for it by itself (a sign of life).
 */
bool redis_waits(const struct redis *redis);
bool redis_owed(const struct redis *redis);

/*
 * Writes at once what was asked since the last time, instead of when the loop finds the
 * connection writable. Never from inside a callback of this module.
 */
void redis_flush(struct redis *redis);

/*
 * Writes what was asked and takes the answers, for at most so many seconds: the program's
 * loop is over, and what it told Redis last shall get there. Not from inside a callback of
 * this module.
 */
void redis_finish(struct redis *redis, double seconds);

/*
 * Asks a subscribed connection for a sign of life, and returns its number; the
 * event `pulsed` is called when it comes back. Everything that was published
 * before this call has then been passed to `message`. 0 if it is not up.
 */
uint64_t redis_pulse(struct redis *redis);

/*
 * The process at the other end of a unix socket (SO_PEERCRED, unix(7)): who made the socket that
 * was connected to. 0 if it is none, or not connected, or not to be seen from here.
 */
long redis_peer(const struct redis *redis);

/* The number of the database that it is in. */
int redis_database(const struct redis *redis);

/*
 * Leaves this Redis as soon as its callbacks have returned, its companion too, and connects
 * again: the connection works, but what it leads to does not serve. `why` is copied.
 */
void redis_leave(struct redis *redis, const char *why);

/* The next attempt, of its companion too, is made without a pause. */
void redis_hurry(struct redis *redis);

/* Leaves this connection alone, and makes another after a pause that grows; `why` is copied. */
void redis_renew(struct redis *redis, const char *why);

/*
 * Why the last connection ended or what refused it, in Redis's words or the system's; NULL
 * once another has worked for some seconds. Borrowed until the loop runs again.
 */
const char *redis_trouble(const struct redis *redis);

/* --- looking into replies; all are safe on NULL and on replies of another kind --- */

bool redis_is_error(const redis_reply *reply);

/* The text of a string, status or error, with its length; NULL if it is none. */
const char *redis_text(const redis_reply *reply, size_t *len);

/* The same with its end byte; "" where it has none. */
static inline const char *redis_words(const redis_reply *reply) {
    size_t len;
    const char *text = redis_text(reply, &len);
    return text != NULL ? text : "";
}

/* The integer, or `fallback` if it is none. */
int64_t redis_integer(const redis_reply *reply, int64_t fallback);

/* How many elements an array has; 0 if it is none. */
size_t redis_count(const redis_reply *reply);

/* An element of an array, or NULL. */
const redis_reply *redis_item(const redis_reply *reply, size_t index);

#endif

/*
 * A connection to Redis from inside: its state, and what the files that make it up ask of each
 * other. They stand in the order of the list below; each calls only those above it.
 *
 *   reply.c      looking into replies
 *   refusals.c   what a subscribed connection has asked for and Redis has not confirmed
 *   loss.c       how a connection ends, and when the next one is tried
 *   subscribe.c  subscriptions and their signs of life
 *   command.c    commands and their replies
 *   wire.c       reading and writing by hand, beside the loop
 *   greet.c      AUTH, SELECT, ROLE, CLIENT SETNAME
 *   connect.c    name, addresses, TLS
 *   redis.c      the timer of the signs of life; birth and death
 *
 * To use another Redis client library, these files are all that changes.
 */
#ifndef HALLEY_REDIS_PRIVATE_H
#define HALLEY_REDIS_PRIVATE_H

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include "core/base/log.h"
#include "core/data/names.h"
#include "core/redis/redis.h"
#include "core/redis/tls.h"

#define BACKOFF_FIRST 0.05 /* seconds */

struct redis {
    struct ev_loop *loop;
    struct target target;
    char *name;
    double timeout;
    bool subscriber;
    char pulse_name[OWN_NAME_MAX]; /* subscribed to for each sign of life */
    const struct redis_events *events;
    void *ctx;

    struct resolver *resolver;       /* NULL: a unix socket */
    ev_tstamp resolving;             /* since when its host is looked up; 0: it is not */
    const struct config *config;     /* of TLS */
    struct tls *tls;                 /* NULL: none was needed yet */
    struct tls_relay *relay;         /* stands between hiredis and Redis, for TLS; or NULL */
    const char *given_up;            /* why we close it, or NULL */
    bool silent;                     /* this connection has not brought anything yet */
    redisAsyncContext *hiredis;      /* NULL between attempts */
    struct unconfirmed *unconfirmed; /* on a subscribed connection, in order */
    enum redis_state state;
    bool freeing;
    double backoff;
    ev_tstamp up_since;      /* of a connection that is up */
    bool settled;            /* it has worked for SETTLED seconds */
    bool any_role;           /* it is a sentinel's */
    bool no_role;            /* ROLE is not permitted */
    struct redis *companion; /* neither stays where the other leaves; or NULL */
    const struct target_host *(*where)(void *ctx); /* or NULL */
    void *where_ctx;
    int port;
    char *host;            /* that was asked for last; NULL: a unix socket, or none yet */
    char trouble[TLS_WHY]; /* why the last one ended; "" once the next one has settled */
    struct ev_timer end;   /* runs once it is to be given up, for `trouble` */
    uint64_t pulses_sent;  /* on a subscribed connection */
    uint64_t pulses_back;
    struct ev_timer retry; /* the next attempt */
    struct ev_timer pulse;
    ev_tstamp heard;             /* when the last reply or message came */
    ev_tstamp asked;             /* when the oldest unanswered question went out; 0: none */
    size_t unanswered;           /* commands that are on their way */
    const struct pending *timed; /* of these the one that is timed; NULL: none is */
    ev_tstamp timed_since;
    struct histogram *round_trips; /* or NULL */
    unsigned joining;              /* answers that a transaction of redis_join() still owes */
    char unqueued[TLS_WHY];        /* what was refused first in it; "" nothing */
    bool unwritten;                /* something was asked since redis_flush() */
    bool quiet;                    /* says nothing in the log */
    struct log_limit complaint;
};

/* Whether commands can be sent: Redis has answered the greeting, and is not being lost. */
static inline bool redis_speaks(const struct redis *redis) {
    return redis->state == REDIS_UP && redis->hiredis != NULL;
}

/* It works, for all that is known. */
static inline void redis_say_up(const struct redis *redis) {
    if (!redis->quiet)
        log_info("redis.up", "connection=%s", redis->name);
}

/* Something came from Redis. */
static inline void redis_heard(struct redis *redis) {
    redis->heard = ev_now(redis->loop);
    redis->asked = 0;
    redis->silent = false;
}

/* A question goes out. */
static inline void redis_asked(struct redis *redis) {
    redis->unwritten = true;
    if (redis->asked == 0)
        redis->asked = ev_now(redis->loop);
}

/* --- refusals.c --- */

/* Puts a question (`verb` in lower case, and not copied) behind those that are not confirmed. */
void redis_await_confirmation(struct redis *redis, const char *verb, const char *channel,
                              size_t len);

/* Takes the first of them away: Redis has confirmed or refused it, or is gone. */
void redis_confirm_first(struct redis *redis);

/*
 * From now on errors are refusals of the first question, and arrive where its confirmation would.
 * For a connection that is up: all else was answered.
 */
void redis_catch_refusals(redisAsyncContext *hiredis, struct redis *redis);

/* --- loss.c --- */

/* A connection that has worked for a while has earned that its loss is news again. */
void redis_settle(struct redis *redis);

/* Every way in which a connection ends comes here, once; hiredis's context is gone already. */
void redis_lose(struct redis *redis, const char *why);

/* Closes the connection now. Not from a callback that goes on using its reply. */
void redis_give_up(struct redis *redis, const char *why);

/* The timer that redis_leave() and redis_renew() start. */
void redis_on_end(struct ev_loop *loop, struct ev_timer *timer, int events);

void redis_drop_relay(struct redis *redis);

/* --- greet.c --- */

/* Sends the greeting; its last answer brings the connection up. */
void redis_greet(struct redis *redis);

/* Asks for its role once more, or where that may not be asked for any sign of life. */
void redis_ask_role(struct redis *redis);

/* --- connect.c --- */

/* The timer of the next attempt. */
void redis_on_retry(struct ev_loop *loop, struct ev_timer *timer, int events);

/* The resolver's answer (core/redis/resolver.h). */
void redis_on_found(void *ctx, const char *address, const char *why);

#endif

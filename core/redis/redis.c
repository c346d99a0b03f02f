/*
 * A Redis connection on the event loop, by hiredis. Both programs hold two.
 *
 * The conversation, in order: look the host up, which the resolver does elsewhere; connect to
 * its addresses in turn, until one takes us, through a relay where there is TLS; AUTH and SELECT
 * where the address asks for them; ROLE, since only a master will do; CLIENT SETNAME, whose answer
 * means "up". From then on a question goes out at least every PULSE seconds (ROLE again, or on a
 * subscribed connection SUBSCRIBE to the same channel again, which Redis confirms each time:
 * hiredis 0.14 keeps a callback for every PING that is sent in subscribed mode). If nothing at all
 * comes back for `timeout` seconds, the connection is given up.
 *
 * Whatever fails goes through lose(): state, callbacks, and a timer for the next attempt. A
 * connection that had worked for SETTLED seconds is replaced at once, and so is one more that had
 * not; otherwise the next attempt follows after a random part of a delay that doubles from 50 ms to
 * 3 s, so that neither a Redis that lets us in and throws us out again nor a thousand processes
 * that come back in step make a storm.
 *
 * To use another Redis client library, this file is all that changes.
 */
#include "core/redis/redis.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "core/base/buf.h"
#include "core/base/collections.h"
#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/config/target.h"
#include "core/data/names.h"
#include "core/redis/resolver.h"
#include "core/redis/tls.h"

/* the adapter is a header of static functions that this file alone includes */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wstrict-aliasing"
#include <hiredis/adapters/libev.h>
#pragma GCC diagnostic pop

#define PULSE         2.0
#define SETTLED       5.0
#define BACKOFF_FIRST 0.05
#define BACKOFF_MAX   3.0

enum {
    DRAIN_READS = 256 /* of 16 KB each: a flood must not keep the loop from its other work */
};

struct pending {
    redis_reply_fn *fn;
    void *ctx;
    struct redis *redis;
};

/* What was asked of a subscribed connection: its answers name it, but errors do not. */
struct asked {
    struct asked *prev, *next;
    const char *verb; /* in lower case */
    size_t len;
    char channel[];
};

struct redis {
    struct ev_loop *loop;
    struct target target;
    char *name;
    double timeout;
    bool subscriber;
    char pulse_name[OWN_NAME_MAX]; /* subscribed to for each sign of life */
    const struct redis_events *events;
    void *ctx;

    struct resolver *resolver;   /* NULL: a unix socket */
    ev_tstamp resolving;         /* since when its host is looked up; 0: it is not */
    const struct config *config; /* of TLS */
    struct tls *tls;             /* NULL: none was needed yet */
    struct tls_relay *relay;     /* stands between hiredis and Redis, for TLS; or NULL */
    const char *given_up;        /* why we close it, or NULL */
    bool silent;                 /* this connection has not brought anything yet */
    redisAsyncContext *hiredis;  /* NULL between attempts */
    struct asked *unconfirmed;   /* on a subscribed connection, in order */
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
    ev_tstamp heard;   /* when the last reply or message came */
    ev_tstamp asked;   /* when the oldest unanswered question went out; 0: none */
    size_t unanswered; /* commands that are on their way */
    unsigned joining;  /* answers that a transaction of redis_join() still owes */
    bool unwritten;    /* something was asked since redis_flush() */
    struct log_limit complaint;
};

/* ------------------------------------------------- subscriptions that are refused */

static void remember(struct redis *redis, const char *verb, const char *channel, size_t len) {
    struct asked *item = mem_new(sizeof *item + len);

    item->verb = verb;
    item->len = len;
    memcpy(item->channel, channel, len);
    DL_APPEND(redis->unconfirmed, item);
}

static void forget_first(struct redis *redis) {
    struct asked *first = redis->unconfirmed;

    if (first == NULL)
        return;
    DL_DELETE(redis->unconfirmed, first);
    free(first);
}

/*
 * hiredis ends a subscribed connection at the first error, and does not say whose it is. So
 * an error is made to look like the confirmation that was awaited, with what Redis said in
 * the place of a number.
 */
static const redisReplyObjectFunctions *hiredis_functions;

static redisReply *put_refusal(const struct asked *asked, const char *text, size_t len) {
    const redisReadTask string = {.type = REDIS_REPLY_STRING};
    struct part {
        const char *text;
        size_t len;
    } parts[] = {{asked->verb, strlen(asked->verb)}, {asked->channel, asked->len}, {text, len}};
    redisReply *reply = mem_new(sizeof *reply);

    reply->type = REDIS_REPLY_ARRAY;
    reply->elements = 3;
    reply->element = mem_new(3 * sizeof(redisReply *));
    for (size_t i = 0; i < 3; i++)
        reply->element[i] = hiredis_functions->createString(
            &string, (char *)(uintptr_t)parts[i].text, parts[i].len);
    return reply;
}

static void *put_string(const redisReadTask *task, char *text, size_t len) {
    const struct redis *redis = task->privdata;
    const struct asked *first = redis->unconfirmed;

    if (task->type != REDIS_REPLY_ERROR || task->parent != NULL || first == NULL ||
        redis->joining > 0 || strstr(first->verb, "unsubscribe") != NULL)
        return hiredis_functions->createString(task, text, len);
    return put_refusal(first, text, len);
}

/* From now on, errors are refusals: the connection is up, so all else was answered. */
static void catch_refusals(redisAsyncContext *hiredis, struct redis *redis) {
    static redisReplyObjectFunctions functions;

    if (hiredis_functions == NULL) {
        hiredis_functions = hiredis->c.reader->fn;
        functions = *hiredis_functions;
        functions.createString = put_string;
    }
    hiredis->c.reader->fn = &functions;
    hiredis->c.reader->privdata = redis;
}

/* ------------------------------------------------------- connecting and losing */

static void connect_to(struct redis *redis, const char *address);

static void complain(struct redis *redis, const char *why) {
    unsigned long quiet;
    if (log_allowed(&redis->complaint, ev_now(redis->loop), &quiet))
        log_warning("redis.away", "connection=%s why=\"%s\" not_logged=%lu", redis->name, why,
                    quiet);
}

static void drop_relay(struct redis *redis) {
    tls_relay_free(redis->relay);
    redis->relay = NULL;
}

static void note_trouble(struct redis *redis, const char *why) {
    if (why != redis->trouble)
        snprintf(redis->trouble, sizeof redis->trouble, "%s", why);
}

/*
 * Whether a connection that was up is replaced at once: one that has proved good, and the
 * first one that has not. Only the former sets the delay back.
 */
static bool worth_hope(const struct redis *redis) {
    return redis->state == REDIS_UP && (redis->settled || redis->backoff <= BACKOFF_FIRST);
}

/* Seconds until the next attempt. */
static double next_attempt(struct redis *redis, bool settled, bool hope) {
    double twice = redis->backoff * 2;

    redis->backoff = settled ? BACKOFF_FIRST : twice > BACKOFF_MAX ? BACKOFF_MAX : twice;
    return hope ? 0 : redis->backoff * (0.1 + 0.9 * drand48());
}

/* What belonged to the connection that is gone. */
static void forget_connection(struct redis *redis) {
    redis->hiredis = NULL;
    redis->resolving = 0;
    redis->asked = 0;
    redis->settled = false;
    redis->pulses_back = redis->pulses_sent; /* the lost ones are never answered */
    ev_timer_stop(redis->loop, &redis->pulse);
    ev_timer_stop(redis->loop, &redis->end);
    while (redis->unconfirmed != NULL)
        forget_first(redis);
    if (redis->resolver != NULL)
        resolver_forget(redis->resolver);
}

/* Every way in which a connection ends comes here, once; `hiredis` is gone already. */
static void lose(struct redis *redis, const char *why) {
    bool was_up = redis->state == REDIS_UP, settled = was_up && redis->settled;
    bool hope = worth_hope(redis);

    forget_connection(redis);
    if (redis->freeing)
        return;
    note_trouble(redis, why);
    complain(redis, redis->trouble);
    drop_relay(redis);
    redis->state = hope ? REDIS_CONNECTING : REDIS_DOWN;
    ev_timer_set(&redis->retry, next_attempt(redis, settled, hope), 0);
    ev_timer_start(redis->loop, &redis->retry);
    if (was_up)
        redis->events->down(redis->ctx);
    if (!hope && redis->events->away != NULL)
        redis->events->away(redis->ctx);
}

/* Nobody is there: the host may have another address. */
static void miss(struct redis *redis, const char *why) {
    const char *address = redis->resolver != NULL ? resolver_next(redis->resolver) : NULL;

    if (address == NULL) {
        lose(redis, why);
        return;
    }
    redis->hiredis = NULL;
    drop_relay(redis);
    connect_to(redis, address);
}

static void give_up(struct redis *redis, const char *why) {
    if (redis->silent && redis->resolver != NULL)
        (void)resolver_next(redis->resolver);
    redis->silent = false;
    redis->given_up = why;
    redisAsyncFree(redis->hiredis); /* calls on_disconnect() only if it was connected */
    if (redis->hiredis != NULL)
        lose(redis, why);
}

/*
 * Gives the connection up as soon as its callbacks have returned, and its companion's: it
 * works, but what it leads to does not serve.
 */
static void doom(struct redis *redis, const char *why) {
    if (redis->hiredis == NULL || ev_is_active(&redis->end))
        return;
    note_trouble(redis, why);
    redis->settled = false;
    ev_timer_set(&redis->end, 0, 0);
    ev_timer_start(redis->loop, &redis->end);
    if (redis->companion != NULL)
        doom(redis->companion, redis->trouble);
}

static void on_end(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct redis *redis = timer->data;
    (void)loop, (void)events;
    if (redis->hiredis != NULL)
        give_up(redis, redis->trouble);
}

static void on_disconnect(const redisAsyncContext *hiredis, int status) {
    struct redis *redis = hiredis->data;
    const char *why = tls_relay_trouble(redis->relay);

    if (redis->hiredis != hiredis)
        return;
    if (why == NULL && status == REDIS_OK)
        why = redis->given_up != NULL ? redis->given_up : "closed";
    else if (why == NULL)
        why = hiredis->errstr;
    if (redis->silent && !redis->freeing)
        miss(redis, why);
    else
        lose(redis, why);
}

static void on_connect(const redisAsyncContext *hiredis, int status) {
    struct redis *redis = hiredis->data;
    if (status != REDIS_OK && redis->hiredis == hiredis)
        miss(redis, hiredis->errstr); /* hiredis frees it when this returns */
}

static void heard(struct redis *redis) {
    redis->heard = ev_now(redis->loop);
    redis->asked = 0;
    redis->silent = false;
}

static void asked(struct redis *redis) {
    redis->unwritten = true;
    if (redis->asked == 0)
        redis->asked = ev_now(redis->loop);
}

/*
 * A question of the greeting was answered; `verb` is what it began with. False: it was
 * refused. (Who does not know AUTH says back what stood behind it: the password.)
 */
static bool greeted(redisAsyncContext *hiredis, const redisReply *answer, const char *verb) {
    struct redis *redis = hiredis->data;
    char why[TLS_WHY];

    if (answer == NULL || redis->hiredis != hiredis)
        return false;
    heard(redis);
    if (answer->type != REDIS_REPLY_ERROR)
        return true;
    const char *said_back = strstr(answer->str, ", with args");
    snprintf(why, sizeof why, "%s: %.*s", verb,
             said_back != NULL ? (int)(said_back - answer->str) : TLS_WHY, answer->str);
    doom(redis, why);
    return false;
}

static void on_greeting(redisAsyncContext *hiredis, void *reply, void *ctx) {
    (void)greeted(hiredis, reply, ctx);
}

/* A replica takes no publish, and hears none once its master is gone. */
static void judge_role(struct redis *redis, const redisReply *answer) {
    if (answer->type == REDIS_REPLY_ERROR)
        redis->no_role = true; /* not permitted: READONLY will have to tell */
    else if (answer->type == REDIS_REPLY_ARRAY && answer->elements > 0 &&
             answer->element[0]->type == REDIS_REPLY_STRING &&
             strcmp(answer->element[0]->str, "slave") == 0)
        doom(redis, "it is a replica");
}

static void on_role(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    (void)ctx;
    if (reply == NULL || redis->hiredis != hiredis)
        return;
    heard(redis);
    judge_role(redis, reply);
}

/* A name is a courtesy, which need not be permitted. */
static bool only_nameless(const redisReply *answer) {
    return answer != NULL && answer->type == REDIS_REPLY_ERROR &&
           (strncmp(answer->str, "NOPERM", 6) == 0 || strncmp(answer->str, "ERR unknown", 11) == 0);
}

/* The last answer of the greeting: what was refused before has doomed the connection. */
static void on_named(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;

    if (reply == NULL || redis->hiredis != hiredis || ev_is_active(&redis->end) ||
        (!only_nameless(reply) && !greeted(hiredis, reply, ctx)))
        return;
    heard(redis);
    redis->state = REDIS_UP;
    redis->up_since = ev_now(redis->loop);
    if (redis->subscriber)
        catch_refusals(redis->hiredis, redis);
    if (redis->trouble[0] == '\0')
        log_info("redis.up", "connection=%s", redis->name);
    redis->events->up(redis->ctx);
}

/* A connection that has worked for a while has earned that its loss is news again. */
static void settle(struct redis *redis) {
    if (redis->settled || ev_now(redis->loop) - redis->up_since < SETTLED)
        return;
    if (redis->trouble[0] != '\0')
        log_info("redis.up", "connection=%s", redis->name);
    redis->settled = true;
    redis->backoff = BACKOFF_FIRST;
    redis->complaint = (struct log_limit){0};
    redis->trouble[0] = '\0';
}

static void greet(struct redis *redis) {
    static char auth[] = "AUTH", select[] = "SELECT", name[] = "CLIENT SETNAME";
    const struct target *target = &redis->target;
    redisAsyncContext *hiredis = redis->hiredis;

    asked(redis);
    redis->no_role = false; /* what was refused once may be permitted now */
    if (target->user[0] != '\0')
        redisAsyncCommand(hiredis, on_greeting, auth, "AUTH %s %s", target->user, target->password);
    else if (target->password[0] != '\0')
        redisAsyncCommand(hiredis, on_greeting, auth, "AUTH %s", target->password);
    if (target->db != 0)
        redisAsyncCommand(hiredis, on_greeting, select, "SELECT %d", target->db);
    if (!redis->any_role)
        redisAsyncCommand(hiredis, on_role, NULL, "ROLE");
    redisAsyncCommand(hiredis, on_named, name, "CLIENT SETNAME %s", redis->name);
}

/* From now on hiredis speaks to the relay, and the relay to Redis. */
static enum err encrypt(struct redis *redis, redisAsyncContext *hiredis, char why[TLS_WHY]) {
    enum err err = ERR_OK;

    if (!redis->target.tls)
        return ERR_OK;
    if (redis->tls == NULL)
        err = tls_new(redis->config, &redis->tls, why);
    if (err != ERR_OK)
        return err;
    err = tls_relay_new(redis->tls, redis->loop, hiredis->c.fd, redis->host, &redis->relay);
    if (err != ERR_OK)
        snprintf(why, TLS_WHY, "no TLS");
    return err;
}

static void converse(struct redis *redis, redisAsyncContext *hiredis) {
    hiredis->data = redis;
    redis->hiredis = hiredis;
    redis->heard = ev_now(redis->loop);
    redis->asked = 0;
    redis->silent = true;
    redis->given_up = NULL;
    redisLibevAttach(redis->loop, hiredis);
    redisAsyncSetConnectCallback(hiredis, on_connect);
    redisAsyncSetDisconnectCallback(hiredis, on_disconnect);
    greet(redis);
    ev_timer_again(redis->loop, &redis->pulse);
}

/* To an address of the target's host, or where that is NULL to its socket. */
static void connect_to(struct redis *redis, const char *address) {
    const struct target *target = &redis->target;
    char why[TLS_WHY] = "out of memory";
    redisAsyncContext *hiredis = address == NULL ? redisAsyncConnectUnix(target->path)
                                                 : redisAsyncConnect(address, redis->port);

    if (hiredis != NULL && hiredis->err != 0)
        snprintf(why, sizeof why, "%s", hiredis->errstr);
    else if (hiredis != NULL && encrypt(redis, hiredis, why) == ERR_OK) {
        converse(redis, hiredis);
        return;
    }
    if (hiredis != NULL)
        redisAsyncFree(hiredis);
    miss(redis, why);
}

static void on_found(void *ctx, const char *address, const char *why) {
    struct redis *redis = ctx;
    char text[TLS_WHY];

    redis->resolving = 0;
    if (address != NULL) {
        connect_to(redis, address);
        return;
    }
    snprintf(text, sizeof text, "%.128s: %s", redis->host, why);
    lose(redis, text);
}

/* Where Redis is now. False: nobody knows. */
static bool locate(struct redis *redis) {
    const struct target_host *host =
        redis->where != NULL ? redis->where(redis->where_ctx) : &redis->target.hosts[0];

    if (host == NULL)
        return false;
    free(redis->host);
    redis->host = mem_string(host->name);
    redis->port = host->port;
    return true;
}

static void attempt(struct redis *redis) {
    if (redis->resolver == NULL) {
        connect_to(redis, NULL);
        return;
    }
    if (!locate(redis)) {
        lose(redis, "no sentinel has named a master");
        return;
    }
    redis->resolving = ev_now(redis->loop);
    resolver_ask(redis->resolver, redis->host);
    ev_timer_again(redis->loop, &redis->pulse);
}

static void on_retry(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    attempt(timer->data);
}

/* --------------------------------------------------------- commands and replies */

/* Answers by which a Redis says that it is not the master, whatever was asked. */
static bool says_replica(const redisReply *reply) {
    return reply->type == REDIS_REPLY_ERROR &&
           (strncmp(reply->str, "READONLY", 8) == 0 || strncmp(reply->str, "MASTERDOWN", 10) == 0);
}

static void on_reply(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct pending *pending = ctx;
    struct redis *redis = pending->redis;

    if (reply != NULL)
        heard(redis);
    redis->unanswered--;
    if (pending->fn != NULL)
        pending->fn(pending->ctx, reply);
    if (reply != NULL && redis->hiredis == hiredis && says_replica(reply))
        doom(redis, ((const redisReply *)reply)->str);
    free(pending);
}

static void on_pulse_back(struct redis *redis) {
    redis->pulses_back++;
    if (redis->events->pulsed != NULL)
        redis->events->pulsed(redis->ctx, redis->pulses_back);
}

static bool is_pulse(const struct redis *redis, const redisReply *channel) {
    return channel->len == strlen(redis->pulse_name) &&
           memcmp(channel->str, redis->pulse_name, channel->len) == 0;
}

/*
 * Without signs of life the connection is good for nothing. But while a script runs for long
 * Redis refuses everything, and the next sign of life says what this one would have.
 */
static void on_refusal(struct redis *redis, const redisReply *channel, const redisReply *why) {
    if (is_pulse(redis, channel) && strncmp(why->str, "BUSY ", 5) == 0)
        redis->pulses_back++;
    else if (redis->events->refused == NULL || is_pulse(redis, channel))
        give_up(redis, why->str);
    else
        redis->events->refused(redis->ctx, channel->str, channel->len, why->str, why->len);
}

static void on_subscription(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    const redisReply *r = reply;
    (void)ctx;

    if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements < 3 || redis->hiredis != hiredis)
        return;
    heard(redis);
    const char *kind = r->element[0]->str;
    const redisReply *channel = r->element[r->elements - 2];
    const redisReply *payload = r->element[r->elements - 1];
    if (strcmp(kind, "message") == 0 || strcmp(kind, "pmessage") == 0) {
        redis->events->message(redis->ctx, channel->str, channel->len, payload->str, payload->len);
        return;
    }
    forget_first(redis);
    if (payload->type == REDIS_REPLY_STRING)
        on_refusal(redis, channel, payload);
    else if (is_pulse(redis, channel))
        on_pulse_back(redis);
    else if (redis->events->subscribed != NULL)
        redis->events->subscribed(redis->ctx, channel->str, channel->len,
                                  strstr(kind, "unsubscribe") == NULL);
}

static void on_pong(redisAsyncContext *hiredis, void *reply, void *ctx) {
    (void)ctx;
    if (reply != NULL)
        heard(hiredis->data);
}

uint64_t redis_pulse(struct redis *redis) {
    if (redis->state != REDIS_UP || redis->hiredis == NULL)
        return 0;
    asked(redis);
    if (redisAsyncCommand(redis->hiredis, on_subscription, NULL, "SUBSCRIBE %s",
                          redis->pulse_name) != REDIS_OK)
        return 0;
    remember(redis, "subscribe", redis->pulse_name, strlen(redis->pulse_name));
    return ++redis->pulses_sent;
}

/* The resolver goes on; the next attempt takes up what it has found by then. */
static void judge_look_up(struct redis *redis) {
    if (ev_now(redis->loop) - redis->resolving > redis->timeout)
        lose(redis, "its name is not resolved in time");
}

static void on_pulse(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct redis *redis = timer->data;
    (void)events;

    if (redis->resolving != 0)
        judge_look_up(redis);
    if (redis->hiredis == NULL)
        return;
    if (redis->asked != 0 && ev_now(loop) - redis->asked > redis->timeout &&
        ev_now(loop) - redis->heard > redis->timeout) {
        give_up(redis, "no answer in time");
        return;
    }
    if (redis->state != REDIS_UP)
        return;
    settle(redis);
    if (redis->subscriber) {
        redis_pulse(redis);
        return;
    }
    asked(redis);
    if (redis->any_role || redis->no_role)
        redisAsyncCommand(redis->hiredis, on_pong, NULL, "PING");
    else
        redisAsyncCommand(redis->hiredis, on_role, NULL, "ROLE");
}

enum err redis_command(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                       const char **argv, const size_t *lens) {
    if (redis->state != REDIS_UP || redis->hiredis == NULL)
        return ERR_REDIS;
    struct pending *pending = mem_new(sizeof *pending);
    *pending = (struct pending){.fn = reply, .ctx = ctx, .redis = redis};
    asked(redis);
    if (redisAsyncCommandArgv(redis->hiredis, on_reply, pending, argc, argv, lens) != REDIS_OK) {
        free(pending);
        return ERR_REDIS;
    }
    redis->unanswered++;
    return ERR_OK;
}

static enum err subscription(struct redis *redis, const char *verb, const char *channel,
                             size_t len) {
    const char *argv[] = {verb, channel};
    const size_t lens[] = {strlen(verb), len};

    if (redis->state != REDIS_UP || redis->hiredis == NULL)
        return ERR_REDIS;
    asked(redis);
    if (redisAsyncCommandArgv(redis->hiredis, on_subscription, NULL, 2, argv, lens) != REDIS_OK)
        return ERR_REDIS;
    remember(redis, verb, channel, len);
    return ERR_OK;
}

enum err redis_subscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    return subscription(redis, pattern ? "psubscribe" : "subscribe", channel, len);
}

enum err redis_unsubscribe(struct redis *redis, const char *channel, size_t len, bool pattern) {
    return subscription(redis, pattern ? "punsubscribe" : "unsubscribe", channel, len);
}

/* ---------------------------------------------------- a command that subscribes */

/*
 * hiredis 0.14 takes a SUBSCRIBE for the beginning of subscribed mode, also inside of
 * MULTI, where Redis only answers QUEUED. So the whole transaction goes out as the text
 * of one command, and the replies to the rest of it are expected by commands of no length.
 * Messages come after the last of these. The subscriptions that follow let hiredis
 * know that there are any; for Redis they are nothing new.
 */
enum {
    JOIN_COMMANDS = 6, /* MULTI, the command, CLIENT ID, SUBSCRIBE, PSUBSCRIBE, EXEC */
    JOIN_MAX = 65536
};

static void add_command(struct buf *text, int argc, const char **argv, const size_t *lens) {
    char *command = NULL;
    long long len = redisFormatCommandArgv(&command, argc, argv, lens);

    if (len > 0)
        buf_add(text, command, (size_t)len);
    redisFreeCommand(command);
}

static void add_words(struct buf *text, const char *verb, const char *word) {
    const char *argv[] = {verb, word};
    const size_t lens[] = {strlen(verb), word != NULL ? strlen(word) : 0};
    add_command(text, word != NULL ? 2 : 1, argv, lens);
}

static void on_queued(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    redis->joining -= reply != NULL;
    on_pong(hiredis, reply, ctx);
}

/* The reply to EXEC is a list of all replies. */
static void on_joined(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    redis->joining -= reply != NULL;
    on_reply(hiredis, reply, ctx);
}

enum err redis_join(struct redis *redis, redis_reply_fn *reply, void *ctx, int argc,
                    const char **argv, const size_t *lens, const char *channel,
                    const char *pattern) {
    static const char nothing[] = "*1\r\n$4\r\nPING\r\n"; /* of which no byte is sent */

    if (redis->state != REDIS_UP || redis->hiredis == NULL)
        return ERR_REDIS;
    struct pending *pending = mem_new(sizeof *pending);
    *pending = (struct pending){.fn = reply, .ctx = ctx, .redis = redis};
    struct buf text = buf_make(JOIN_MAX);
    add_words(&text, "MULTI", NULL);
    add_command(&text, argc, argv, lens);
    add_words(&text, "CLIENT", "ID");
    add_words(&text, "SUBSCRIBE", channel);
    add_words(&text, "PSUBSCRIBE", pattern);
    add_words(&text, "EXEC", NULL);
    asked(redis);
    int sent = redisAsyncFormattedCommand(redis->hiredis, on_queued, NULL, text.data, text.len);
    for (int i = 2; i < JOIN_COMMANDS && sent == REDIS_OK; i++)
        sent = redisAsyncFormattedCommand(redis->hiredis, on_queued, NULL, nothing, 0);
    if (sent == REDIS_OK)
        sent = redisAsyncFormattedCommand(redis->hiredis, on_joined, pending, nothing, 0);
    buf_free(&text);
    if (sent != REDIS_OK) {
        free(pending);
        return ERR_REDIS;
    }
    redis->unanswered++;
    redis->joining = JOIN_COMMANDS;
    if (redis_subscribe(redis, channel, strlen(channel), false) != ERR_OK ||
        redis_subscribe(redis, pattern, strlen(pattern), true) != ERR_OK)
        return ERR_OK; /* it is being lost, and the reply is NULL */
    return ERR_OK;
}

void redis_flush(struct redis *redis) {
    if (redis->unwritten && redis->state == REDIS_UP && redis->hiredis != NULL)
        redisAsyncHandleWrite(redis->hiredis);
    if (redis->unwritten && redis->relay != NULL)
        tls_relay_pump(redis->relay);
    redis->unwritten = false;
}

/* Waits until hiredis has something to read (true), or can write where it wants to. */
static bool await(const struct redis *redis, bool write, int milliseconds) {
    struct pollfd ready[] = {{.fd = redis->hiredis->c.fd, .events = POLLIN},
                             {.fd = -1, .events = POLLIN}};

    if (write)
        ready[0].events |= POLLOUT;
    if (redis->relay != NULL) {
        tls_relay_pump(redis->relay);
        ready[1].fd = tls_relay_wire(redis->relay);
    }
    if (poll(ready, 2, milliseconds) > 0 && redis->relay != NULL && ready[1].revents != 0) {
        tls_relay_pump(redis->relay);
        (void)poll(ready, 1, 0);
    }
    return (ready[0].revents & ~POLLOUT) != 0;
}

bool redis_waits(const struct redis *redis) {
    if (redis->hiredis == NULL)
        return false;
    struct pollfd ready = {.fd = redis->hiredis->c.fd, .events = POLLIN};
    return poll(&ready, 1, 0) == 1;
}

bool redis_owed(const struct redis *redis) {
    return redis->pulses_back != redis->pulses_sent;
}

void redis_drain(struct redis *redis) {
    for (int i = 0; i < DRAIN_READS && redis->state == REDIS_UP && redis->hiredis != NULL; i++) {
        if (!await(redis, false, 0))
            return;
        redisAsyncHandleRead(redis->hiredis);
    }
}

static double monotonic(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

void redis_finish(struct redis *redis, double seconds) {
    double end = monotonic() + seconds, left;

    while (redis->unanswered > 0 && redis->state == REDIS_UP && redis->hiredis != NULL &&
           (left = end - monotonic()) > 0) {
        redisAsyncHandleWrite(redis->hiredis);
        if (redis->hiredis == NULL)
            return;
        bool full = redis->hiredis->c.obuf != NULL && redis->hiredis->c.obuf[0] != '\0';
        if (await(redis, full, (int)(left * 1000) + 1))
            redisAsyncHandleRead(redis->hiredis);
    }
}

/* -------------------------------------------------------------- life and looks */

static void pair(struct redis *redis, struct redis *companion) {
    if (companion->companion != NULL)
        companion->companion->companion = NULL;
    redis->companion = companion;
    companion->companion = redis;
}

struct redis *redis_new(struct ev_loop *loop, const struct redis_options *options) {
    struct redis *redis = mem_new(sizeof *redis);
    redis->loop = loop;
    redis->name = mem_string(options->name);
    redis->timeout = options->timeout;
    redis->subscriber = options->subscriber;
    if (options->subscriber)
        names_own(redis->pulse_name, options->prefix, "pulse");
    redis->events = options->events;
    redis->ctx = options->ctx;
    redis->backoff = BACKOFF_FIRST;
    if (target_parse(options->url, &redis->target) != ERR_OK)
        abort(); /* main() has checked it */
    if (redis->target.path == NULL)
        redis->resolver = resolver_new(loop, on_found, redis);
    redis->config = options->config;
    redis->where = options->where;
    redis->where_ctx = options->where_ctx;
    redis->any_role = options->any_role;
    if (options->companion != NULL)
        pair(redis, options->companion);
    ev_timer_init(&redis->end, on_end, 0, 0);
    ev_timer_init(&redis->retry, on_retry, 0, 0);
    ev_init(&redis->pulse, on_pulse);
    double pulse = redis->timeout / 2 < PULSE ? redis->timeout / 2 : PULSE;
    redis->pulse.repeat = pulse;
    redis->retry.data = redis->pulse.data = redis->end.data = redis;
    ev_timer_start(loop, &redis->retry);
    return redis;
}

void redis_free(struct redis *redis) {
    if (redis == NULL)
        return;
    redis->freeing = true;
    ev_timer_stop(redis->loop, &redis->retry);
    ev_timer_stop(redis->loop, &redis->pulse);
    ev_timer_stop(redis->loop, &redis->end);
    if (redis->companion != NULL)
        redis->companion->companion = NULL;
    if (redis->hiredis != NULL)
        redisAsyncFree(redis->hiredis);
    drop_relay(redis);
    tls_free(redis->tls);
    resolver_free(redis->resolver);
    target_free(&redis->target);
    free(redis->host);
    free(redis->name);
    free(redis);
}

enum redis_state redis_state(const struct redis *redis) {
    return redis->state;
}

long redis_peer(const struct redis *redis) {
    struct ucred peer = {0};
    socklen_t len = sizeof peer;

    if (redis->hiredis == NULL || redis->target.path == NULL ||
        getsockopt(redis->hiredis->c.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0)
        return 0;
    return peer.pid;
}

int redis_database(const struct redis *redis) {
    return redis->target.db;
}

void redis_leave(struct redis *redis, const char *why) {
    doom(redis, why);
}

const char *redis_trouble(const struct redis *redis) {
    return redis->trouble[0] != '\0' ? redis->trouble : NULL;
}

bool redis_is_error(const redis_reply *reply) {
    return reply != NULL && reply->type == REDIS_REPLY_ERROR;
}

const char *redis_text(const redis_reply *reply, size_t *len) {
    *len = 0;
    if (reply == NULL || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS &&
                          reply->type != REDIS_REPLY_ERROR))
        return NULL;
    *len = reply->len;
    return reply->str;
}

int64_t redis_integer(const redis_reply *reply, int64_t fallback) {
    return reply != NULL && reply->type == REDIS_REPLY_INTEGER ? reply->integer : fallback;
}

size_t redis_count(const redis_reply *reply) {
    return reply != NULL && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0;
}

const redis_reply *redis_item(const redis_reply *reply, size_t index) {
    return index < redis_count(reply) ? reply->element[index] : NULL;
}

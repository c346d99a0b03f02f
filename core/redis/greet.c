/*
 * What is said to a Redis that took our connection: AUTH and SELECT where the address asks for
 * them; ROLE, since only a master will do; CLIENT SETNAME, whose answer means "up". All of it
 * goes out at once; the first refusal dooms the connection.
 */
#include "core/redis/_redis.h"

#include <stdio.h>
#include <string.h>

#include "core/base/log.h"

/* ------------------------------------------------------------------ answers */

/*
 * A question of the greeting was answered; `verb` is what it began with. False: it was
 * refused. (Who does not know AUTH says back what stood behind it: the password.)
 */
static bool greeted(redisAsyncContext *hiredis, const redisReply *answer, const char *verb) {
    struct redis *redis = hiredis->data;
    char why[TLS_WHY];

    if (answer == NULL || redis->hiredis != hiredis)
        return false;
    redis_heard(redis);
    if (answer->type != REDIS_REPLY_ERROR)
        return true;
    const char *said_back = strstr(answer->str, ", with args");
    snprintf(why, sizeof why, "%s: %.*s", verb,
             said_back != NULL ? (int)(said_back - answer->str) : TLS_WHY, answer->str);
    redis_leave(redis, why);
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
        redis_leave(redis, "it is a replica");
}

static void on_role(redisAsyncContext *hiredis, void *reply, void *ctx) {
    struct redis *redis = hiredis->data;
    (void)ctx;
    if (reply == NULL || redis->hiredis != hiredis)
        return;
    redis_heard(redis);
    judge_role(redis, reply);
}

static void on_pong(redisAsyncContext *hiredis, void *reply, void *ctx) {
    (void)ctx;
    if (reply != NULL)
        redis_heard(hiredis->data);
}

void redis_ask_role(struct redis *redis) {
    if (redis->any_role || redis->no_role)
        redisAsyncCommand(redis->hiredis, on_pong, NULL, "PING");
    else
        redisAsyncCommand(redis->hiredis, on_role, NULL, "ROLE");
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
    redis_heard(redis);
    redis->state = REDIS_UP;
    redis->up_since = ev_now(redis->loop);
    if (redis->subscriber)
        redis_catch_refusals(redis->hiredis, redis);
    if (redis->trouble[0] == '\0')
        redis_say_up(redis);
    redis->events->up(redis->ctx);
}

/* ---------------------------------------------------------------- questions */

void redis_greet(struct redis *redis) {
    static char auth[] = "AUTH", select[] = "SELECT", name[] = "CLIENT SETNAME";
    const struct target *target = &redis->target;
    redisAsyncContext *hiredis = redis->hiredis;

    redis_asked(redis);
    redis->no_role = false; /* what was refused once may be permitted now */
    if (target->user[0] != '\0')
        redisAsyncCommand(hiredis, on_greeting, auth, "AUTH %s %s", target->user, target->password);
    else if (target->password[0] != '\0')
        redisAsyncCommand(hiredis, on_greeting, auth, "AUTH %s", target->password);
    if (target->db != 0)
        redisAsyncCommand(hiredis, on_greeting, select, "SELECT %d", target->db);
    if (!redis->any_role)
        redis_ask_role(redis);
    redisAsyncCommand(hiredis, on_named, name, "CLIENT SETNAME %s", redis->name);
}

/* Redis as a test sees it: as any script that publishes, and as an
 * administrator who looks into it.
 *
 * The connection belongs to the process that opened it: a forked test opens
 * its own. It is opened again when Redis was restarted.
 */
#include "tests/lib/store.h"

#include "tests/lib/keep.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static redisReply *attempt(struct lab *lab, const char *format, va_list args) {
    if (lab->store_owner != getpid()) {
        lab->store = NULL; /* the parent's: not ours to use or to free */
        lab->store_owner = getpid();
    }
    if (lab->store && lab->store->err) {
        redisFree(lab->store);
        lab->store = NULL;
    }
    if (!lab->store)
        lab->store = redisConnectUnix(lab->redis_socket);
    if (!lab->store || lab->store->err)
        return NULL;
    return redisvCommand(lab->store, format, args);
}

static redisReply *attempt_twice(struct lab *lab, const char *format, va_list args) {
    redisReply *reply;
    va_list again;

    va_copy(again, args);
    reply = attempt(lab, format, args);
    if (!reply) /* the connection may have been to a Redis that was stopped since */
        reply = attempt(lab, format, again);
    va_end(again);
    return reply;
}

const redisReply *store_try(struct lab *lab, const char *format, ...) {
    redisReply *reply;
    va_list args;

    va_start(args, format);
    reply = attempt_twice(lab, format, args);
    va_end(args);
    return reply ? keep(reply) : NULL;
}

const redisReply *store_do(struct lab *lab, const char *format, ...) {
    redisReply *reply;
    va_list args;

    va_start(args, format);
    reply = attempt_twice(lab, format, args);
    va_end(args);
    must(reply, "Redis does not answer: %s", format);
    must(reply->type != REDIS_REPLY_ERROR, "%s: %s", format, reply->str);
    return keep(reply);
}

long long store_publish(struct lab *lab, const char *channel, const char *payload) {
    return store_do(lab, "PUBLISH halley:%s %s", channel, payload)->integer;
}

const char *store_add(struct lab *lab, const char *channel, const char *payload) {
    const redisReply *reply = store_do(lab, "FCALL halley_publish 1 %s %s", channel, payload);

    must(reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS,
         "halley_publish answers type %d instead of an id", reply->type);
    return reply->str;
}

void store_add_many(struct lab *lab, const char *channel, int count) {
    for (int i = 1; i <= count; i++)
        store_add(lab, channel, keepf("%d", i));
}

long long store_held(struct lab *lab, const char *channel) {
    return store_do(lab, "XLEN halley.history:{%s}", channel)->integer;
}

pid_t store_leader(struct lab *lab) {
    const redisReply *reply = store_do(lab, "HGET halley.lease:sequencer owner");
    const char *colon = reply->type == REDIS_REPLY_STRING ? strchr(reply->str, ':') : NULL;

    return colon ? (pid_t)atol(colon + 1) : 0;
}

long long store_followers(struct lab *lab, const char *channel) {
    const redisReply *reply = store_do(lab, "PUBSUB NUMSUB halley.live:{%s}", channel);

    return reply->elements == 2 ? reply->element[1]->integer : 0;
}

bool store_session_held(struct lab *lab) {
    static const char script[] = "for _, key in ipairs(redis.call('KEYS', 'halley.session:{*')) do "
                                 "local session = cmsgpack.unpack(redis.call('GET', key)) "
                                 "if session.h and not session.c then return 1 end end return 0";
    const redisReply *reply = store_do(lab, "EVAL %s 0", script);

    return reply->type == REDIS_REPLY_INTEGER && reply->integer == 1;
}

void store_close(struct lab *lab) {
    if (lab->store && lab->store_owner == getpid())
        redisFree(lab->store);
    lab->store = NULL;
}

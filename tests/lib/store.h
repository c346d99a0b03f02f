#ifndef HALLEY_TESTS_STORE_H
#define HALLEY_TESTS_STORE_H

#include "tests/lib/lab.h"

/* One Redis command, as redisCommand() takes it. The reply is kept; an error
 * reply or a lost connection fails the test. */
const redisReply *store_do(struct lab *lab, const char *format, ...);

/* The same, but gives errors back: NULL when Redis cannot be reached. */
const redisReply *store_try(struct lab *lab, const char *format, ...);

/* A bare PUBLISH, as any script does it: how many listened. */
long long store_publish(struct lab *lab, const char *channel, const char *payload);

/* FCALL halley_publish: the id; kept. */
const char *store_add(struct lab *lab, const char *channel, const char *payload);

/* Publishes `count` messages "1", "2", ... durably. */
void store_add_many(struct lab *lab, const char *channel, int count);

/* How many entries the channel's history holds. */
long long store_held(struct lab *lab, const char *channel);

/* Process id of the worker that holds the lease; 0: none does. */
pid_t store_leader(struct lab *lab);

/* How many processes follow the channel's live feed. */
long long store_followers(struct lab *lab, const char *channel);

/* Whether a request holds some session that is not closed (core/redis/session.lua). */
bool store_session_held(struct lab *lab);

void store_close(struct lab *lab);

#endif

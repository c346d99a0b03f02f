/* A Redis that does only what a test says.
 *
 * It takes the place of core/redis/redis.c: a test that calls any function of this header
 * is linked with it, and with everything above redis as it really is. Commands
 * are kept until the test answers them; nothing happens by itself.
 */
#ifndef HALLEY_TESTS_FAKE_REDIS_H
#define HALLEY_TESTS_FAKE_REDIS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/redis/redis.h"

/* The process that it says is at the other end. */
enum { FAKE_PEER = 4711 };

/* The connection that was made under that name; fails the test if there is none. */
struct redis *fake_connection(const char *name);

/* The same; NULL if there is none. */
struct redis *fake_find(const char *name);

/* Makes a connection that nobody listens to. */
struct redis *fake_new(const char *name);

void fake_up(struct redis *redis);   /* connected; tells `up` */
void fake_down(struct redis *redis); /* was up: answers everything with NULL, tells `down` */
void fake_away(struct redis *redis); /* an attempt failed: tells `away` */

/* How many commands are not answered, and the oldest of them: its words with single
 * spaces between them; "" if there is none. Kept. */
size_t fake_waiting(struct redis *redis);
const char *fake_asked(struct redis *redis);

/* The libraries are there, newer than ours: whatever asks for one, now and from time to time from
 * now on, is answered so, and the test does not see it among the commands. */
void fake_library(struct redis *redis);

/* Answers the oldest command and frees the reply; NULL: the connection was lost. */
void fake_answer(struct redis *redis, redis_reply *reply);

/* Takes the oldest command away, which must be this one, and answers it. */
#define fake_expect(redis, words, reply)                                                           \
    do {                                                                                           \
        ck_assert_str_eq(fake_asked(redis), words);                                                \
        fake_answer(redis, reply);                                                                 \
    } while (0)

/* "subscribe x", "unsubscribe x", "psubscribe x", ... since the last call, with "|" between. */
const char *fake_subscriptions(struct redis *redis);

/* Redis confirms what was asked for (in the order in which it was). */
void fake_confirm(struct redis *redis);

/* Whether redis_renew() was called since the last time: the test is to lose the connection. */
bool fake_renewed(struct redis *redis);

/* What redis_trouble() says from now on; borrowed, or NULL. */
void fake_trouble(struct redis *redis, const char *trouble);

/* A message on a subscribed channel. */
void fake_say(struct redis *redis, const char *channel, const char *text);

/* Is called once, while a program that ends takes the last answers (redis_finish()). */
void fake_at_finish(void (*answer)(void));

/* The same, not read yet: redis_drain() or fake_deliver() brings it. */
void fake_say_later(struct redis *redis, const char *channel, const char *text);
void fake_deliver(struct redis *redis);

/* Everything said so far is read, and every fence that was asked for passes. */
void fake_pulse(struct redis *redis);

/* Replies; each is freed by whoever answers with it. */
redis_reply *reply_text(const char *text);
redis_reply *reply_error(const char *text);
redis_reply *reply_number(long long number);
redis_reply *reply_list(size_t count, ...);

/* What halley_installation answers: nobody else is there, the prefix was put down at `since`. */
redis_reply *reply_library(const char *since);

/* A fence that the connection asked for by itself is under way, or not any more. */
void fake_owe(struct redis *redis, bool owed);

/* What halley_read answers; `entries` are "id at payload|id at payload". `gap`: in front of
 * which of them, 1 for the first; 0: none. */
redis_reply *reply_page(const char *tail, int gap, bool more, const char *entries);

#endif

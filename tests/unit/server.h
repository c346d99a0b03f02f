/* A private redis-server of one test, with the function libraries loaded. */
#ifndef HALLEY_TESTS_SERVER_H
#define HALLEY_TESTS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Starts Redis in a folder of its own; it ends with the test. `append_only`: with that file on. */
void server_start(bool append_only);

/* Ends Redis with SIGKILL and starts another process on what it left on its disk. */
void server_kill_and_start(void);

/* The path of its unix socket, for a connection of one's own. */
const char *server_socket(void);

/* Takes the function libraries away and loads them anew: what it remembered is forgotten. */
void server_flush_functions(void);

/* Makes Redis a replica of nobody who is there, and then a master again, as a failover does. */
void server_promote(void);

/* From now on the functions take the time from here, in milliseconds, instead of a clock. What
 * they remember of this Redis is forgotten when that begins. */
void server_clock(uint64_t at);

/* One command, as redisCommand() takes it. Its reply as text, kept: strings as they
 * are, integers, "nil", "!" and the words of an error, "[a b c]" for arrays. */
__attribute__((format(printf, 1, 2))) const char *ask(const char *format, ...);

/* The same for a command of which bytes are part. */
const char *ask_bytes(int argc, const char *const *argv, const size_t *lens);

/* The same, and fails the test if the reply is an error. */
__attribute__((format(printf, 1, 2))) const char *must_ask(const char *format, ...);

/* What a subscriber of its own heard since the last call, one message after the other
 * as "channel: text\n"; waits for at least `count` of them. Begin with listen_to(). */
void listen_to(const char *channel);
const char *heard(int count);

/* A client of its own that is told of changed keys as halley.fcgi's is (CLIENT TRACKING); and
 * whether something was told it by now, which is read away. */
void listen_to_changes(const char *prefix);
bool changes_told(void);

/* An id's parts; fails the test if it is none. */
uint64_t epoch_of(const char *id);
uint64_t n_of(const char *id);

#endif

/*
 * What Redis tells of tokens that are good no more (rights/revoked.h), and its consequences for
 * whoever waits here. Each process listens on `<prefix>.revoked`, and asks for all that was said
 * once it listens; so one that starts later, or was cut off, learns it too, in front of whatever it
 * asks Redis for then. One of the files of the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_REVOCATIONS_H
#define HALLEY_REVOCATIONS_H

#include <stdbool.h>
#include <stddef.h>

struct hub;
struct waiter;

/* Where the configuration has keys; else nothing below does anything. */
void revocations_start(struct hub *hub);
void revocations_stop(struct hub *hub);

/* Functions can be called: before anything else is asked; and that is over. */
void revocations_ready(struct hub *hub);
void revocations_away(struct hub *hub);

/* The subscribed connection is up. */
void revocations_up(struct hub *hub);

/* Whether what the subscribed connection says was for these. */
bool revocations_message(struct hub *hub, const char *channel, size_t channel_len, const char *text,
                         size_t len);
bool revocations_subscribed(struct hub *hub, const char *channel, size_t len, bool on);

#endif

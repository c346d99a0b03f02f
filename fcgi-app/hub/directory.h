/*
 * What patterns of channel names stand for (core/data/wildcard.h), as far as somebody here asks.
 * One of the files of the hub. Belongs to the loop's thread.
 */
#ifndef HALLEY_DIRECTORY_H
#define HALLEY_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct directory;
struct hub;

enum { PATTERN_CHANNELS_MAX = 1000, DIRECTORY_MAX = 1000 /* patterns */ };

struct directory *directory_new(struct hub *hub);

/* When the connections are gone, and nobody waits for an answer. */
void directory_free(struct directory *directory);

/*
 * Has Redis asked what a valid pattern stands for, unless that is known. `done` is called once,
 * now or later; with false where it cannot be known for now.
 */
void directory_ask(struct directory *directory, const char *pattern, size_t len,
                   void (*done)(void *ctx, bool known), void *ctx);

/*
 * Calls `each` with every channel that the pattern stands for, at most PATTERN_CHANNELS_MAX, and
 * the millisecond since which it does. False: that is not known.
 */
bool directory_each(const struct directory *directory, const char *pattern, size_t len,
                    void (*each)(void *ctx, const char *name, size_t len, uint64_t born),
                    void *ctx);

/*
 * Whether what has been a channel since `born` (as directory_each() says) became one behind a place
 * of the pattern, whose epoch that is, so that who stands there is owed it from its start. Both in
 * milliseconds; a place may be later than the list by what clocks and ways differ.
 */
static inline bool directory_newborn(uint64_t born, uint64_t place) {
    enum { BIRTH_SLACK = 20000 };
    return born + BIRTH_SLACK >= place;
}

/* What the subscribed connection says. The last two tell whether it was for the directory;
 * `refusal`: NULL: it is subscribed. */
void directory_up(struct directory *directory);
void directory_ready(struct directory *directory); /* the functions can be called */
void directory_down(struct directory *directory);
void directory_away(struct directory *directory); /* nobody is kept waiting */
bool directory_message(struct directory *directory, const char *channel, size_t channel_len,
                       const char *text, size_t len);
bool directory_subscribed(struct directory *directory, const char *channel, size_t len,
                          const char *refusal);

#endif

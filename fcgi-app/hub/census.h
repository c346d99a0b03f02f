/*
 * Who waits on which channel, told to an operator who asks (`halley channels`): on
 * `<prefix>.census` he says a word, and every process puts what it holds into the list
 * `halley.census:<word>`, which lives for some seconds. One of the files of the hub. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_CENSUS_H
#define HALLEY_CENSUS_H

#include <stdbool.h>
#include <stddef.h>

struct hub;

/* The subscribed connection is up. */
void census_up(struct hub *hub);

/* Whether what the subscribed connection says was for the census. */
bool census_message(struct hub *hub, const char *channel, size_t channel_len, const char *word,
                    size_t len);
bool census_subscribed(const struct hub *hub, const char *channel, size_t len);

#endif

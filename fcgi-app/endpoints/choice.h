/*
 * Channels that are put together for somebody who reads: what patterns stand for, and what he
 * names. Belongs to the loop's thread.
 */
#ifndef HALLEY_CHOICE_H
#define HALLEY_CHOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/hub/place.h"

/* The patterns themselves come first, because they are followed like channels (hub/directory.c);
 * then what they stand for, and what was named. Names are borrowed, those that a pattern brought
 * from the directory: until the loop goes on. */
struct choice {
    const struct app *app;
    const struct identity *who; /* for whom; NULL: nobody known */
    struct hub_channel *channels;
    uint64_t *born; /* of each, the millisecond since which it is a channel; 0: it was named */
    size_t count, room;
};

void choice_name(struct choice *to, const char *name, size_t len);

/*
 * Valid patterns, and what they stand for as far as he may read it. Before anything that was
 * named. What is one too many is left out, and counted. False: it is not known what one of them
 * stands for.
 */
bool choice_patterns(struct choice *to, const struct hub_channel *patterns, size_t count);

/* Whether it is known what the pattern stands for; else directory_ask() does something about it. */
bool choice_knows(const struct app *app, const char *pattern, size_t len);

/* Notes at `who` what the site is to be asked of the channels that a pattern stands for. */
void choice_note_questions(const struct app *app, const struct identity *who, const char *pattern,
                           size_t len);

/* Keeps each channel once, the first of a name. */
void choice_each_once(struct choice *all);

/*
 * Sets where each begins, by `since`: now, start, -K or a cursor. What became a channel behind
 * the place of a pattern in a cursor begins at its start. False if it is none of these.
 */
bool choice_since(struct choice *all, const char *since, size_t len);

/* Gives back all but the channels, or all. */
void choice_keep(struct choice *all);
void choice_free(struct choice *all);

#endif

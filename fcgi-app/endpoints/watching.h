/*
 * Patterns that a session on a connection comes to watch while it is held. Belongs to the loop's
 * thread.
 */
#ifndef HALLEY_WATCHING_H
#define HALLEY_WATCHING_H

#include <stdbool.h>

#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/protocols/change.h"

/* Whether it is known what the change's patterns stand for, if it has any. */
bool watching_knows(const struct app *app, const struct change *change);

/*
 * Has it found out. `done` is called once, now or later: with false where it cannot be known for
 * now.
 */
void watching_ask(struct app *app, const struct change *change, void (*done)(void *ctx, bool known),
                  void *ctx);

/* Notes at `who` what the site is to be asked of what the change's patterns stand for. */
void watching_note_questions(const struct app *app, const struct identity *who,
                             const struct change *change);

/*
 * Whether a visitor may read that much more, by his address: counts channels that are not known
 * yet. If not, why.
 */
bool watching_admits(const struct app *app, const char *address, const struct change *change,
                     struct problem *problem);

/*
 * Does change_add(), and adds the patterns that are not among `places` and what they stand for as
 * far as `who` may read it. False, with `problem`, if something is too much or not known; then
 * nothing was added.
 */
bool watching_add(const struct app *app, const struct identity *who, const struct change *change,
                  struct hub_places *places, struct problem *problem);

#endif

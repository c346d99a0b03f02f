/*
 * Finding out where channels stand, for somebody who is to begin there. Belongs to the loop's
 * thread.
 */
#ifndef HALLEY_BEGIN_H
#define HALLEY_BEGIN_H

#include <stddef.h>

#include "fcgi-app/door/problem.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/hub/place.h"

/*
 * Finds where channels begin, each as its `since` says, and calls `done` once, later: `places`
 * are borrowed and have positions, or NULL and `problem` says why, a 429 if the client at `address`
 * may not have so many new channels; NULL is nobody, who may. Copies the channels.
 */
typedef void begin_fn(void *ctx, const struct hub_places *places, const struct problem *problem);
void begin_ask(struct app *app, const char *address, const struct hub_channel *channels,
               size_t count, begin_fn *done, void *ctx);

#endif

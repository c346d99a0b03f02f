/*
 * The parameters that every reading endpoint has, checked.
 */
#ifndef HALLEY_READ_H
#define HALLEY_READ_H

#include <stdbool.h>

#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/hub/hub.h"

enum { LIMIT_DEFAULT = 100 }; /* messages in one answer, where the request does not say */

/*
 * Sets `*out` to a parameter that is a whole number from `least` to `most`, if it is there. One
 * that is not, or stands there twice, is told in `problem`, and false.
 */
bool read_number(const struct params *params, const char *name, unsigned least, unsigned most,
                 unsigned *out, struct problem *problem);

/*
 * Fills `*read` from a request for read->transport. The channels are the
 * caller's to free(), as read->channels; their names are the request's. On
 * failure `problem` says what is wrong, and there is nothing to free.
 */
bool read_parse(const struct app *app, const struct request *request, struct hub_read *read,
                struct problem *problem);

/* Refuses a request of a reading endpoint that was not parsed yet, as the endpoint does. */
void read_refuse(struct app *app, const struct request *request, struct client *client,
                 const struct problem *problem);

/*
 * Finds a pattern of the request whose channels are not known yet, so that the request cannot
 * be parsed for now: directory_ask() does something about it. NULL: there is none.
 */
const struct param *read_unknown_pattern(const struct app *app, const struct request *request);

/* Notes what the site is to be asked about the request's channels: asked_lacks() of who it is from
 * says whether there is anything. */
void read_note_questions(const struct app *app, const struct request *request);

#endif

/*
 * What clients of the line feed say, and what is done about it. Belongs to the loop's thread.
 */
#ifndef HALLEY_LINE_SESSION_H
#define HALLEY_LINE_SESSION_H

#include "fcgi-app/door/line/server.h"
#include "fcgi-app/endpoints/app.h"

struct line_serving;

/* Serves the line feed in this process. */
struct line_serving *line_serving_new(struct app *app);

/* Whom its door hands connections to. */
struct line_taker line_serving_taker(struct line_serving *serving);

/* Ends those who have said nothing yet; the hub ends all others when it drains. */
void line_serving_end(struct line_serving *serving);

/* Drops who is left, when the hub is gone. Safe on NULL. */
void line_serving_free(struct line_serving *serving);

#endif

/*
 * Why Redis does not serve us, for those who are to be told. Belongs to the loop's thread.
 */
#ifndef HALLEY_TROUBLE_H
#define HALLEY_TROUBLE_H

#include "fcgi-app/door/problem.h"

struct hub;

/*
 * What Redis or the system said last instead of serving us, as a problem for whoever asked, which
 * is returned; `otherwise` is what it says where there are no such words.
 */
struct problem *hub_explain(const struct hub *hub, struct problem *problem, const char *otherwise);

#endif

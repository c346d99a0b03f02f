/*
 * What somebody may do: the one place that every door, endpoint, protocol and dialect asks. Pure
 * functions.
 */
#ifndef HALLEY_RIGHTS_H
#define HALLEY_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/rights/identity.h"

enum rights_verb { RIGHTS_SUBSCRIBE, RIGHTS_PUBLISH };

/* Whether he may do that with a channel; `who` may be NULL. The name is a valid one. */
bool rights_may(const struct config *config, const struct identity *who, enum rights_verb verb,
                const char *name, size_t len);

/*
 * Fills `problem` with why he may not: 401 where somebody might who says who he is, and he has
 * not; else 403.
 */
void rights_explain(const struct config *config, const struct identity *who, enum rights_verb verb,
                    const char *name, size_t len, struct problem *problem);

/* Whether any section asks who somebody is. */
bool rights_wanted(const struct config *config);

/* Whether what some section allows depends on who somebody is. */
bool rights_login(const struct config *config);

/* Prints which section holds for a channel and what it says, and with `who` what he may. */
void rights_print(const struct config *config, const struct identity *who, const char *channel,
                  FILE *out);

#endif

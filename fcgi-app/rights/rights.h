/*
 * What somebody may do: the one place that every door, endpoint, protocol and dialect asks.
 */
#ifndef HALLEY_RIGHTS_H
#define HALLEY_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/rights/asked.h"
#include "fcgi-app/rights/identity.h"

/*
 * Whether he may do that with a channel; `who` may be NULL. The name is a valid one. Where the site
 * is to be asked and was not yet, that is noted at who he is, and he may not for now: see asked.h.
 */
bool rights_may(const struct config *config, const struct identity *who, enum rights_verb verb,
                const char *name, size_t len);

/* Whether he may say that he does not read it any more: the same, but that the site is not asked,
 * which let him in. */
bool rights_may_leave(const struct config *config, const struct identity *who, const char *name,
                      size_t len);

/* Whether he may still read what he was let read: what the site said then holds until it says
 * another thing. */
bool rights_keeps(const struct config *config, const struct identity *who, const char *name,
                  size_t len);

/* Whether a channel was taken away from him (revoked_bans()); what anyone may nobody loses. */
bool rights_banned(const struct config *config, const struct identity *who, enum rights_verb verb,
                   const char *name, size_t len);

/*
 * Fills `problem` with why he may not: 401 where somebody might who says who he is, and he has
 * not, or where the site says so; 503 where it did not answer; else 403.
 */
void rights_explain(const struct config *config, const struct identity *who, enum rights_verb verb,
                    const char *name, size_t len, struct problem *problem);

/* Whether any section asks who somebody is. */
bool rights_wanted(const struct config *config);

/* Whether any section has the site asked. */
bool rights_asks(const struct config *config);

/* Whether what some section allows depends on who somebody is. */
bool rights_login(const struct config *config);

/* Prints which section holds for a channel and what it says, and with `who` what he may. */
void rights_print(const struct config *config, const struct identity *who, const char *channel,
                  FILE *out);

#endif

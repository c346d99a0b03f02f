/*
 * Tokens that are good no more, though they have not expired: those of a user, or one by its `jti`,
 * or those of a user for one channel. Redis keeps what was said (halley.lua, halley_revoke); here
 * is a process's copy, and the identities that it holds against it. Belongs to the loop's thread.
 *
 * Who is to hear of it for what goes on in somebody's name has a watch at that identity.
 */
#ifndef HALLEY_REVOKED_H
#define HALLEY_REVOKED_H

#include <stdbool.h>
#include <stddef.h>

#include "fcgi-app/rights/identity.h"

struct revoked;

enum { REVOKED_MAX = 100000 }; /* as many as Redis keeps */

struct revoked *revoked_new(void);

/* No identity that it was told of may be left. Safe on NULL. */
void revoked_free(struct revoked *revoked);

/* Takes what Redis says, "<at> <until> <words>"; anything else is passed over. revoked_judge()
 * must follow. */
void revoked_take(struct revoked *revoked, const char *text, size_t len, double now);

/*
 * Holds all identities against it: those whose token is good no more are over from `now` on.
 * Returns how many became so; those who watch them, or any identity of which a channel was taken
 * away, are told.
 */
size_t revoked_judge(struct revoked *revoked, double now);

/* An identity that a token has just made: it is held against it from now on. */
void revoked_heed(struct revoked *revoked, struct identity *identity, double now);

/* Whether nobody knows what was said lately: what an identity then does waits, or is refused. */
bool revoked_stale(const struct revoked *revoked);
void revoked_set_stale(struct revoked *revoked, bool stale);

/* Whether a channel was taken away from him; `who` may be NULL. */
bool revoked_bans(const struct identity *who, const char *channel, size_t len);

#endif

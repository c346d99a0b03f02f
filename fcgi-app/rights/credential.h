/*
 * From whom a request is: what it brings by which somebody may be known, and what of that is to be
 * believed. Belongs to the loop's thread.
 */
#ifndef HALLEY_CREDENTIAL_H
#define HALLEY_CREDENTIAL_H

#include <stdbool.h>

#include "core/base/scan.h"
#include "core/config/config.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/door/request.h"

struct asker;
struct credentials;
struct revoked;

enum { CREDENTIALS_MAX = 4096 }; /* verified tokens that are remembered until they expire */

/* Whether names and keys of the configuration can be such; else why not. */
bool credentials_check(const struct config *config, char problem[CONFIG_PROBLEM]);

/* For a configuration that was checked, which is borrowed. NULL, with `problem`, where a key could
 * not be read again. Has the doors look for what it names: before the first request. */
struct credentials *credentials_new(const struct config *config, char problem[CONFIG_PROBLEM]);

/* From now on tokens are held against what was revoked, which is borrowed. */
void credentials_heed(struct credentials *credentials, struct revoked *revoked);

/* From now on the site is asked after visitors, which is borrowed. */
void credentials_ask(struct credentials *credentials, struct asker *asker);

/* Safe on NULL. */
void credentials_free(struct credentials *credentials);

/* Both of these take NULL too: nobody is ever known. */

/* The dear fields that credentials_find() needs. Nothing, where nobody is asked who he is. */
said_set credentials_want(const struct credentials *credentials);

/*
 * Fills the request's `who`, from its parameters too where they were parsed. `scripted`: any page
 * can have a browser send this request and use the answer (JSONP), so that what browsers add by
 * themselves is nobody's word. `now`: Unix seconds. False, with `problem`: it brings something that
 * proves nobody.
 */
bool credentials_find(struct credentials *credentials, struct request *request, bool scripted,
                      double now, struct problem *problem);

/* Whose token that is, held once; NULL, with `problem`, where it proves nobody. */
struct identity *credentials_token(struct credentials *credentials, const char *token, size_t len,
                                   double now, struct problem *problem);

/* An identity that a token made elsewhere (identity_take()) is held against what was revoked. */
void credentials_know(struct credentials *credentials, struct identity *who, double now);

/*
 * Takes a token, a JSON string, that somebody says on a connection that goes on: `*who`, who speaks
 * there and may be NULL, is let go and becomes its. False, with `problem`, and `*who` as it was,
 * where the token proves nobody, or another user than the one who speaks.
 */
bool credentials_renew(struct credentials *credentials, const struct identity **who,
                       struct scan_value token, double now, struct problem *problem);

#endif

/*
 * What the site says when it is asked who may (the alternative `ask`, the option `authorize`).
 *
 * A visitor is asked after with what he brought: cookies, Authorization, his address. That goes
 * along with his identity. Who wants to know what is not known is told so, and the question is
 * noted; whoever decides then asks all that was noted, and when that is answered decides anew:
 *
 *     rights_may() ── false, asked_lacks() ──► asked_ask() ── answered ──► rights_may() again
 *
 * An answer holds for as long as it says itself, for everybody who brings the same; else for what
 * is done with it at once. Belongs to the loop's thread.
 */
#ifndef HALLEY_ASKED_H
#define HALLEY_ASKED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/loop.h"
#include "core/config/config.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/rights/verdicts.h"

enum rights_verb { RIGHTS_SUBSCRIBE, RIGHTS_PUBLISH };

enum {
    ASKED_AT_ONCE = 64, /* questions of one visitor that are noted, and asked together */
    ASKED_ADDRESS = 64  /* that are on their way for one client address (IPv6: a /64) */
};

struct asker; /* of a process: it asks for everybody */
struct asked; /* a visitor who is asked after */

/* Whether libcurl is to be had, with which the site is asked. */
bool asker_can(void);

/* Where asker_can(). `config` and `stats` are borrowed. */
struct asker *asker_new(struct ev_loop *loop, const struct config *config, struct stats *stats);

/* Answers what is on its way with VERDICT_MISSING. Nothing may be asked from then on. */
void asker_end(struct asker *asker);

/* After asker_end(), when nobody is asked after any more. Safe on NULL. */
void asker_free(struct asker *asker);

/* Counted; of what is brought, texts with control characters are as if they were not there. */
struct asked *asked_new(struct asker *asker, const char *cookie, const char *authorization,
                        const char *address);
struct asked *asked_hold(struct asked *asked);

/* Safe on NULL. */
void asked_free(struct asked *asked);

/* A decision begins: what others have noted, and did not ask, is forgotten. Safe on NULL. */
void asked_begin(struct asked *asked);

/* What is known. */
enum verdict asked_known(struct asked *asked, enum rights_verb verb, const char *channel,
                         size_t len);

/* The same; VERDICT_UNKNOWN is noted as a question. */
enum verdict asked_verdict(struct asked *asked, enum rights_verb verb, const char *channel,
                           size_t len);

/*
 * What is known of somebody who was let in before and goes on: a question that is not answered is
 * asked meanwhile, at most every ten seconds, and is no reason to end anything; a no that was
 * heard since is.
 */
bool asked_still(struct asked *asked, enum rights_verb verb, const char *channel, size_t len);

/* Whether something was noted. Safe on NULL. */
bool asked_lacks(const struct asked *asked);

/* Whether any of that is about reading. Likewise. */
bool asked_lacks_reading(const struct asked *asked);

/* Asks what was noted: `done` is called once, later, never from inside this call, when all of it is
 * known, or is known to be missing. `more`: for a decision that has asked before, and needs what it
 * was told then. */
void asked_ask(struct asked *asked, bool more, void (*done)(void *ctx), void *ctx);

#endif

/*
 * Who speaks in a session in Redis. A session that a token opened, or that was told one since, is
 * its user's from then on: that stands in Redis with it, so each request of it has those rights,
 * whichever process is asked and whatever else it brings; and the session ends with the token. A
 * login stands with no session: the web server says it of each request. Belongs to the loop's
 * thread.
 */
#ifndef HALLEY_SPEAKER_H
#define HALLEY_SPEAKER_H

#include <stdbool.h>

#include "core/config/config.h"
#include "core/redis/session.h"
#include "fcgi-app/endpoints/app.h"
#include "fcgi-app/hub/place.h"
#include "fcgi-app/rights/identity.h"

#define SPEAKER_EXPIRED   "the token has expired"
#define SPEAKER_FORBIDDEN "a channel is not allowed any more"
enum { SPEAKER_EXPIRED_CODE = 4401, SPEAKER_FORBIDDEN_CODE = 4403 };

/*
 * What a session is to keep of who speaks in a request, which may be NULL, and with what it is
 * closed when that ends: nothing of whoever has no token. The words are appended to `words`, which
 * stays theirs; `reason` is borrowed.
 */
struct session_who speaker_words(const struct identity *who, struct session_bytes reason,
                                 struct buf *words);

/*
 * Takes what the session says of who speaks: `*who`, the request's, which is let go, becomes that.
 * With `request` a token that the request brought stays, if it is the same user's and ends later.
 * False: the session is another user's than the request's token. What a token said that was taken
 * back meanwhile (rights/revoked.h) is over.
 */
bool speaker_take(const struct app *app, const struct identity **who,
                  const struct session_view *view, bool request);

/* Whether he may read all that a session of his reads; a pattern stands for what he may. */
bool speaker_may_read(const struct config *config, const struct identity *who,
                      const struct hub_places *places);

/* Whether he may go on to read that, as the session stands there: what a token opened is held
 * against what that allows, and where the site was asked, against what it says since. */
bool speaker_keeps(const struct config *config, const struct identity *who,
                   const struct session_view *view, const struct hub_places *places);

#endif

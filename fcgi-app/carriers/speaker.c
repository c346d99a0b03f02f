/*
 * Who speaks in a session.
 */
#include "fcgi-app/carriers/speaker.h"

#include <string.h>

#include "core/data/wildcard.h"
#include "fcgi-app/rights/credential.h"
#include "fcgi-app/rights/rights.h"

static bool has_token(const struct identity *who) {
    return who != NULL && who->expires > 0;
}

struct session_who speaker_words(const struct identity *who, struct session_bytes reason,
                                 struct buf *words) {
    if (!has_token(who))
        return (struct session_who){.ends = 0};
    identity_put(who, words);
    return (struct session_who){.words = {words->data, words->len},
                                .reason = reason,
                                .ends = (int64_t)(who->expires * 1000)};
}

bool speaker_take(const struct app *app, const struct identity **who,
                  const struct session_view *view, bool request) {
    struct identity *kept =
        view->who.len > 0 ? identity_take(view->who.at, view->who.len, (double)view->ends / 1000)
                          : NULL;
    bool same = kept == NULL || !has_token(*who) || strcmp(kept->user, (*who)->user) == 0;

    if (kept == NULL || !same || (request && has_token(*who) && (*who)->expires >= kept->expires)) {
        identity_free(kept);
        return same;
    }
    if (identity_asked(*who) != NULL)
        kept = identity_asking(kept, (*who)->asked);
    credentials_know(app->credentials, kept, ev_now(app->loop));
    identity_free(*who);
    *who = kept;
    return true;
}

bool speaker_may_read(const struct config *config, const struct identity *who,
                      const struct hub_places *places) {
    if (who != NULL && who->revoked)
        return false;
    for (size_t i = 0; i < places->count; i++) {
        const struct hub_channel *place = &places->channels[i];
        if (!wildcard_is(place->name, place->len) &&
            !rights_keeps(config, who, place->name, place->len))
            return false;
    }
    return true;
}

static bool is_asked_for(const struct config *config, const struct hub_channel *place) {
    return (config_channel(config, place->name, place->len)->subscribe.kinds & ACCESS_ASK) != 0;
}

bool speaker_keeps(const struct config *config, const struct identity *who,
                   const struct session_view *view, const struct hub_places *places) {
    if (view->who.len > 0)
        return speaker_may_read(config, who, places);
    for (size_t i = 0; identity_asked(who) != NULL && i < places->count; i++) {
        const struct hub_channel *place = &places->channels[i];
        if (!wildcard_is(place->name, place->len) && is_asked_for(config, place) &&
            !rights_keeps(config, who, place->name, place->len))
            return false;
    }
    return true;
}

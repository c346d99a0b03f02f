/*
 * Rights. A section of the configuration lists alternatives for each verb, and one of them is
 * enough; the site is asked last. Nothing is remembered here: each question is answered from the
 * configuration and from who somebody is, so what a connection carried before it means nothing to
 * what it carries now.
 */
#include "fcgi-app/rights/rights.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/channel.h"
#include "fcgi-app/rights/revoked.h"

static const struct access *access_for(const struct channel_policy *policy, enum rights_verb verb) {
    return verb == RIGHTS_SUBSCRIBE ? &policy->subscribe : &policy->publish;
}

static bool in_named(const struct access *access, const struct identity *who) {
    if (access_names_user(access, who->user))
        return true;
    for (const char *group = who->groups; *group != '\0'; group += strlen(group) + 1) {
        if (access_names_group(access, group))
            return true;
    }
    return false;
}

static bool claims_match(const char *list, const char *channel) {
    for (const char *at = list; *at != '\0'; at += strlen(at) + 1) {
        if (fnmatch(at, channel, 0) == 0)
            return true;
    }
    return false;
}

/* Alternatives that ask who somebody is. */
static bool meets(const struct channel_policy *policy, const struct identity *who,
                  enum rights_verb verb, const char *channel) {
    const struct access *access = access_for(policy, verb);
    const char *claims = verb == RIGHTS_SUBSCRIBE ? who->subscribe : who->publish;
    unsigned kinds = access->kinds;
    bool known = who->user[0] != '\0';

    return ((kinds & ACCESS_USER) != 0 && known) ||
           ((kinds & ACCESS_NAMED) != 0 && in_named(access, who)) ||
           ((kinds & ACCESS_OWNER) != 0 && known && policy->pattern != NULL &&
            access_owns(policy->pattern, channel, who->user)) ||
           ((kinds & ACCESS_TOKEN) != 0 && claims_match(claims, channel));
}

/* How a verdict of the site is taken. */
typedef bool site_fn(struct asked *asked, enum rights_verb verb, const char *channel, size_t len);

static bool site_says_yes(struct asked *asked, enum rights_verb verb, const char *channel,
                          size_t len) {
    return asked_verdict(asked, verb, channel, len) == VERDICT_YES;
}

/* Of what a channel's reader does with it the site is told nothing but that he reads it. */
static bool site_is_not_asked(struct asked *asked, enum rights_verb verb, const char *channel,
                              size_t len) {
    (void)asked, (void)verb, (void)channel, (void)len;
    return true;
}

static bool may(const struct config *config, const struct identity *who, enum rights_verb verb,
                const char *name, size_t len, site_fn *site) {
    const struct channel_policy *policy = config_channel(config, name, len);
    unsigned kinds = access_for(policy, verb)->kinds;
    char channel[CHANNEL_MAX + 1];

    if ((kinds & ACCESS_ANYONE) != 0)
        return true;
    if (kinds == ACCESS_NONE || who == NULL || who->revoked || len > CHANNEL_MAX ||
        revoked_bans(who, name, len))
        return false;
    memcpy(channel, name, len);
    channel[len] = '\0';
    return meets(policy, who, verb, channel) ||
           ((kinds & ACCESS_ASK) != 0 && who->asked != NULL && site(who->asked, verb, name, len));
}

bool rights_banned(const struct config *config, const struct identity *who, enum rights_verb verb,
                   const char *name, size_t len) {
    const struct access *access = access_for(config_channel(config, name, len), verb);
    return (access->kinds & ACCESS_ANYONE) == 0 && revoked_bans(who, name, len);
}

bool rights_may(const struct config *config, const struct identity *who, enum rights_verb verb,
                const char *name, size_t len) {
    return may(config, who, verb, name, len, site_says_yes);
}

bool rights_may_leave(const struct config *config, const struct identity *who, const char *name,
                      size_t len) {
    return may(config, who, RIGHTS_SUBSCRIBE, name, len, site_is_not_asked);
}

bool rights_keeps(const struct config *config, const struct identity *who, const char *name,
                  size_t len) {
    return may(config, who, RIGHTS_SUBSCRIBE, name, len, asked_still);
}

/* Whether the site had the last word. */
static bool asks_site(const struct access *access, const struct identity *who, const char *name,
                      size_t len) {
    return (access->kinds & ACCESS_ASK) != 0 && identity_asked(who) != NULL && !who->revoked &&
           !revoked_bans(who, name, len);
}

void rights_explain(const struct config *config, const struct identity *who, enum rights_verb verb,
                    const char *name, size_t len, struct problem *problem) {
    const struct access *access = access_for(config_channel(config, name, len), verb);
    bool nobody = access->kinds == ACCESS_NONE, login = !nobody && !identity_known(who);
    const char *web = verb == RIGHTS_PUBLISH && nobody ? " from the web" : "";

    if (who != NULL && who->revoked) { /* of something that went on, and is about to end */
        problem_set(problem, 401, "token: it was revoked");
        return;
    }
    if (asks_site(access, who, name, len)) {
        enum verdict verdict = asked_known(who->asked, verb, name, len);
        login = verdict == VERDICT_STRANGER;
        if (verdict == VERDICT_MISSING || verdict == VERDICT_UNKNOWN) {
            problem_later(problem, 503, 2, "channel: the site does not say who may (authorize)");
            return;
        }
    }
    problem_set(problem, login ? 401 : 403, "channel: %s to %.*s%s %s",
                verb == RIGHTS_SUBSCRIBE ? "subscribing" : "publishing", (int)len, name, web,
                login ? "needs a login or a token" : "is not allowed");
}

bool rights_wanted(const struct config *config) {
    for (size_t i = 0; i < config->channel_count; i++) {
        const struct channel_policy *policy = &config->channels[i];
        if (((policy->subscribe.kinds | policy->publish.kinds) & ~(unsigned)ACCESS_ANYONE) != 0)
            return true;
    }
    return false;
}

bool rights_asks(const struct config *config) {
    for (size_t i = 0; i < config->channel_count; i++) {
        const struct channel_policy *policy = &config->channels[i];
        if (((policy->subscribe.kinds | policy->publish.kinds) & ACCESS_ASK) != 0)
            return true;
    }
    return false;
}

static bool asks_who(const struct access *access) {
    return (access->kinds & ACCESS_ANYONE) == 0 && access->kinds != ACCESS_NONE;
}

bool rights_login(const struct config *config) {
    for (size_t i = 0; i < config->channel_count; i++) {
        const struct channel_policy *policy = &config->channels[i];
        if (asks_who(&policy->subscribe) || asks_who(&policy->publish))
            return true;
    }
    return false;
}

static void print_verb(const struct config *config, const struct identity *who,
                       enum rights_verb verb, const char *channel, FILE *out) {
    size_t len = strlen(channel);
    const char *name = verb == RIGHTS_SUBSCRIBE ? "subscribe" : "publish";

    fprintf(out, "%s: %s\n", name, rights_may(config, who, verb, channel, len) ? "yes" : "no");
}

void rights_print(const struct config *config, const struct identity *who, const char *channel,
                  FILE *out) {
    const struct channel_policy *policy = config_channel(config, channel, strlen(channel));

    if (policy->pattern != NULL)
        fprintf(out, "[channel %s]\n", policy->pattern);
    fprintf(out, "subscribe = ");
    access_print(&policy->subscribe, out);
    fprintf(out, "\npublish = ");
    access_print(&policy->publish, out);
    fprintf(out, "\n");
    if (who == NULL)
        return;
    print_verb(config, who, RIGHTS_SUBSCRIBE, channel, out);
    print_verb(config, who, RIGHTS_PUBLISH, channel, out);
}

/*
 * One table, of what Redis tells in its own words: "sub\nS", "jti\nJ", "channel\nS\nC". A name has
 * no control characters, so no two of these are alike. A word that is older than one that is here
 * changes nothing, so it does not matter in which order words come, and how often.
 *
 * A token is older than a word if it was issued (`iat`) up to that second, or does not say when.
 */
#include "fcgi-app/rights/revoked.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "core/data/channel.h"

enum { WORDS_MAX = 16 + IDENTITY_USER_MAX + CHANNEL_MAX };

struct word {
    UT_hash_handle hh;
    double at, until; /* Unix seconds; `until` 0: without end */
    size_t len;
    char text[];
};

struct revoked {
    struct word *words;
    struct ring identities; /* of tokens, that this process has */
    size_t channels;        /* words about a channel */
    bool channel_news;      /* such a one came since all were judged last */
    bool stale;
};

struct revoked *revoked_new(void) {
    struct revoked *revoked = mem_new(sizeof *revoked);

    ring_init(&revoked->identities);
    revoked->stale = true;
    return revoked;
}

static void forget(struct revoked *revoked, struct word *word) {
    HASH_DEL(revoked->words, word);
    revoked->channels -= word->text[0] == 'c';
    free(word);
}

void revoked_free(struct revoked *revoked) {
    struct word *word, *next;

    if (revoked == NULL)
        return;
    HASH_ITER (hh, revoked->words, word, next)
        forget(revoked, word);
    free(revoked);
}

/* --------------------------------------------------------------------------- words */

/* Those that matter no more make room. */
static bool has_room(struct revoked *revoked, double now) {
    struct word *word, *next;

    if (HASH_COUNT(revoked->words) < REVOKED_MAX)
        return true;
    HASH_ITER (hh, revoked->words, word, next) {
        if (word->until != 0 && word->until <= now)
            forget(revoked, word);
    }
    return HASH_COUNT(revoked->words) < REVOKED_MAX;
}

static void keep(struct revoked *revoked, const char *text, size_t len, double at, double until,
                 double now) {
    struct word *word;

    HASH_FIND(hh, revoked->words, text, len, word);
    if (word == NULL) {
        if (!has_room(revoked, now))
            return;
        word = mem_new(sizeof *word + len);
        word->len = len;
        memcpy(word->text, text, len);
        HASH_ADD_KEYPTR(hh, revoked->words, word->text, word->len, word);
        revoked->channels += text[0] == 'c';
    } else if (word->at > at) {
        return;
    }
    word->at = at;
    word->until = until;
    revoked->channel_news |= text[0] == 'c';
}

void revoked_take(struct revoked *revoked, const char *text, size_t len, double now) {
    static const char *const kinds[] = {"sub\n", "jti\n", "channel\n"};
    char numbers[64];
    double at, until;
    int used = 0;

    snprintf(numbers, sizeof numbers, "%.*s", (int)(len < 63 ? len : 63), text);
    if (sscanf(numbers, "%20lf %20lf %n", &at, &until, &used) != 2 || used == 0 ||
        (size_t)used >= len || len - (size_t)used > WORDS_MAX)
        return;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        size_t kind = strlen(kinds[i]);
        if (len - (size_t)used > kind && memcmp(text + used, kinds[i], kind) == 0)
            keep(revoked, text + used, len - (size_t)used, at, until, now);
    }
}

static const struct word *find(const struct revoked *revoked, const char *kind, const char *name,
                               const char *channel, size_t channel_len) {
    char text[WORDS_MAX + 1];
    const struct word *word;
    int len = snprintf(text, sizeof text, "%s\n%s%s%.*s", kind, name, channel_len > 0 ? "\n" : "",
                       (int)channel_len, channel);

    if (len < 0 || (size_t)len >= sizeof text)
        return NULL;
    HASH_FIND(hh, revoked->words, text, (size_t)len, word);
    return word;
}

/* Whether the token is no newer than what was said. */
static bool meant(const struct word *word, const struct identity *who) {
    return word != NULL && (who->issued == 0 || floor(who->issued) <= word->at);
}

/* ---------------------------------------------------------------------- identities */

static bool is_over(const struct revoked *revoked, const struct identity *who) {
    if (revoked->words == NULL)
        return false;
    if (who->jti != NULL && find(revoked, "jti", who->jti, "", 0) != NULL)
        return true;
    return who->user[0] != '\0' && meant(find(revoked, "sub", who->user, "", 0), who);
}

static void end(struct identity *who, double now) {
    who->revoked = true;
    who->expires = now;
}

void revoked_heed(struct revoked *revoked, struct identity *identity, double now) {
    ring_add(&revoked->identities, &identity->heeds);
    identity->heeded = revoked;
    if (is_over(revoked, identity))
        end(identity, now);
}

static void tell(const struct identity *who) {
    struct ring *at = who->watches.next, *next;

    for (; at != &who->watches; at = next) {
        next = at->next;
        struct identity_watch *watch = RING_OF(at, struct identity_watch, ring);
        watch->news(watch);
    }
}

size_t revoked_judge(struct revoked *revoked, double now) {
    size_t ended = 0;

    for (struct ring *at = revoked->identities.next; at != &revoked->identities; at = at->next) {
        struct identity *who = RING_OF(at, struct identity, heeds);
        bool over = !who->revoked && is_over(revoked, who);
        if (over)
            end(who, now);
        ended += over;
        if (over || (revoked->channel_news && !who->revoked))
            tell(who);
    }
    revoked->channel_news = false;
    return ended;
}

bool revoked_stale(const struct revoked *revoked) {
    return revoked != NULL && revoked->stale;
}

void revoked_set_stale(struct revoked *revoked, bool stale) {
    revoked->stale = stale;
}

bool revoked_bans(const struct identity *who, const char *channel, size_t len) {
    const struct revoked *revoked = who != NULL ? who->heeded : NULL;

    return revoked != NULL && revoked->channels > 0 && who->user[0] != '\0' && len > 0 &&
           meant(find(revoked, "channel", who->user, channel, len), who);
}

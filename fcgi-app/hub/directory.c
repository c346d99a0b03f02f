/*
 * Redis keeps the names of all channels, and tells when one comes to stand there (halley.lua,
 * halley_channels, <prefix>.born). A process listens to that from the first pattern on that
 * somebody asks for, and asks for the list of each pattern once it listens: so it misses none.
 * When the connection was lost it listens, and asks, anew; what it did not know becomes a
 * channel then.
 *
 * A pattern is followed like a channel that nobody publishes to (its name is no channel's): so
 * whoever watches it stands in its feed's row, and its place in a cursor is a time, from
 * which on nothing that became a channel may be missed.
 */
#include "fcgi-app/hub/directory.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"
#include "core/data/names.h"
#include "core/data/wildcard.h"
#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/hub/widen.h"

#define NAMES_KEY "halley.channels"
#define BORN_KEY  "halley.channels:born"
#define MOST      "1000" /* PATTERN_CHANNELS_MAX */

struct known {
    UT_hash_handle hh;
    uint64_t born;
    size_t len;
    char name[];
};

struct asker {
    struct asker *next;
    void (*done)(void *ctx, bool known);
    void *ctx;
};

enum knowledge {
    UNASKED, /* to be asked when the directory listens */
    ASKED,
    KNOWN
};

struct pattern {
    UT_hash_handle hh;
    struct directory *directory;
    struct feed *feed; /* of its own name */
    enum knowledge state;
    struct known *names;
    struct asker *askers;
    double asked_at; /* the loop's clock */
    size_t len;
    char text[];
};

struct directory {
    struct hub *hub;
    struct pattern *patterns;
    bool wanted;  /* somebody has asked for a pattern */
    bool listens; /* Redis tells us what is born */
    char name[OWN_NAME_MAX];
    size_t name_len;
};

struct directory *directory_new(struct hub *hub) {
    struct directory *directory = mem_new(sizeof *directory);

    directory->hub = hub;
    directory->name_len = names_own(directory->name, hub->config->prefix, "born");
    return directory;
}

static void answer(struct pattern *pattern, bool known) {
    struct asker *askers = pattern->askers, *asker, *next;

    pattern->askers = NULL;
    LL_FOREACH_SAFE (askers, asker, next) {
        asker->done(asker->ctx, known);
        free(asker);
    }
}

static void forget(struct pattern *pattern) {
    struct known *known, *next;

    HASH_ITER (hh, pattern->names, known, next) {
        HASH_DEL(pattern->names, known);
        free(known);
    }
    HASH_DEL(pattern->directory->patterns, pattern);
    pattern->directory->hub->stats->patterns--;
    feed_release(pattern->feed);
    free(pattern);
}

void directory_free(struct directory *directory) {
    struct pattern *pattern, *next;

    HASH_ITER (hh, directory->patterns, pattern, next)
        forget(pattern);
    free(directory);
}

/* ------------------------------------------------------------------- what is there */

/* NULL: it is known already, or there are too many. */
static struct known *learn(struct pattern *pattern, const char *name, size_t len, uint64_t born) {
    struct known *known;

    HASH_FIND(hh, pattern->names, name, len, known);
    if (known != NULL)
        return NULL;
    if (HASH_COUNT(pattern->names) >= PATTERN_CHANNELS_MAX) {
        pattern->directory->hub->stats->patterns_full++;
        return NULL;
    }
    known = mem_new(sizeof *known + len);
    known->born = born;
    known->len = len;
    memcpy(known->name, name, len);
    HASH_ADD_KEYPTR(hh, pattern->names, known->name, known->len, known);
    return known;
}

static bool take_name(struct pattern *pattern, const char *name, size_t len, uint64_t born,
                      struct hub_channel *channel) {
    const struct config *config = pattern->directory->hub->config;
    const struct known *known = channel_valid(name, len) && widen_possible(config, name, len)
                                    ? learn(pattern, name, len, born)
                                    : NULL;

    if (known != NULL)
        *channel = (struct hub_channel){
            .name = known->name, .len = known->len, .since = {.kind = SINCE_START}};
    return known != NULL;
}

/* Whoever watches it already gets what it did not stand for before. */
static void take_list(struct pattern *pattern, const redis_reply *list) {
    size_t count = redis_count(list), fresh = 0, len, born_len;
    struct hub_channel *channels = mem_new((count / 2 + 1) * sizeof *channels);

    for (size_t i = 0; i + 1 < count; i += 2) {
        const char *name = redis_text(redis_item(list, i), &len);
        const char *born = redis_text(redis_item(list, i + 1), &born_len);
        if (name != NULL && born != NULL)
            fresh += take_name(pattern, name, len, strtoull(born, NULL, 10), &channels[fresh]);
    }
    widen_all(pattern->directory->hub, pattern->feed, channels, fresh);
    free(channels);
}

static void on_list(void *ctx, const redis_reply *reply) {
    struct pattern *pattern = ctx;
    struct hub *hub = pattern->directory->hub;

    pattern->state = UNASKED;
    if (reply != NULL && library_missing(hub->library, reply))
        return; /* until directory_ready() */
    if (reply != NULL && !redis_is_error(reply) && pattern->directory->listens) {
        pattern->state = KNOWN;
        take_list(pattern, reply);
    }
    answer(pattern, pattern->state == KNOWN);
}

static void ask(struct pattern *pattern) {
    const char *argv[] = {"FCALL_RO", "halley_channels", "2", NAMES_KEY,
                          BORN_KEY,   pattern->text,     MOST};
    const size_t lens[] = {8,           15, 1, strlen(NAMES_KEY), strlen(BORN_KEY), pattern->len,
                           strlen(MOST)};

    if (redis_command(pattern->directory->hub->commands, on_list, pattern, 7, argv, lens) != ERR_OK)
        on_list(pattern, NULL);
}

static void ask_when_listening(struct pattern *pattern) {
    struct directory *directory = pattern->directory;

    if (!directory->listens || pattern->state != UNASKED || !link_up(directory->hub->link))
        return;
    pattern->state = ASKED;
    pattern->asked_at = ev_now(directory->hub->loop);
    ask(pattern);
}

/* ---------------------------------------------------------------------- being asked */

static bool is_idle(struct pattern *pattern) {
    return pattern->state != ASKED && pattern->askers == NULL &&
           ring_empty(&feed_row(pattern->feed)->subs);
}

/* Makes room for a pattern: one that nobody watches goes. */
static bool make_room(struct directory *directory) {
    struct pattern *pattern, *next;

    if (HASH_COUNT(directory->patterns) < DIRECTORY_MAX)
        return true;
    HASH_ITER (hh, directory->patterns, pattern, next) {
        if (is_idle(pattern)) {
            forget(pattern);
            return true;
        }
    }
    return false;
}

static struct pattern *find(const struct directory *directory, const char *text, size_t len) {
    struct pattern *pattern;

    HASH_FIND(hh, directory->patterns, text, len, pattern);
    return pattern;
}

static struct pattern *pattern_new(struct directory *directory, const char *text, size_t len) {
    struct feed *feed =
        make_room(directory) ? feeds_take(directory->hub->feeds, text, len, false) : NULL;

    if (feed == NULL)
        return NULL;
    struct pattern *pattern = mem_new(sizeof *pattern + len + 1);
    pattern->directory = directory;
    pattern->feed = feed;
    pattern->len = len;
    memcpy(pattern->text, text, len);
    HASH_ADD_KEYPTR(hh, directory->patterns, pattern->text, len, pattern);
    directory->hub->stats->patterns++;
    return pattern;
}

static void listen(struct directory *directory) {
    if (directory->wanted && !directory->listens) /* or when it is up */
        (void)!redis_subscribe(directory->hub->subscriber, directory->name, directory->name_len,
                               false);
}

void directory_ask(struct directory *directory, const char *text, size_t len,
                   void (*done)(void *ctx, bool known), void *ctx) {
    struct pattern *pattern = find(directory, text, len);
    double old = ev_now(directory->hub->loop) - directory->hub->config->linger;

    if (pattern != NULL && is_idle(pattern) && pattern->asked_at < old) {
        forget(pattern); /* with the channels that are long gone */
        pattern = NULL;
    }
    if (pattern == NULL)
        pattern = pattern_new(directory, text, len);
    if (pattern == NULL || pattern->state == KNOWN || !link_hopeful(directory->hub->link)) {
        done(ctx, pattern != NULL && pattern->state == KNOWN);
        return;
    }
    struct asker *asker = mem_new(sizeof *asker);
    *asker = (struct asker){.done = done, .ctx = ctx};
    LL_PREPEND(pattern->askers, asker);
    if (!directory->wanted) {
        directory->wanted = true;
        listen(directory);
    }
    ask_when_listening(pattern);
}

bool directory_each(const struct directory *directory, const char *text, size_t len,
                    void (*each)(void *ctx, const char *name, size_t len, uint64_t born),
                    void *ctx) {
    const struct pattern *pattern = find(directory, text, len);

    if (pattern == NULL || pattern->state != KNOWN)
        return false;
    for (const struct known *known = pattern->names; known != NULL; known = known->hh.next)
        each(ctx, known->name, known->len, known->born);
    return true;
}

/* -------------------------------------------------------------------- what is heard */

void directory_up(struct directory *directory) {
    if (directory->wanted)
        (void)!redis_subscribe(directory->hub->subscriber, directory->name, directory->name_len,
                               false);
}

void directory_ready(struct directory *directory) {
    struct pattern *pattern, *next;

    HASH_ITER (hh, directory->patterns, pattern, next)
        ask_when_listening(pattern);
}

void directory_down(struct directory *directory) {
    struct pattern *pattern, *next;

    directory->listens = false;
    HASH_ITER (hh, directory->patterns, pattern, next) {
        if (pattern->state == KNOWN)
            pattern->state = UNASKED;
    }
}

void directory_away(struct directory *directory) {
    struct pattern *pattern, *next;

    HASH_ITER (hh, directory->patterns, pattern, next)
        answer(pattern, false);
}

static bool is_own(const struct directory *directory, const char *channel, size_t len) {
    return len == directory->name_len && memcmp(channel, directory->name, len) == 0;
}

bool directory_subscribed(struct directory *directory, const char *channel, size_t len,
                          const char *refusal) {
    struct pattern *pattern, *next;

    if (!is_own(directory, channel, len))
        return false;
    directory->listens = refusal == NULL;
    HASH_ITER (hh, directory->patterns, pattern, next) {
        if (refusal == NULL)
            ask_when_listening(pattern);
        else
            answer(pattern, false);
    }
    directory->wanted = refusal == NULL; /* else whoever asks next tries again */
    return true;
}

bool directory_message(struct directory *directory, const char *channel, size_t channel_len,
                       const char *text, size_t len) {
    struct pattern *pattern, *next;
    struct hub_channel born;
    char *end;

    if (!is_own(directory, channel, channel_len))
        return false;
    uint64_t at = strtoull(text, &end, 10);
    const char *name = end + 1;
    if (end == text || *end != ' ' || end + 1 >= text + len)
        return true; /* somebody else's words */
    size_t name_len = len - (size_t)(name - text);
    HASH_ITER (hh, directory->patterns, pattern, next) {
        if (wildcard_match(pattern->text, pattern->len, name, name_len) &&
            take_name(pattern, name, name_len, at, &born))
            widen_all(directory->hub, pattern->feed, &born, 1);
    }
    return true;
}

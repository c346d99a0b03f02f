/*
 * Puts together the channels of a request (endpoints/read.c), and those that a session on a
 * connection gets by a pattern (carriers/watching.c).
 */
#include "fcgi-app/endpoints/choice.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "core/data/cursor.h"
#include "core/data/wildcard.h"
#include "fcgi-app/door/params.h"
#include "fcgi-app/hub/directory.h"
#include "fcgi-app/protocols/channel_index.h"
#include "fcgi-app/protocols/reading.h"
#include "fcgi-app/rights/rights.h"

static void add(struct choice *to, const char *name, size_t len, uint64_t born) {
    if (to->count == to->room) {
        to->room = 2 * to->room + 16;
        to->channels = mem_resize(to->channels, to->room * sizeof *to->channels);
        to->born = mem_resize(to->born, to->room * sizeof *to->born);
    }
    to->channels[to->count] = (struct hub_channel){.name = name, .len = len, .found = born > 0};
    to->born[to->count++] = born;
}

void choice_name(struct choice *to, const char *name, size_t len) {
    add(to, name, len, 0);
}

/* ------------------------------------------------------------------------- patterns */

struct listing {
    struct choice *to;
    bool full;
};

static void list(void *ctx, const char *name, size_t len, uint64_t born) {
    struct listing *listing = ctx;
    struct choice *to = listing->to;

    if (!rights_may(to->app->config, to->who, RIGHTS_SUBSCRIBE, name, len))
        return;
    if (to->count >= PATTERN_CHANNELS_MAX)
        listing->full = true;
    else
        add(to, name, len, born > 0 ? born : 1);
}

bool choice_patterns(struct choice *to, const struct hub_channel *patterns, size_t count) {
    struct listing listing = {.to = to};
    bool known = true;

    for (size_t i = 0; i < count; i++)
        choice_name(to, patterns[i].name, patterns[i].len);
    for (size_t i = 0; known && i < count; i++)
        known = directory_each(hub_directory(to->app->hub), patterns[i].name, patterns[i].len, list,
                               &listing);
    to->app->stats->patterns_full += listing.full;
    return known;
}

static void pass_over(void *ctx, const char *name, size_t len, uint64_t born) {
    (void)ctx, (void)name, (void)len, (void)born;
}

bool choice_knows(const struct app *app, const char *pattern, size_t len) {
    return directory_each(hub_directory(app->hub), pattern, len, pass_over, NULL);
}

struct noting {
    const struct app *app;
    const struct identity *who;
};

static void note_question(void *ctx, const char *name, size_t len, uint64_t born) {
    const struct noting *noting = ctx;
    (void)born;
    (void)rights_may(noting->app->config, noting->who, RIGHTS_SUBSCRIBE, name, len);
}

void choice_note_questions(const struct app *app, const struct identity *who, const char *pattern,
                           size_t len) {
    struct noting noting = {app, who};
    (void)directory_each(hub_directory(app->hub), pattern, len, note_question, &noting);
}

/* ------------------------------------------------------------------------- channels */

void choice_each_once(struct choice *all) {
    struct channel_index index = channel_index_make(all->channels, all->count);
    size_t kept = 0;

    for (size_t i = 0; i < all->count; i++) {
        const struct hub_channel channel = all->channels[i];
        if (channel_index_find(&index, channel.name, channel.len) >= 0)
            continue;
        all->born[kept] = all->born[i];
        all->channels[kept++] = channel;
        channel_index_note(&index);
    }
    all->count = kept;
    channel_index_free(&index);
}

/*
 * What became a channel behind the place of a pattern in the cursor, and is not in it, begins at
 * its start. (What it was when the cursor was made is in it, or was one too many.)
 */
static void begin_newborn(struct choice *all, const struct cursor *cursor) {
    for (size_t p = 0; p < all->count; p++) {
        const struct hub_channel *pattern = &all->channels[p];
        if (!wildcard_is(pattern->name, pattern->len))
            return;
        const struct position *at = cursor_find(cursor, pattern->name, pattern->len);
        for (size_t i = p; at != NULL && i < all->count; i++) {
            struct hub_channel *channel = &all->channels[i];
            if (directory_newborn(all->born[i], at->epoch) && all->born[i] > 0 &&
                channel->since.kind == SINCE_NOW &&
                wildcard_match(pattern->name, pattern->len, channel->name, channel->len))
                channel->since.kind = SINCE_START;
        }
    }
}

bool choice_since(struct choice *all, const char *since, size_t len) {
    struct cursor *cursor = NULL;

    if (!reading_since(since, len, all->channels, all->count))
        return false;
    if (all->count == 0 || !wildcard_is(all->channels[0].name, all->channels[0].len) ||
        cursor_parse(since, len, PARAMS_MAX, &cursor) != ERR_OK)
        return true;
    begin_newborn(all, cursor);
    free(cursor);
    return true;
}

void choice_keep(struct choice *all) {
    free(all->born);
    all->born = NULL;
}

void choice_free(struct choice *all) {
    choice_keep(all);
    free(all->channels);
    all->channels = NULL;
}

/*
 * A connection whose client says `pattern` (carriers/talk.c, endpoints/line/session.c). What it
 * stands for is asked of the directory first, and then joined with the named channels in one go;
 * what becomes a channel later the hub adds (hub/widen.c). Patterns stand in front of the places.
 */
#include "fcgi-app/endpoints/watching.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/wildcard.h"
#include "fcgi-app/endpoints/choice.h"
#include "fcgi-app/hub/directory.h"
#include "fcgi-app/protocols/channel_index.h"
#include "fcgi-app/protocols/reading.h"
#include "fcgi-app/rights/identity.h"

/* ------------------------------------------------------------------ what they stand for */

struct watching {
    struct app *app;
    struct hub_places patterns;
    void (*done)(void *ctx, bool known);
    void *ctx;
};

static void go_on(void *ctx, bool known) {
    struct watching *watching = ctx;
    struct hub_places *patterns = &watching->patterns;
    size_t i = 0;

    while (known && i < patterns->count &&
           choice_knows(watching->app, patterns->channels[i].name, patterns->channels[i].len))
        i++;
    if (known && i < patterns->count) {
        directory_ask(hub_directory(watching->app->hub), patterns->channels[i].name,
                      patterns->channels[i].len, go_on, watching);
        return;
    }
    hub_places_free(patterns);
    watching->done(watching->ctx, known);
    free(watching);
}

bool watching_knows(const struct app *app, const struct change *change) {
    bool known = true;

    for (size_t i = 0; known && i < change->patterns.count; i++)
        known = choice_knows(app, change->patterns.names[i].name, change->patterns.names[i].len);
    return known;
}

void watching_ask(struct app *app, const struct change *change, void (*done)(void *ctx, bool known),
                  void *ctx) {
    const struct order_names *names = &change->patterns;
    struct watching *watching = mem_new(sizeof *watching);

    *watching = (struct watching){.app = app, .done = done, .ctx = ctx};
    watching->patterns.channels = mem_new((names->count + 1) * sizeof(struct hub_channel));
    for (size_t i = 0; i < names->count; i++)
        watching->patterns.channels[watching->patterns.count++] =
            (struct hub_channel){.name = mem_copy(names->names[i].name, names->names[i].len),
                                 .len = names->names[i].len};
    go_on(watching, true);
}

void watching_note_questions(const struct app *app, const struct identity *who,
                             const struct change *change) {
    for (size_t i = 0; identity_asked(who) != NULL && i < change->patterns.count; i++)
        choice_note_questions(app, who, change->patterns.names[i].name,
                              change->patterns.names[i].len);
}

/* ------------------------------------------------------------------------ to the places */

bool watching_admits(const struct app *app, const char *address, const struct change *change,
                     struct problem *problem) {
    const struct order_names *patterns = &change->patterns;
    struct hub_channel *all = mem_new((change->count + patterns->count + 1) * sizeof *all);
    size_t count = 0;

    for (; count < change->count; count++)
        all[count] = change->channels[count];
    for (size_t i = 0; i < patterns->count; i++)
        all[count++] =
            (struct hub_channel){.name = patterns->names[i].name, .len = patterns->names[i].len};
    bool admitted = hub_admits_channels(app->hub, address, all, count, problem);
    free(all);
    return admitted;
}

static bool is_pattern(const struct hub_channel *channel) {
    return wildcard_is(channel->name, channel->len);
}

/* The places as an index has them, and how many of them are patterns. */
static struct channel_index index_of(const struct hub_places *places, size_t *patterns) {
    struct channel_index index = channel_index_make(places->channels, places->count);

    *patterns = 0;
    for (size_t i = 0; i < places->count; i++) {
        channel_index_note(&index);
        *patterns += is_pattern(&places->channels[i]);
    }
    return index;
}

/* Those of the change's patterns that are not watched yet, in `fresh`. */
static size_t find_fresh(const struct change *change, const struct channel_index *index,
                         struct hub_channel *fresh) {
    size_t count = 0;

    for (size_t i = 0; i < change->patterns.count; i++) {
        const struct order_name *name = &change->patterns.names[i];
        bool twice = channel_index_find(index, name->name, name->len) >= 0;
        for (size_t k = 0; !twice && k < count; k++)
            twice = fresh[k].len == name->len && memcmp(fresh[k].name, name->name, name->len) == 0;
        if (!twice)
            fresh[count++] = (struct hub_channel){.name = name->name, .len = name->len};
    }
    return count;
}

/* Those of the gathered channels that are new: patterns in front of the places, the others
 * behind, as far as there is room. */
static void put(const struct choice *all, const struct channel_index *index,
                struct hub_places *places) {
    struct hub_channel *channels = mem_new((places->count + all->count + 1) * sizeof *channels);
    size_t count = 0, at = 0;

    for (; at < all->count && is_pattern(&all->channels[at]); at++)
        channels[count++] = all->channels[at];
    if (places->count > 0)
        memcpy(&channels[count], places->channels, places->count * sizeof *channels);
    size_t kept = count + places->count;
    for (size_t i = at; i < all->count; i++) {
        const struct hub_channel *channel = &all->channels[i];
        if (channel_index_find(index, channel->name, channel->len) >= 0)
            continue;
        if (kept < CHANGE_WIDEST)
            channels[kept++] = *channel;
        else
            all->app->stats->patterns_full++;
    }
    for (size_t i = 0; i < kept; i++) {
        if (i < count || i >= count + places->count)
            channels[i].name = mem_copy(channels[i].name, channels[i].len);
    }
    free(places->channels);
    places->channels = channels;
    places->count = kept;
}

/* False, with `problem`, if it is not known what the patterns stand for. */
static bool gather(struct choice *all, const struct hub_channel *patterns, size_t count,
                   const struct change *change, struct problem *problem) {
    if (!choice_patterns(all, patterns, count)) {
        problem_later(problem, 503, 2, "pattern: what it stands for is not known yet");
        return false;
    }
    choice_each_once(all);
    return choice_since(all, change->since, change->since_len);
}

bool watching_add(const struct app *app, const struct identity *who, const struct change *change,
                  struct hub_places *places, struct problem *problem) {
    struct choice all = {.app = app, .who = who};
    struct hub_channel fresh[PATTERNS_MAX];
    size_t watched;

    if (change->patterns.count == 0)
        return change_add(change, app->config, places, problem);
    struct channel_index index = index_of(places, &watched);
    size_t count = find_fresh(change, &index, fresh);

    bool valid = reading_patterns(watched + count, problem) &&
                 gather(&all, fresh, count, change, problem) &&
                 change_add(change, app->config, places, problem);
    channel_index_free(&index);
    if (valid && all.count > 0) {
        index = index_of(places, &watched);
        put(&all, &index, places);
        channel_index_free(&index);
    }
    choice_free(&all);
    return valid;
}

/*
 * Patterns of a session. Nobody holds a session that sleeps: what became a channel meanwhile is
 * found when its client comes back, by the time that is the place of the pattern (hub/directory.c).
 */
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/wildcard.h"
#include "fcgi-app/carriers/bayeux/_bayeux.h"
#include "fcgi-app/hub/directory.h"
#include "fcgi-app/hub/widen.h"
#include "fcgi-app/rights/rights.h"

/* ------------------------------------------------------------------ what they stand for */

struct listing {
    struct app *app;
    const struct identity *who;
    void (*each)(void *ctx, const char *name, size_t len, uint64_t born);
    void *ctx;
};

static void list(void *ctx, const char *name, size_t len, uint64_t born) {
    const struct listing *listing = ctx;

    if (!bayeux_silent(name, len) &&
        rights_may(listing->app->config, listing->who, RIGHTS_SUBSCRIBE, name, len))
        listing->each(listing->ctx, name, len, born);
}

bool patterns_each(struct app *app, const struct identity *who, const char *pattern, size_t len,
                   void (*each)(void *ctx, const char *name, size_t len, uint64_t born),
                   void *ctx) {
    struct listing listing = {app, who, each, ctx};
    return directory_each(hub_directory(app->hub), pattern, len, list, &listing);
}

/* ------------------------------------------------------------------------ to the places */

struct adding {
    struct app *app;
    const struct identity *who;
    struct hub_places *places;
    size_t next; /* of the places: the one that may be a pattern */
    void (*done)(void *ctx, bool known);
    void *ctx;
};

static bool is_pattern(const struct hub_channel *channel) {
    return wildcard_is(channel->name, channel->len);
}

static void put_in_front(struct hub_places *places) {
    size_t front = 0;

    for (size_t i = 0; i < places->count; i++) {
        if (!is_pattern(&places->channels[i]))
            continue;
        struct hub_channel pattern = places->channels[i];
        places->channels[i] = places->channels[front];
        places->channels[front++] = pattern;
    }
}

static bool stands(const struct hub_places *places, const char *name, size_t len) {
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].len == len && memcmp(places->channels[i].name, name, len) == 0)
            return true;
    }
    return false;
}

/* What became a channel behind the pattern's place begins at its start. */
static void add_one(void *ctx, const char *name, size_t len, uint64_t born) {
    struct adding *adding = ctx;
    struct hub_places *places = adding->places;
    const struct hub_channel *pattern = &places->channels[adding->next];
    bool newborn =
        pattern->since.kind == SINCE_AT && directory_newborn(born, pattern->since.at.epoch);

    if (stands(places, name, len))
        return;
    if (places->count >= WIDEST - 1) {
        adding->app->stats->patterns_full++;
        return;
    }
    places->channels = mem_resize(places->channels, (places->count + 2) * sizeof *places->channels);
    places->channels[places->count++] = (struct hub_channel){
        .name = mem_copy(name, len), .len = len, .since.kind = newborn ? SINCE_START : SINCE_NOW};
}

static void go_on(void *ctx, bool known) {
    struct adding *adding = ctx;
    struct hub_places *places = adding->places;

    while (known && adding->next < places->count && is_pattern(&places->channels[adding->next])) {
        const struct hub_channel *pattern = &places->channels[adding->next];
        const char *name = pattern->name;
        size_t len = pattern->len;
        if (!patterns_each(adding->app, adding->who, name, len, add_one, adding)) {
            directory_ask(hub_directory(adding->app->hub), name, len, go_on, adding);
            return;
        }
        adding->next++;
    }
    adding->done(adding->ctx, known);
    free(adding);
}

void patterns_add(struct app *app, const struct identity *who, struct hub_places *places,
                  void (*done)(void *ctx, bool known), void *ctx) {
    struct adding *adding = mem_new(sizeof *adding);

    *adding = (struct adding){.app = app, .who = who, .places = places, .done = done, .ctx = ctx};
    put_in_front(places);
    go_on(adding, true);
}

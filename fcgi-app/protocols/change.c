/*
 * Counts before it does anything: a browser may name thousands of channels, and a cursor
 * for as many. Each name is looked up by its hash, in the list and among the places, and a
 * cursor is parsed once.
 */
#include "fcgi-app/protocols/change.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/json.h"
#include "core/base/mem.h"
#include "core/data/channel.h"
#include "core/data/wildcard.h"
#include "fcgi-app/protocols/channel_index.h"
#include "fcgi-app/protocols/reading.h"
#include "fcgi-app/rights/rights.h"

/* Adds a name to the channels unless it is among them. False, with `problem`, if it may not. */
static bool take_name(const struct config *config, const struct identity *who,
                      const struct order_name *name, struct change *change,
                      struct channel_index *index, struct problem *problem) {
    if (!reading_allowed(config, who, name->name, name->len, problem))
        return false;
    if (channel_index_find(index, name->name, name->len) >= 0)
        return true;
    if (change->count == (size_t)config->max_channels) {
        problem_set(problem, 400, "subscribe: the most is %d channels (max_channels)",
                    config->max_channels);
        return false;
    }
    change->channels[change->count++] = (struct hub_channel){.name = name->name, .len = name->len};
    channel_index_note(index);
    return true;
}

/* The site is asked about all of them together. */
static void note_questions(const struct config *config, const struct identity *who,
                           const struct order_names *names) {
    for (size_t i = 0; identity_asked(who) != NULL && i < names->count; i++) {
        const struct order_name *name = &names->names[i];
        if (channel_valid(name->name, name->len))
            (void)rights_may(config, who, RIGHTS_SUBSCRIBE, name->name, name->len);
    }
}

static bool take_names(const struct config *config, const struct identity *who,
                       struct change *change, struct problem *problem) {
    const struct order_names *names = &change->names;
    bool valid = true;

    note_questions(config, who, names);
    change->channels = mem_new((names->count + 1) * sizeof *change->channels);
    struct channel_index index = channel_index_make(change->channels, names->count);
    for (size_t i = 0; valid && i < names->count; i++)
        valid = take_name(config, who, &names->names[i], change, &index, problem);
    channel_index_free(&index);
    return valid;
}

static bool take_patterns(struct scan_value list, struct change *change, struct problem *problem) {
    const struct order_names *patterns = &change->patterns;
    bool valid = order_names(list, "pattern", &change->patterns, problem) &&
                 reading_patterns(patterns->count, problem);

    for (size_t i = 0; valid && i < patterns->count; i++)
        valid = reading_pattern(patterns->names[i].name, patterns->names[i].len, problem);
    return valid;
}

static bool take_since(struct scan_value since, struct change *change, struct problem *problem) {
    size_t len = 3;
    char *text = since.at == NULL ? mem_string("now") : json_unquote(since.at, since.len, &len);
    bool valid = text != NULL && reading_since(text, len, change->channels, change->count);

    if (!valid)
        problem_set(problem, 400, "since: must be now, start, -K or a cursor");
    if (valid && change->patterns.count > 0) {
        change->since = text;
        change->since_len = len;
    } else {
        free(text);
    }
    return valid;
}

bool change_subscribe(const struct config *config, const struct identity *who,
                      const struct order *order, struct change *change, struct problem *problem) {
    bool named = order->pattern.at == NULL || order->subscribe.at != NULL;

    memset(change, 0, sizeof *change);
    return (!named || order_names(order->subscribe, "subscribe", &change->names, problem)) &&
           take_names(config, who, change, problem) &&
           (order->pattern.at == NULL || take_patterns(order->pattern, change, problem)) &&
           take_since(order->since, change, problem);
}

bool change_unsubscribe(const struct config *config, const struct identity *who,
                        const struct order *order, struct change *change, struct problem *problem) {
    memset(change, 0, sizeof *change);
    if (!order_names(order->unsubscribe, "unsubscribe", &change->names, problem))
        return false;
    for (size_t i = 0; i < change->names.count; i++) {
        const struct order_name *name = &change->names.names[i];
        if (!wildcard_valid(name->name, name->len) &&
            !reading_ends(config, who, name->name, name->len, problem))
            return false;
    }
    return true;
}

void change_free(struct change *change) {
    order_names_free(&change->names);
    order_names_free(&change->patterns);
    free(change->channels);
    free(change->since);
    change->channels = NULL;
    change->since = NULL;
}

/* An index that finds the channels of `places`. */
static struct channel_index index_of(const struct hub_places *places) {
    struct channel_index index = channel_index_make(places->channels, places->count);
    for (size_t i = 0; i < places->count; i++)
        channel_index_note(&index);
    return index;
}

/* How many of the channels are not among the places; they are moved to the front. */
static size_t sort_out(const struct change *change, const struct hub_places *places) {
    struct channel_index index = index_of(places);
    size_t fresh = 0;

    for (size_t i = 0; i < change->count; i++) {
        const struct hub_channel *channel = &change->channels[i];
        if (channel_index_find(&index, channel->name, channel->len) < 0)
            change->channels[fresh++] = *channel;
    }
    channel_index_free(&index);
    return fresh;
}

bool change_add(const struct change *change, const struct config *config, struct hub_places *places,
                struct problem *problem) {
    size_t fresh = sort_out(change, places), count = places->count + fresh;
    size_t most = (size_t)config->max_channels;

    /* what patterns stand for does not count, but is bounded */
    if (places->count > 0 && wildcard_is(places->channels[0].name, places->channels[0].len))
        most = CHANGE_WIDEST;
    if (count > most) {
        problem_set(problem, 400, "subscribe: the most is %d channels (max_channels)",
                    config->max_channels);
        return false;
    }
    places->channels = mem_resize(places->channels, (count + 1) * sizeof *places->channels);
    for (size_t i = 0; i < fresh; i++) {
        struct hub_channel *channel = &places->channels[places->count++];
        *channel = change->channels[i];
        channel->name = mem_copy(channel->name, channel->len);
    }
    return true;
}

static void drop(struct hub_channel *channel) {
    free((void *)(uintptr_t)channel->name);
    *channel = (struct hub_channel){.name = NULL, .len = 0};
}

/* Whether the pattern of that place stands for a channel, or is that. */
static bool covers(const struct hub_channel *pattern, const struct hub_channel *channel) {
    return pattern->name != NULL && wildcard_is(pattern->name, pattern->len) &&
           wildcard_match(pattern->name, pattern->len, channel->name, channel->len);
}

/* What a pattern that is left stands for, and none of those that stay. */
static void drop_orphans(const struct hub_channel *left, struct hub_places *places) {
    for (size_t i = 0; i < places->count; i++) {
        struct hub_channel *channel = &places->channels[i];
        bool orphan = channel->name != NULL && !wildcard_is(channel->name, channel->len) &&
                      covers(left, channel);
        for (size_t p = 0; orphan && p < places->count; p++)
            orphan = !covers(&places->channels[p], channel);
        if (orphan)
            drop(channel);
    }
}

/* Patterns go one by one: by the last of them what they stood for is gone. */
static void drop_one(struct hub_places *places, size_t at) {
    struct hub_channel left = places->channels[at];

    places->channels[at] = (struct hub_channel){.name = NULL, .len = 0};
    if (wildcard_is(left.name, left.len))
        drop_orphans(&left, places);
    drop(&left);
}

void change_drop(const struct change *change, struct hub_places *places) {
    struct channel_index index = index_of(places);
    size_t left = 0;

    for (size_t i = 0; i < change->names.count; i++) {
        const struct order_name *name = &change->names.names[i];
        long at = channel_index_find(&index, name->name, name->len);
        if (at >= 0 && places->channels[at].name != NULL)
            drop_one(places, (size_t)at);
    }
    channel_index_free(&index);
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].name != NULL)
            places->channels[left++] = places->channels[i];
    }
    places->count = left;
}

/*
 * A waiter has room for the channels that it came with. So one that gets more is released, and
 * another one holds its client from there: as a WebSocket's session does it when its channels
 * change, but the answer goes on as if nothing had happened. New channels are read from their
 * start, so that the message that made them is not missed.
 */
#include "fcgi-app/hub/widen.h"

#include <stdlib.h>

#include "core/base/mem.h"
#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/hub/stay.h"
#include "fcgi-app/rights/rights.h"

bool widen_possible(const struct config *config, const char *name, size_t len) {
    return config_channel(config, name, len)->subscribe.kinds != ACCESS_NONE;
}

static bool reads(const struct hub_places *places, const struct hub_channel *channel) {
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].len == channel->len &&
            memcmp(places->channels[i].name, channel->name, channel->len) == 0)
            return true;
    }
    return false;
}

/* Whether the waiter's client may read it. */
static bool may_read(const struct hub *hub, const struct identity *who,
                     const struct hub_channel *channel) {
    return rights_may(hub->config, who, RIGHTS_SUBSCRIBE, channel->name, channel->len);
}

/* Adds the channels that are not there, as far as `who` may read them. */
static void add(struct hub *hub, const struct identity *who, struct hub_places *places,
                const struct hub_channel *channels, size_t count) {
    places->channels =
        mem_resize(places->channels, (places->count + count + 1) * sizeof *places->channels);
    for (size_t i = 0; i < count; i++) {
        if (reads(places, &channels[i]) || !may_read(hub, who, &channels[i]))
            continue;
        if (places->count >= WIDEST - 1) {
            hub->stats->patterns_full++;
            continue;
        }
        struct hub_channel *channel = &places->channels[places->count++];
        *channel = channels[i];
        channel->name = mem_copy(channels[i].name, channels[i].len);
        hub->stats->patterns_joined++;
    }
}

static void hold_again(struct hub *hub, struct client *client, struct hub_read *read,
                       struct hub_holder *holder) {
    struct problem problem;

    if (hub_hold(hub, client, read, holder, &problem))
        return;
    if (read->begun)
        client_drop(client);
    else
        client_refuse(client, &problem);
}

static bool reads_any(const struct waiter *waiter, const struct hub_channel *channels,
                      size_t count) {
    const struct identity *who = waiter->extra != NULL ? waiter->extra->who : NULL;
    size_t i = 0;

    while (i < count && !may_read(waiter->hub, who, &channels[i]))
        i++;
    return i < count;
}

static void widen(struct waiter *waiter, const struct hub_channel *channels, size_t count) {
    struct hub *hub = waiter->hub;
    struct client *client = waiter->client;
    struct hub_holder *holder = waiter->extra != NULL ? waiter->extra->holder : NULL;
    struct hub_read read = {.transport = waiter_transport(waiter),
                            .options = {.config = hub->config, .variant = waiter->variant},
                            .limit = waiter->limit,
                            .timeout = waiter->waits,
                            .begun = waiter->begun,
                            .early = waiter->early,
                            .heartbeat = waiter->heartbeat};

    if (!reads_any(waiter, channels, count))
        return;
    if (waiter->extra != NULL) {
        read.who = identity_hold(waiter->extra->who);
        read.renews = waiter->extra->renews;
        read.options.callback = waiter->extra->callback;
        waiter->extra->callback = NULL;
        read.stake = limits_hold_again(hub->limits, waiter->extra->stake);
    }
    struct hub_places places = hub_release(waiter);
    add(hub, read.who, &places, channels, count);
    read.channels = places.channels;
    read.channel_count = places.count;
    read.ends = places.ends;
    read.tag = places.tag;
    hold_again(hub, client, &read, holder);
    hub_places_free(&places);
    identity_free(read.who);
}

void widen_all(struct hub *hub, struct feed *pattern, const struct hub_channel *channels,
               size_t count) {
    struct ring *subs = &feed_row(pattern)->subs;
    size_t found = 0, room = 0;
    struct waiter **waiters = NULL;

    if (hub->draining || count == 0)
        return;
    for (struct ring *at = subs->next; at != subs; at = at->next) {
        if (found == room) {
            room = 2 * room + 16;
            waiters = mem_resize(waiters, room * sizeof *waiters);
        }
        waiters[found++] = sub_waiter(RING_OF(at, struct sub, ring));
    }
    for (size_t i = 0; i < found; i++)
        widen(waiters[i], channels, count);
    free(waiters);
}

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

bool widen_allowed(const struct config *config, const char *name, size_t len) {
    return config_channel(config, name, len)->subscribe == ACCESS_ANYONE;
}

static bool reads(const struct hub_places *places, const struct hub_channel *channel) {
    for (size_t i = 0; i < places->count; i++) {
        if (places->channels[i].len == channel->len &&
            memcmp(places->channels[i].name, channel->name, channel->len) == 0)
            return true;
    }
    return false;
}

/* Adds the channels that are not there. */
static void add(struct hub *hub, struct hub_places *places, const struct hub_channel *channels,
                size_t count) {
    places->channels =
        mem_resize(places->channels, (places->count + count + 1) * sizeof *places->channels);
    for (size_t i = 0; i < count; i++) {
        if (reads(places, &channels[i]))
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

static void widen(struct waiter *waiter, const struct hub_channel *channels, size_t count) {
    struct hub *hub = waiter->hub;
    struct client *client = waiter->client;
    struct hub_holder *holder = waiter->extra != NULL ? waiter->extra->holder : NULL;
    struct hub_read read = {.transport = waiter_transport(waiter),
                            .options = {.config = hub->config, .variant = waiter->variant},
                            .limit = waiter->limit,
                            .timeout = waiter->waits,
                            .begun = waiter->begun,
                            .early = waiter->early};

    if (waiter->extra != NULL) {
        read.options.callback = waiter->extra->callback;
        waiter->extra->callback = NULL;
    }
    struct hub_places places = hub_release(waiter);
    add(hub, &places, channels, count);
    read.channels = places.channels;
    read.channel_count = places.count;
    read.ends = places.ends;
    read.tag = places.tag;
    hold_again(hub, client, &read, holder);
    hub_places_free(&places);
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

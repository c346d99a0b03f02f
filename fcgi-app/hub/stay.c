/*
 * A waiter's stay in the hub: it comes, stands in a row when it is ready, and goes. The one
 * constructor, the one destructor, and what is counted of a waiter between them.
 */
#include "fcgi-app/hub/stay.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/holder.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/rights/rights.h"

#define EARLY 0.1 /* waits end up to this part early, at random, so as not to return in step */

/* ---------------------------------------------------------------------- its beginning */

/* What it takes of its visitor's limits. A poll is answered at once: it takes nothing. */
static struct stake stake_of(struct hub *hub, const struct hub_read *read) {
    if (read->stake.address != NULL || read->stake.user != NULL)
        return read->stake;
    return hub_read_waits(read)
               ? limits_hold(hub->limits, read->address, read->who, ev_now(hub->loop))
               : (struct stake){NULL, NULL};
}

/* Room for what few requests bring along; their callback is taken over. */
static struct waiter_extra *extra_new(struct hub *hub, const struct hub_read *read,
                                      struct hub_holder *holder) {
    const struct stake stake = stake_of(hub, read);

    if (read->tag == NULL && read->options.callback == NULL && holder == NULL &&
        read->who == NULL && stake.address == NULL && stake.user == NULL)
        return NULL;
    struct waiter_extra *extra = mem_new(sizeof *extra);
    *extra = (struct waiter_extra){.holder = holder,
                                   .tag = tag_take(hub->tallies, read->tag),
                                   .callback = read->options.callback,
                                   .who = identity_hold(read->who),
                                   .renews = read->renews,
                                   .stake = stake};
    return extra;
}

/* A channel may have been taken away since somebody looked whether it may be read. */
static bool is_banned(const struct config *config, const struct hub_read *read) {
    for (size_t i = 0; i < read->channel_count; i++)
        if (rights_banned(config, read->who, RIGHTS_SUBSCRIBE, read->channels[i].name,
                          read->channels[i].len))
            return true;
    return false;
}

/* Nobody waits longer than what has said who he is holds. */
static void end_with(struct waiter *waiter, const struct hub_read *read) {
    const struct identity *who = read->who;

    if (who == NULL || who->expires == 0)
        return;
    double left =
        is_banned(waiter->hub->config, read) ? 0 : who->expires - ev_now(waiter->hub->loop);
    left = left < 0                                 ? 0
           : left > waiter->hub->config->max_stream ? waiter->hub->config->max_stream
                                                    : left;
    uint32_t end = wheel_in(waiter->hub->wheel, left);
    if (end < waiter->deadline.own)
        waiter->deadline.own = end;
}

struct waiter *stay_begin(struct hub *hub, struct client *client, const struct hub_read *read,
                          struct hub_holder *holder) {
    struct waiter *waiter =
        read->channel_count == 1
            ? pool_take(&hub->singles)
            : mem_new(sizeof *waiter + read->channel_count * sizeof waiter->subs[0]);
    double longest = read->transport->stream ? hub->config->max_stream : read->timeout;

    waiter->hub = hub;
    waiter->client = client;
    waiter->transport = (uint8_t)transport_index(read->transport);
    waiter->variant = (uint8_t)read->options.variant;
    waiter->step = (uint8_t)retry_step();
    waiter->early = read->early;
    waiter->begun = read->begun;
    waiter->refreshed = wheel_now(hub->wheel);
    waiter->limit = read->limit & 1023; /* LIMIT_MAX is less */
    waiter->heartbeat = read->heartbeat & HEARTBEAT_MAX;
    waiter->waits = read->transport->waits && longest > 0;
    waiter->deadline.own = wheel_in(hub->wheel, longest * (1 - EARLY * drand48()));
    if (read->ends > 0)
        waiter->deadline.own = read->ends;
    if (!read->renews)
        end_with(waiter, read);
    waiter->sub_count = (uint16_t)read->channel_count;
    hub->unresolved++;
    capacity_take(hub->capacity);
    waiter->extra = extra_new(hub, read, holder);
    stay_spend(
        waiter,
        &(struct tally){.requests = read->bytes > 0, .bytes_in = (int64_t)read->bytes, .held = 1});
    return waiter;
}

/* ------------------------------------------------------------------------- meanwhile */

void stay_ready_in(struct waiter *waiter, struct feed_row *row) {
    if (ring_linked(&waiter->turn)) /* ready, or will be behind its fence */
        return;
    ring_add(&row->ready, &waiter->turn);
    if (!ring_linked(&row->turn))
        ring_add(&waiter->hub->rows, &row->turn);
}

void stay_ready(struct waiter *waiter) {
    bool any = waiter->sub_count > 0;
    stay_ready_in(waiter, any ? feed_row(waiter->subs[0].feed) : &waiter->hub->row);
}

void stay_set_slow(struct waiter *waiter, bool slow) {
    if (waiter->slow == slow)
        return;
    waiter->slow = slow;
    waiter->owed = 0;
    for (size_t i = 0; i < waiter->sub_count; i++) {
        if (waiter->subs[i].feed != NULL)
            feed_row(waiter->subs[i].feed)->slow += slow ? 1U : -1U;
    }
}

void stay_spend(struct waiter *waiter, const struct tally *spent) {
    struct tally *sum = tally_of_transport(waiter->hub->tallies, waiter->transport);
#define ADD(name) sum->name += spent->name;
    TALLY_LIST(ADD)
#undef ADD
    if (waiter->extra != NULL)
        tag_add(waiter->extra->tag, spent);
}

/* ---------------------------------------------------------------------------- its end */

static void forget_extra(struct waiter *waiter) {
    struct waiter_extra *extra = waiter->extra;

    if (extra == NULL)
        return;
    tag_release(extra->tag);
    free(extra->callback);
    limits_let_go(waiter->hub->limits, extra->stake);
    identity_free(extra->who);
    if (extra->holder != NULL)
        extra->holder->waiter = NULL;
    free(extra);
}

void stay_end(struct waiter *waiter) {
    struct hub *hub = waiter->hub;

    stay_set_slow(waiter, false);
    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub_forget_read(sub);
        if (sub->feed != NULL) {
            ring_remove(&sub->ring);
            feed_release(sub->feed);
        }
    }
    stay_spend(waiter, &(struct tally){.held = -1});
    forget_extra(waiter);
    ring_remove(&waiter->turn);
    wheel_cancel(&waiter->deadline);
    hub->unresolved -= !waiter->parked;
    hub->stats->waiters -= waiter->parked;
    capacity_give(hub->capacity);
    if (waiter->sub_count == 1)
        pool_give(&hub->singles, waiter);
    else
        free(waiter);
}

struct hub_places hub_release(struct waiter *waiter) {
    struct hub_places places = {.count = waiter->sub_count, .ends = waiter->deadline.own};

    const char *tag = tag_name(waiter->extra != NULL ? waiter->extra->tag : NULL);
    memcpy(places.tag, tag, strnlen(tag, TAG_MAX)); /* the rest are NULs */
    places.channels = mem_new((places.count + 1) * sizeof *places.channels);
    for (size_t i = 0; i < places.count; i++) {
        const struct sub *sub = &waiter->subs[i];
        struct hub_channel *channel = &places.channels[i];
        const char *name = feed_name(sub->feed, &channel->len);
        channel->name = mem_copy(name, channel->len);
        channel->since = sub_since(sub);
    }
    stay_end(waiter);
    return places;
}

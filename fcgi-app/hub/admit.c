/*
 * New reading requests: whether there is room, where each channel begins, and the
 * first look, which answers many at once. One of the files of the hub; its
 * functions are declared in hub.h.
 */
#include <stdio.h>
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/hub/turn.h"

#define EARLY 0.1 /* waits end up to this part early, at random, so as not to return in step */

static void sub_begin(struct sub *sub, const struct hub_channel *channel) {
    sub->kind = channel->since.kind & 3;
    sub->last = channel->since.last;
    sub->at = channel->since.at;
}

/* What is read of the history, later than the request came, needs no fence besides. */
static bool take_feeds(struct waiter *waiter, const struct hub_read *read) {
    bool bare = read->channel_count > 0;

    for (size_t i = 0; i < read->channel_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub->index = (unsigned)i & 1023; /* max_channels is 1024 at most */
        sub->feed = feeds_take(waiter->hub->feeds, read->channels[i].name, read->channels[i].len,
                               !waiter->waits);
        if (sub->feed == NULL)
            return false;
        ring_add(&feed_row(sub->feed)->subs, &sub->ring);
        feed_row(sub->feed)->told = false;
        sub_begin(sub, &read->channels[i]);
        waiter->needs_fence = waiter->needs_fence || sub->kind == SINCE_NOW;
        bare = bare && feed_bare(sub->feed);
    }
    waiter->fence_passed = bare;
    return true;
}

/* Those who wait, and those whose place is not known yet. */
static uint64_t held(const struct hub *hub) {
    return hub->stats->waiters + hub->unresolved;
}

/* Descriptors may have made less of max_waiters than was configured. */
static void say_full(struct hub *hub) {
    unsigned long quiet;

    if (log_allowed(&hub->full, ev_now(hub->loop), &quiet))
        log_warning("waiters.full",
                    "held=%llu max_waiters=%d: raise it, and LimitNOFILE not_logged=%lu",
                    (unsigned long long)held(hub), hub->config->max_waiters, quiet);
}

/* Near the limit a long-poller is answered at once and told to poll: slower, not refused. */
static void degrade_near_limit(struct hub *hub, struct waiter *waiter) {
    uint64_t most = (uint64_t)hub->config->max_waiters;

    if (waiter_transport(waiter)->stream || !waiter->waits || held(hub) < most - most / 10)
        return;
    waiter->waits = false;
    waiter->told_to_poll = true;
    hub->stats->answers_retry++;
    say_full(hub);
}

/* Room for what few requests bring along; their callback is taken over. */
static struct waiter_extra *extra_new(struct hub *hub, const struct hub_read *read,
                                      struct hub_holder *holder) {
    if (read->tag == NULL && read->options.callback == NULL && holder == NULL)
        return NULL;
    struct waiter_extra *extra = mem_new(sizeof *extra);
    *extra = (struct waiter_extra){.holder = holder,
                                   .tag = tag_take(hub->tallies, read->tag),
                                   .callback = read->options.callback};
    return extra;
}

static struct waiter *waiter_new(struct hub *hub, struct client *client,
                                 const struct hub_read *read, struct hub_holder *holder) {
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
    waiter->limit = (uint16_t)read->limit;
    waiter->waits = read->transport->waits && longest > 0;
    waiter->deadline.own = wheel_in(hub->wheel, longest * (1 - EARLY * drand48()));
    if (read->ends > 0)
        waiter->deadline.own = read->ends;
    waiter->sub_count = (uint16_t)read->channel_count;
    degrade_near_limit(hub, waiter);
    waiter->needs_fence = !waiter->waits;
    hub->unresolved++;
    waiter->extra = extra_new(hub, read, holder);
    deliver_spend(
        waiter,
        &(struct tally){.requests = read->bytes > 0, .bytes_in = (int64_t)read->bytes, .held = 1});
    return waiter;
}

/*
 * A wait that finds no room becomes a poll (above), which needs a place only until
 * it is answered: it is refused only where as many as there may be waiters have no
 * answer yet.
 */
bool hub_admits(struct hub *hub, const struct hub_read *read, struct problem *problem) {
    uint64_t most = (uint64_t)hub->config->max_waiters;

    if (hub->draining) {
        problem_later(problem, 503, 1, "this process is shutting down");
    } else if (!hub_redis_hopeful(hub)) {
        problem_later(problem, 503, 2, "Redis is away");
    } else if (hub->unresolved >= most || (read->transport->stream && held(hub) >= most)) {
        problem_later(problem, 503, 5, "no room for another waiter: max_waiters is %d",
                      hub->config->max_waiters);
        say_full(hub);
    } else {
        return true;
    }
    return false;
}

bool hub_hold(struct hub *hub, struct client *client, const struct hub_read *read,
              struct hub_holder *holder, struct problem *problem) {
    if (!hub_admits(hub, read, problem)) {
        free(read->options.callback);
        return false;
    }
    struct waiter *waiter = waiter_new(hub, client, read, holder);
    if (!take_feeds(waiter, read)) {
        problem_later(problem, 503, 5, "no room for another channel: %d are in use", FEEDS_MAX);
        deliver_forget(waiter);
        return false;
    }
    if (holder != NULL)
        holder->waiter = waiter;
    turn_set_deadline(waiter, hub->config->redis_timeout);
    client_watch(client, &turn_events, waiter);
    deliver_ready(waiter);
    hub->newcomers = true;
    return true;
}

bool hub_read(struct hub *hub, struct client *client, const struct hub_read *read,
              struct problem *problem) {
    return hub_hold(hub, client, read, NULL, problem);
}

void hub_put_off(struct hub *hub, struct client *client, const struct hub_read *read,
                 const struct problem *problem) {
    deliver_later(hub, client, read->transport, &read->options, problem);
}

struct hub_places hub_release(struct waiter *waiter) {
    struct hub_places places = {.count = waiter->sub_count, .ends = waiter->deadline.own};

    snprintf(places.tag, sizeof places.tag, "%s",
             tag_name(waiter->extra != NULL ? waiter->extra->tag : NULL));
    places.channels = mem_new((places.count + 1) * sizeof *places.channels);
    for (size_t i = 0; i < places.count; i++) {
        const struct sub *sub = &waiter->subs[i];
        struct hub_channel *channel = &places.channels[i];
        const char *name = feed_name(sub->feed, &channel->len);
        channel->name = mem_copy(name, channel->len);
        channel->since = sub_since(sub);
    }
    deliver_forget(waiter);
    return places;
}

void hub_places_free(struct hub_places *places) {
    for (size_t i = 0; i < places->count; i++)
        free((char *)(uintptr_t)places->channels[i].name);
    free(places->channels);
    *places = (struct hub_places){0};
}

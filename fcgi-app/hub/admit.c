/*
 * New reading requests: whether there is room, where each channel begins, and the
 * first look, which answers many at once. One of the files of the hub; its
 * functions are declared in hub.h.
 */
#include <stdlib.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/data/wildcard.h"
#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/hub/stay.h"
#include "fcgi-app/hub/trouble.h"
#include "fcgi-app/hub/turn.h"

#define CROWD 1.0 /* seconds that Redis has for each of more requests than may be held */

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
        bare = bare && feed_bare(sub->feed) &&
               !wildcard_is(read->channels[i].name, read->channels[i].len);
    }
    waiter->fence_passed = bare;
    return true;
}

static void say_full(struct hub *hub) {
    unsigned long quiet;
    double now = ev_now(hub->loop);

    if (log_allowed(&hub->full, now, &quiet))
        log_warning("waiters.full",
                    "held=%llu max_waiters=%llu here=%llu descriptors_for=%d class=\"%s\" share=%d "
                    "not_logged=%lu",
                    (unsigned long long)capacity_held(hub->capacity, now),
                    (unsigned long long)capacity_most(hub->config),
                    (unsigned long long)(hub->stats->waiters + hub->unresolved), hub->config->room,
                    hub->config->class, hub->config->share, quiet);
}

bool hub_crowded(const struct hub *hub) {
    return capacity_near(hub->capacity, ev_now(hub->loop));
}

static bool full(const struct hub *hub) {
    return capacity_full(hub->capacity, ev_now(hub->loop));
}

static void refuse_room(struct hub *hub, const char *what, struct problem *problem) {
    problem_later(problem, 503, 5, "no room for another %s: max_waiters is %d", what,
                  hub->config->max_waiters);
    say_full(hub);
    hub->stats->refused[REFUSED_WAITERS]++;
}

/* Whether there is too little room to hold the waiter, and its client can be told so in an answer.
 */
static bool crowds(const struct hub *hub, const struct transport *transport) {
    if (transport->carried && !transport->slows)
        return false; /* whom a carrier holds asks again at once, whatever it is told */
    return transport->stream ? full(hub) : hub_crowded(hub);
}

/*
 * Near the limit a long-poller is answered at once and told to poll: slower, not refused. So is
 * a stream beyond the limit: it is sent what it is owed, and ends. And so is whoever comes while
 * the process shuts down: the next process holds its client.
 */
static void degrade(struct waiter *waiter) {
    struct hub *hub = waiter->hub;

    if (!waiter->waits && !hub->draining)
        return;
    waiter->waits = false;
    waiter->told_to_poll = true;
    hub->stats->answers_retry++;
    if (hub->draining)
        return;
    client_leave(waiter->client);
    say_full(hub);
}

/*
 * Who finds no room needs a place only until it is answered (above). A line feed has another word
 * for that; and no process has more requests than descriptors.
 */
bool hub_admits(struct hub *hub, const struct hub_read *read, struct problem *problem) {
    uint64_t room = (uint64_t)hub->config->room;

    bool resumed = read->ends != 0, bare = !read->transport->carried && !read->transport->own_door;

    if (hub->draining && (resumed || !bare))
        problem_later(problem, 503, 1, "this process is shutting down");
    else if (!link_hopeful(hub->link))
        hub_explain(hub, problem, "Redis is away");
    else if ((room > 0 && hub->unresolved >= room) ||
             (read->transport->own_door && read->ends == 0 && full(hub)))
        refuse_room(hub, "waiter", problem);
    else
        return !hub_read_waits(read) ||
               limits_admit(hub->limits, read->address, read->who, ev_now(hub->loop), problem);
    return false;
}

bool hub_admits_channels(struct hub *hub, const char *address, const struct hub_channel *channels,
                         size_t count, struct problem *problem) {
    size_t unknown = 0;

    if (!limits_counts_channels(hub->limits) || address == NULL)
        return true;
    for (size_t i = 0; i < count; i++) {
        bool is_known =
            channels[i].found || feeds_know(hub->feeds, channels[i].name, channels[i].len);
        unknown += !is_known;
    }
    return limits_channels(hub->limits, address, unknown, ev_now(hub->loop), problem);
}

bool hub_admits_visitor(struct hub *hub, const struct hub_read *read, struct problem *problem) {
    return (!hub_read_waits(read) ||
            limits_admit(hub->limits, read->address, read->who, ev_now(hub->loop), problem)) &&
           hub_admits_channels(hub, read->address, read->channels, read->channel_count, problem);
}

bool hub_admits_session(struct hub *hub, struct problem *problem) {
    if (!hub_crowded(hub))
        return true;
    refuse_room(hub, "session", problem);
    return false;
}

/* Redis answers more of them than there may be waiters within a second; else it is as good as away.
 */
static double patience(const struct hub *hub) {
    const struct config *config = hub->config;
    bool many = hub->unresolved > capacity_most(config);

    return (many || hub->draining) && config->redis_timeout > CROWD ? CROWD : config->redis_timeout;
}

bool hub_hold(struct hub *hub, struct client *client, const struct hub_read *read,
              struct hub_holder *holder, struct problem *problem) {
    if (!hub_admits(hub, read, problem)) {
        limits_let_go(hub->limits, read->stake);
        free(read->options.callback);
        return false;
    }
    bool crowded = read->ends == 0 && (hub->draining || crowds(hub, read->transport));
    struct waiter *waiter = stay_begin(hub, client, read, holder);
    if (crowded)
        degrade(waiter);
    waiter->needs_fence = !waiter->waits;
    if (!take_feeds(waiter, read)) {
        problem_later(problem, 503, 5, "no room for another channel: %d are in use", FEEDS_MAX);
        stay_end(waiter);
        return false;
    }
    if (holder != NULL)
        holder->waiter = waiter;
    turn_set_deadline(waiter, patience(hub));
    client_watch(client, &turn_events, waiter);
    stay_ready(waiter);
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

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

static bool near_limit(const struct hub *hub) {
    uint64_t most = (uint64_t)hub->config->max_waiters;
    return held(hub) >= most - most / 10;
}

/* Near the limit a long-poller is answered at once and told to poll: slower, not refused. */
static void degrade(struct waiter *waiter) {
    struct hub *hub = waiter->hub;

    if (waiter_transport(waiter)->stream || !waiter->waits || waiter_transport(waiter)->carried)
        return; /* whom a carrier holds polls again at once, whatever it is told */
    waiter->waits = false;
    waiter->told_to_poll = true;
    hub->stats->answers_retry++;
    say_full(hub);
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
    } else if (!link_hopeful(hub->link)) {
        hub_explain(hub, problem, "Redis is away");
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
    bool crowded = near_limit(hub);
    struct waiter *waiter = stay_begin(hub, client, read, holder);
    if (crowded && read->ends == 0)
        degrade(waiter);
    waiter->needs_fence = !waiter->waits;
    if (!take_feeds(waiter, read)) {
        problem_later(problem, 503, 5, "no room for another channel: %d are in use", FEEDS_MAX);
        stay_end(waiter);
        return false;
    }
    if (holder != NULL)
        holder->waiter = waiter;
    turn_set_deadline(waiter, hub->config->redis_timeout);
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

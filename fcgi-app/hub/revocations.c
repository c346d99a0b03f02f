/*
 * A word is in the table at once, so no new request is taken for a token that it means. What goes
 * on already is looked through a moment later, for all words together: many may come in a row.
 *
 * The list is asked for twice: when functions can be called, which is before anything is read for
 * anybody, so that nobody reads on by a token that was taken back meanwhile; and when this process
 * listens, since a word may have been said in between. Only then it is not stale.
 */
#include "fcgi-app/hub/revocations.h"

#include <string.h>

#include "core/base/log.h"
#include "core/data/names.h"
#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/deliver.h"
#include "fcgi-app/hub/holder.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/rights/revoked.h"
#include "fcgi-app/rights/rights.h"

#define GATHER 0.05 /* seconds for which words are gathered */
#define AGAIN  1.0  /* seconds after which a list that did not come is asked for once more */

static size_t name_of(const struct hub *hub, char out[OWN_NAME_MAX]) {
    return names_own(out, hub->config->prefix, "revoked");
}

/* ------------------------------------------------------------------- consequences */

bool hub_banned(const struct waiter *waiter) {
    const struct identity *who = waiter->extra != NULL ? waiter->extra->who : NULL;

    for (size_t i = 0; who != NULL && i < waiter->sub_count; i++) {
        size_t len;
        const char *name = feed_name(waiter->subs[i].feed, &len);
        if (rights_banned(waiter->hub->config, who, RIGHTS_SUBSCRIBE, name, len))
            return true;
    }
    return false;
}

/* Those who have a holder that goes on with another token hear of it by themselves. */
static void look_at(void *ctx, struct wheel_entry *entry) {
    struct waiter *waiter = RING_OF(entry, struct waiter, deadline);
    const struct waiter_extra *extra = waiter->extra;
    struct problem problem;
    (void)ctx;

    if (extra == NULL || extra->who == NULL || extra->renews ||
        (!extra->who->revoked && !hub_banned(waiter)))
        return;
    waiter->hub->stats->revoked++;
    if (waiter->parked)
        deliver_end(waiter);
    else
        deliver_refuse(waiter, problem_set(&problem, extra->who->revoked ? 401 : 403,
                                           "token: it was revoked"));
}

static void judge(struct hub *hub) {
    size_t ended = revoked_judge(hub->revoked, ev_now(hub->loop));
    uint64_t before = hub->stats->revoked;

    wheel_each(hub->wheel, look_at, NULL);
    if (ended > 0 || hub->stats->revoked > before)
        log_info("tokens.revoked", "tokens=%zu waiters=%llu", ended,
                 (unsigned long long)(hub->stats->revoked - before));
}

/* ------------------------------------------------------------------------ the list */

static void set_timer(struct hub *hub, double seconds) {
    if (ev_is_active(&hub->revoked_timer))
        return;
    ev_timer_set(&hub->revoked_timer, seconds, 0);
    ev_timer_start(hub->loop, &hub->revoked_timer);
}

static bool take_list(struct hub *hub, const redis_reply *reply) {
    if (reply == NULL)
        return false; /* the connection is lost: it is asked for anew */
    if (redis_is_error(reply)) {
        log_warning("tokens.unknown", "Redis does not tell which were revoked: %.200s",
                    redis_words(reply));
        hub->revoked_asks = true;
        set_timer(hub, AGAIN);
        return false;
    }
    for (size_t i = 0; i < redis_count(reply); i++) {
        size_t len;
        const char *text = redis_text(redis_item(reply, i), &len);
        if (text != NULL)
            revoked_take(hub->revoked, text, len, ev_now(hub->loop));
    }
    judge(hub);
    return true;
}

static void on_early_list(void *ctx, const redis_reply *reply) {
    (void)take_list(ctx, reply);
}

static void on_list(void *ctx, const redis_reply *reply) {
    struct hub *hub = ctx;

    if (!take_list(hub, reply))
        return;
    revoked_set_stale(hub->revoked, false);
    hub->revoked_known(hub);
}

static void ask(struct hub *hub) {
    static const char *argv[] = {"FCALL_RO", "halley_revoked", "0"};
    static const size_t lens[] = {8, 14, 1};

    hub->revoked_asks = false;
    if (library_ready(hub->library))
        (void)!redis_command(hub->commands, hub->revoked_heard ? on_list : on_early_list, hub, 3,
                             argv, lens);
}

static void on_timer(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct hub *hub = timer->data;
    (void)loop, (void)events;

    if (hub->revoked_asks)
        ask(hub);
    judge(hub);
}

void revocations_start(struct hub *hub) {
    if (hub->config->key_count == 0)
        return;
    hub->revoked = revoked_new();
    ev_init(&hub->revoked_timer, on_timer);
    hub->revoked_timer.data = hub;
}

void revocations_stop(struct hub *hub) {
    if (hub->revoked != NULL)
        ev_timer_stop(hub->loop, &hub->revoked_timer);
}

void revocations_ready(struct hub *hub) {
    if (hub->revoked != NULL)
        ask(hub);
}

void revocations_away(struct hub *hub) {
    if (hub->revoked == NULL)
        return;
    hub->revoked_heard = false;
    revoked_set_stale(hub->revoked, true);
}

void revocations_up(struct hub *hub) {
    char name[OWN_NAME_MAX];

    if (hub->revoked != NULL)
        (void)!redis_subscribe(hub->subscriber, name, name_of(hub, name), false);
}

static bool is_ours(const struct hub *hub, const char *channel, size_t len) {
    char name[OWN_NAME_MAX];

    return hub->revoked != NULL && name_of(hub, name) == len && memcmp(name, channel, len) == 0;
}

bool revocations_subscribed(struct hub *hub, const char *channel, size_t len, bool on) {
    if (!is_ours(hub, channel, len))
        return false;
    hub->revoked_heard = on;
    if (on)
        ask(hub);
    return true;
}

bool revocations_message(struct hub *hub, const char *channel, size_t channel_len, const char *text,
                         size_t len) {
    if (!is_ours(hub, channel, channel_len))
        return false;
    revoked_take(hub->revoked, text, len, ev_now(hub->loop));
    set_timer(hub, GATHER);
    return true;
}

/*
 * Where channels begin. Who subscribes through a session in Redis is nobody's waiter: the hub
 * is asked by a waiter that wants to know only where it would begin, with a client that is
 * nobody. It is over before anything could be sent to it.
 */
#include "fcgi-app/carriers/begin.h"

#include <stdlib.h>

#include "core/base/loop.h"
#include "core/base/mem.h"
#include "fcgi-app/transports/sockjs.h"

struct asker {
    struct hub_holder holder; /* first: the hub's callbacks get this */
    struct client nobody;
    struct app *app;
    begin_fn *done;
    void *ctx;
    struct hub_places places; /* where it begins, once that is known */
    bool placed;
    struct problem problem;
    struct ev_timer later; /* outside of the hub's callbacks */
};

static struct asker *of(const struct client *client) {
    return (struct asker *)((char *)(uintptr_t)client - offsetof(struct asker, nobody));
}

static void on_later(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct asker *asker = timer->data;
    (void)loop, (void)events;

    if (asker->holder.waiter != NULL) {
        struct hub_places places = hub_release(asker->holder.waiter);
        hub_places_free(&places);
    }
    if (!asker->placed && asker->problem.status == 0)
        problem_later(&asker->problem, 503, 2, "Redis went away");
    asker->done(asker->ctx, asker->placed ? &asker->places : NULL, &asker->problem);
    hub_places_free(&asker->places);
    free(asker);
}

static void note(struct asker *asker) {
    if (!ev_is_active(&asker->later))
        ev_timer_start(asker->app->loop, &asker->later);
}

/* ------------------------------------------------------------------------ nobody */

static void nobody_watch(struct client *client, const struct client_events *events, void *ctx) {
    (void)client, (void)events, (void)ctx;
}

static enum err nobody_send(struct client *client, const struct head *head,
                            const struct part *parts, size_t count) {
    (void)client, (void)head, (void)parts, (void)count;
    return ERR_OK;
}

static void nobody_finish(struct client *client, const struct head *head, const struct part *parts,
                          size_t count) {
    (void)head, (void)parts, (void)count;
    note(of(client));
}

static void nobody_refuse(struct client *client, const struct problem *problem) {
    of(client)->problem = *problem;
    note(of(client));
}

static void nobody_drop(struct client *client) {
    note(of(client));
}

static size_t nobody_backlog(const struct client *client) {
    return of(client)->placed; /* nothing more, please */
}

static const struct client_kind nobody_kind = {.watch = nobody_watch,
                                               .send = nobody_send,
                                               .finish = nobody_finish,
                                               .refuse = nobody_refuse,
                                               .drop = nobody_drop,
                                               .backlog = nobody_backlog};

/* ----------------------------------------------------------------- the question */

static void on_placed(struct hub_holder *holder, const struct batch *start,
                      const struct batch *first) {
    struct asker *asker = (struct asker *)holder;
    size_t count = batch_channel_count(start);

    asker->places.channels = mem_new((count + 1) * sizeof *asker->places.channels);
    for (size_t i = 0; i < count; i++) {
        const struct batch_channel *channel = batch_channel_at(start, i);
        asker->places.channels[asker->places.count++] =
            (struct hub_channel){.name = mem_copy(channel->name, channel->len),
                                 .len = channel->len,
                                 .since = {.kind = SINCE_AT, .at = channel->from},
                                 .gap = first != NULL && batch_channel_at(first, i)->gap};
    }
    asker->placed = true;
    note(asker);
}

static void on_begun(struct hub_holder *holder) {
    (void)holder;
}

void begin_ask(struct app *app, const char *address, const struct hub_channel *channels,
               size_t count, begin_fn *done, void *ctx) {
    const struct hub_read read = {.transport = &transport_sockjs,
                                  .options.config = app->config,
                                  .channels = channels,
                                  .channel_count = count,
                                  .limit = 1};
    struct asker *asker = mem_new(sizeof *asker);

    *asker = (struct asker){.holder = {.begun = on_begun, .placed = on_placed},
                            .nobody.kind = &nobody_kind,
                            .app = app,
                            .done = done,
                            .ctx = ctx};
    ev_timer_init(&asker->later, on_later, 0, 0);
    asker->later.data = asker;
    if (!hub_admits_channels(app->hub, address, channels, count, &asker->problem) ||
        !hub_hold(app->hub, &asker->nobody, &read, &asker->holder, &asker->problem))
        note(asker);
}

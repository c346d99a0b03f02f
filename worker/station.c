/*
 * The station. It carries the sequencer's calls over one connection and what is
 * heard over another, which it makes when the sequencer wants to hear and the
 * function library is there, and closes when one of the two is no longer so: a
 * connection that was subscribed before cannot join.
 */
#include "worker/station.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/redis/library.h"
#include "worker/sequencer.h"

#define PATIENCE_FIRST 0.1 /* seconds */
#define PATIENCE_MAX   3.0

enum ears {
    EARS_NONE,    /* no connection */
    EARS_ASKED,   /* connecting */
    EARS_TRYING,  /* whether Redis would let us join is asked */
    EARS_JOINING, /* the transaction is out */
    EARS_OPEN,
    EARS_CLOSING, /* unsubscribing; what still comes is heard */
    EARS_SPENT    /* to be closed as soon as nobody is inside of it */
};

struct station {
    struct ev_loop *loop;
    struct link *link;        /* the worker's */
    struct redis *subscriber; /* NULL: nobody listens */
    struct sequencer *sequencer;
    enum ears ears;
    int64_t connection; /* CLIENT ID of the last that listened; 0: there is none to be ended */
    double deaf_until;  /* Redis refused to let us join: not again before */
    double patience;    /* and how long it was for */
    double due_at;
    struct ev_timer due; /* the sequencer's */
    struct ev_prepare prepare;
};

/* -------------------------------------------------------------- the sequencer's porter */

static double on_now(void *ctx) {
    const struct station *station = ctx;
    return ev_now(station->loop);
}

static bool on_send(void *ctx, redis_reply_fn *answer, void *answer_ctx, const struct call *call) {
    struct station *station = ctx;
    return redis_command(link_commands(station->link), answer, answer_ctx, call->argc,
                         (const char **)call->argv, call->lens) == ERR_OK;
}

static void on_refused(void *ctx, const redis_reply *error) {
    struct station *station = ctx;
    (void)library_missing(link_library(station->link), error); /* if so, it is loaded */
}

/* ----------------------------------------------------------------- the subscriptions */

/*
 * Where the last connection was lost on its way, Redis may not know it yet, and would go on
 * to tell publishers that somebody listens.
 */
static void replace_connection(struct station *station, int64_t id) {
    char text[24];
    int len = snprintf(text, sizeof text, "%lld", (long long)station->connection);
    const char *argv[] = {"CLIENT", "KILL", "ID", text};
    const size_t lens[] = {6, 4, 2, (size_t)len};

    if (station->connection != 0 &&
        redis_command(link_commands(station->link), NULL, NULL, 4, argv, lens) != ERR_OK)
        log_debug("sequencer.unsent", "CLIENT KILL ID %s",
                  text); /* Redis notices by itself, later */
    station->connection = id;
}

/*
 * Not again for a while, and for longer each time. The connection, which may be subscribed to
 * something, is replaced: `down` follows.
 */
static void rest(struct station *station, const redis_reply *answer) {
    size_t len;
    const char *why = redis_text(answer, &len);

    station->patience = station->patience > 0 ? station->patience * 2 : PATIENCE_FIRST;
    if (station->patience > PATIENCE_MAX)
        station->patience = PATIENCE_MAX;
    station->deaf_until = ev_now(station->loop) + station->patience;
    redis_renew(station->subscriber, why != NULL ? why : "no place among the workers");
}

static void on_joined(void *ctx, const redis_reply *reply) {
    struct station *station = ctx;
    const redis_reply *answer = redis_is_error(reply) ? reply : redis_item(reply, 0);

    if (reply == NULL || station->ears != EARS_JOINING)
        return; /* lost: `down` follows */
    if (!sequencer_joined(station->sequencer, answer)) {
        rest(station, answer);
        return;
    }
    station->ears = EARS_OPEN;
    replace_connection(station, redis_integer(redis_item(reply, 1), 0));
    station->patience = 0;
}

static void join(struct station *station) {
    struct call call;
    size_t count;
    const char *const *patterns = sequencer_patterns(station->sequencer, &count);

    sequencer_join(station->sequencer, &call);
    station->ears = EARS_JOINING;
    if (redis_join(station->subscriber, on_joined, station, call.argc, (const char **)call.argv,
                   call.lens, sequencer_channel(station->sequencer), patterns, count) != ERR_OK) {
        station->ears = EARS_ASKED;
        sequencer_deaf(station->sequencer, true);
    }
}

static void on_tried(void *ctx, const redis_reply *reply) {
    struct station *station = ctx;

    if (reply == NULL || station->ears != EARS_TRYING)
        return; /* lost: `down` follows */
    if (redis_is_error(reply)) {
        sequencer_refused(station->sequencer, reply);
        rest(station, reply);
    } else if (library_ready(link_library(station->link)) &&
               sequencer_wants_to_hear(station->sequencer)) {
        join(station);
    } else {
        station->ears = EARS_SPENT;
    }
}

/*
 * Redis subscribes us also where it refuses the rest of the transaction, and publishers are
 * told that somebody hears them. What refuses it mostly lasts, so it is asked for by itself
 * first: then nobody is subscribed who may not join.
 */
static void try_to_join(struct station *station) {
    struct call call;

    sequencer_try(station->sequencer, &call);
    station->ears = EARS_TRYING;
    if (redis_command(station->subscriber, on_tried, station, call.argc, (const char **)call.argv,
                      call.lens) != ERR_OK)
        station->ears = EARS_SPENT;
}

static void on_subscriber_up(void *ctx) {
    struct station *station = ctx;
    if (station->ears == EARS_ASKED && library_ready(link_library(station->link)) &&
        sequencer_wants_to_hear(station->sequencer))
        try_to_join(station);
    else
        station->ears = EARS_SPENT; /* it is asked for again when it can be used */
}

static void on_subscriber_down(void *ctx) {
    struct station *station = ctx;

    if (station->ears != EARS_SPENT)
        station->ears = EARS_ASKED; /* it connects again by itself */
    sequencer_deaf(station->sequencer, true);
}

static void on_message(void *ctx, const char *channel, size_t channel_len, const char *payload,
                       size_t payload_len) {
    struct station *station = ctx;
    bool room;

    if (station->ears != EARS_OPEN && station->ears != EARS_CLOSING)
        return;
    room = sequencer_heard(station->sequencer, channel, channel_len, payload, payload_len);
    if (!room) {
        station->ears = EARS_SPENT;
        sequencer_deaf(station->sequencer, true);
    }
}

static bool named(const char *channel, size_t len, const char *name) {
    return len == strlen(name) && memcmp(channel, name, len) == 0;
}

/* Where the patterns are no longer subscribed, publishers are told that nobody listens. They end
 * all at once, and are confirmed one by one. */
static void on_subscribed(void *ctx, const char *channel, size_t channel_len, bool on) {
    struct station *station = ctx;
    size_t count;
    const char *const *patterns = sequencer_patterns(station->sequencer, &count);

    if (on || station->ears != EARS_CLOSING || !named(channel, channel_len, patterns[count - 1]))
        return;
    station->ears = EARS_SPENT;
    station->connection = 0;
    sequencer_deaf(station->sequencer, false);
}

static const struct redis_events subscriber_events = {.up = on_subscriber_up,
                                                      .down = on_subscriber_down,
                                                      .message = on_message,
                                                      .subscribed = on_subscribed};

static void open_ears(struct station *station) {
    link_listen(station->link, &subscriber_events, station);
    station->subscriber = link_subscriber(station->link);
    station->ears = EARS_ASKED;
}

static void close_ears(struct station *station) {
    link_deafen(station->link);
    station->subscriber = NULL;
    station->ears = EARS_NONE;
}

/* ------------------------------------------------------------------------- the loop */

static void settle_ears(struct station *station) {
    bool wants = sequencer_wants_to_hear(station->sequencer);
    size_t count;
    const char *const *patterns = sequencer_patterns(station->sequencer, &count);

    if (station->ears == EARS_OPEN && !wants &&
        redis_unsubscribe_all(station->subscriber, patterns, count) == ERR_OK)
        station->ears = EARS_CLOSING;
    if (station->ears == EARS_SPENT ||
        ((station->ears == EARS_ASKED || station->ears == EARS_TRYING) && !wants))
        close_ears(station);
    if (station->ears == EARS_NONE && wants && library_ready(link_library(station->link)) &&
        ev_now(station->loop) >= station->deaf_until)
        open_ears(station);
}

/* Before the loop waits, nobody is inside of a connection: what events asked for is done. */
static void on_prepare(struct ev_loop *loop, struct ev_prepare *prepare, int events) {
    struct station *station = prepare->data;
    double due;
    (void)events;

    sequencer_tick(station->sequencer);
    settle_ears(station);
    due = sequencer_due(station->sequencer);
    if (station->ears == EARS_NONE && station->deaf_until > ev_now(loop) &&
        station->deaf_until < due)
        due = station->deaf_until;
    if (due == station->due_at && ev_is_active(&station->due))
        return;
    station->due_at = due;
    double delay = due - ev_now(loop);
    ev_timer_stop(loop, &station->due);
    if (due == INFINITY)
        return; /* an event of Redis comes first */
    ev_timer_set(&station->due, delay < 0 ? 0 : delay, 0);
    ev_timer_start(loop, &station->due);
}

static void on_due(struct ev_loop *loop, struct ev_timer *timer, int events) {
    struct station *station = timer->data;
    (void)loop, (void)events;
    sequencer_tick(station->sequencer);
}

/* --------------------------------------------------------------------------- the job */

static void station_up(void *job) {
    struct station *station = job;
    sequencer_up(station->sequencer);
}

static void station_down(void *job) {
    struct station *station = job;
    station->connection = 0; /* of another process, perhaps */
    sequencer_down(station->sequencer);
}

static void *station_new(struct ev_loop *loop, const struct config *config, struct link *link) {
    struct station *station = mem_new(sizeof *station);
    const struct porter porter = {
        .ctx = station, .now = on_now, .send = on_send, .refused = on_refused};

    station->loop = loop;
    station->link = link;
    station->sequencer = sequencer_new(config, &porter, QUEUE_ITEMS);
    ev_timer_init(&station->due, on_due, 0, 0);
    ev_prepare_init(&station->prepare, on_prepare);
    station->due.data = station->prepare.data = station;
    ev_prepare_start(loop, &station->prepare);
    return station;
}

static void station_free(void *job) {
    struct station *station = job;

    if (station == NULL)
        return;
    sequencer_free(station->sequencer);
    ev_timer_stop(station->loop, &station->due);
    ev_prepare_stop(station->loop, &station->prepare);
    free(station);
}

static void station_drain(void *job, void (*done)(void *ctx), void *ctx) {
    struct station *station = job;
    sequencer_drain(station->sequencer, done, ctx);
}

static void station_report(const void *job, struct buf *out) {
    const struct station *station = job;
    sequencer_report(station->sequencer, out);
}

const struct job sequencer_job = {.name = "sequencer",
                                  .new = station_new,
                                  .up = station_up,
                                  .down = station_down,
                                  .drain = station_drain,
                                  .report = station_report,
                                  .free = station_free};

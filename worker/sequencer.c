/*
 * The sequencer. Any number of workers run it; one leads. All of them hear every
 * bare publish, in the same order, and keep it in a queue. The leader passes the
 * head of its queue to the function halley_sequence, which checks the lease,
 * makes the message history and announces "one more done" on halley.sequenced,
 * in one atom. Hearing that, every worker, the leader too, takes the item off its
 * queue. So whoever takes over has exactly what is left to do.
 *
 *   JOINING  subscribed; does not know yet which of the items it heard were done
 *   STANDBY  its queue is exactly what the leader has not done
 *   TAKING   has the lease; waits to hear its own marker, because what the old
 *            leader did last may still be on its way
 *   LEADING  sends its queue, and what is added to it, in order
 *
 * Markers: a worker publishes one on halley.marker; it stands in everybody's
 * queue like an item and is "done" by the leader like one. When a joining worker
 * hears that its marker is done, everything before it was done too: it is a
 * standby. That, and the order of one connection, is all the coordination there is.
 *
 * Nobody leads too early: a joining worker asks for the lease only if it is alone,
 * or after waiting one lease's length, since a worker that was there before may
 * have heard more than it.
 *
 * When the connection to Redis is lost, publishes may have been missed: the
 * worker gives the lease up and joins anew. What it had heard before keeps its
 * index, so if it leads again, nothing is done twice, even when Redis was
 * restarted with what it did last half on disk.
 */
#include "worker/sequencer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/channel.h"
#include "core/library.h"
#include "core/log.h"
#include "core/mem.h"
#include "core/names.h"
#include "worker/lease.h"
#include "worker/queue.h"

enum { WINDOW = 512, MARKER_TEXT = 400, SUBSCRIPTIONS = 3 };

enum role { JOINING, STANDBY, TAKING, LEADING };
static const char *const role_names[] = {"joining", "standby", "taking", "leading"};

struct sequencer {
    struct ev_loop *loop;
    const struct config *config;
    struct {
        char bare[OWN_NAME_MAX]; /* the pattern of all bare publishes */
        char marker[OWN_NAME_MAX], sequenced[OWN_NAME_MAX];
    } names;
    struct redis *subscriber;
    struct redis *commands;
    struct library *library;
    struct lease *lease;
    enum role role;
    bool asked;               /* for the SUBSCRIPTIONS, on this connection */
    unsigned confirmed;       /* how many of them are there */
    bool closed;              /* draining: nothing that comes now is ours */
    ev_tstamp joined;         /* when all subscriptions were confirmed */
    unsigned markers;         /* published so far, to name the next */
    char marker[MARKER_TEXT]; /* the last own one: what JOINING and TAKING wait for */
    char marker_digest[DIGEST_TEXT];
    struct queue queue;
    struct item *next; /* the first of the queue that was not sent; NULL: all were */
    unsigned in_flight;
    uint64_t total;  /* announced as done */
    uint64_t issued; /* index of the last item that was sent */
    struct ev_timer tick;
    struct {
        uint64_t heard, refused, skipped, sequenced, takeovers;
    } counts;
    struct log_limit complaint;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

/* ------------------------------------------------------------------------- roles */

/* The one place where the role changes. */
static void set_role(struct sequencer *s, enum role role) {
    if (s->role == role)
        return;
    log_info("sequencer", "role=%s before=%s queue=%zu total=%llu", role_names[role],
             role_names[s->role], s->queue.count, (unsigned long long)s->total);
    s->counts.takeovers += role == LEADING;
    s->role = role;
}

static bool synced(const struct sequencer *s) {
    return s->role != JOINING;
}

static void publish(struct sequencer *s, const char *channel, const char *text) {
    const char *argv[] = {"PUBLISH", channel, text};
    const size_t lens[] = {7, strlen(channel), strlen(text)};
    if (redis_command(s->commands, NULL, NULL, 3, argv, lens) != ERR_OK)
        log_debug("sequencer.unsent", "channel=%s", channel); /* the tick tries again */
}

static void publish_marker(struct sequencer *s) {
    snprintf(s->marker, sizeof s->marker, "%s/%u", lease_owner(s->lease), ++s->markers);
    queue_digest("", 0, s->marker, strlen(s->marker), s->marker_digest);
    publish(s, s->names.marker, s->marker);
}

static void on_count(void *ctx, const redis_reply *reply) {
    struct sequencer *s = ctx;
    if (redis_integer(redis_item(reply, 1), 2) == 1 && s->role == JOINING)
        lease_want(s->lease, true); /* nobody else listens: nobody heard more */
}

static void ask_whether_alone(struct sequencer *s) {
    const char *argv[] = {"PUBSUB", "NUMSUB", s->names.marker};
    const size_t lens[] = {6, 6, strlen(s->names.marker)};
    if (redis_command(s->commands, on_count, s, 3, argv, lens) != ERR_OK)
        return; /* the tick asks again */
}

/* Everything that a worker which is not the leader does from time to time. */
static void move_on(struct sequencer *s) {
    if (s->confirmed < SUBSCRIPTIONS || !library_ready(s->library))
        return;
    if (s->role == JOINING) {
        publish_marker(s);
        ask_whether_alone(s);
        if (ev_now(s->loop) - s->joined > s->config->lease / 1000.0)
            lease_want(s->lease, true);
    } else if (s->role == TAKING) {
        publish_marker(s); /* in case the first was lost with a connection */
    }
}

static void on_tick(struct ev_loop *loop, struct ev_timer *timer, int events) {
    (void)loop, (void)events;
    move_on(timer->data);
}

/* ----------------------------------------------------------------------- leading */

static void step_down(struct sequencer *s) {
    s->next = NULL;
    if (s->role == TAKING || s->role == LEADING)
        set_role(s, STANDBY);
}

static void on_sequenced(void *ctx, const redis_reply *reply);

static void send_item(struct sequencer *s, const struct item *item) {
    const struct channel_policy *policy =
        config_channel(s->config, item->channel, item->channel_len);
    char index[24], history[16], ttl[16], max_message[16], meta_ttl[16];
    const char *owner = lease_owner(s->lease), *key = lease_key(s->lease);

    snprintf(index, sizeof index, "%llu", (unsigned long long)item->index);
    snprintf(history, sizeof history, "%d", policy->history);
    snprintf(ttl, sizeof ttl, "%d", policy->ttl);
    snprintf(max_message, sizeof max_message, "%d", policy->max_message);
    snprintf(meta_ttl, sizeof meta_ttl, "%d", s->config->meta_ttl);
    const char *argv[] = {
        "FCALL",  "halley_sequence", "2",           item->channel, key, owner,
        index,    item->digest,      item->payload, history,       ttl, max_message,
        meta_ttl, s->config->prefix};
    const size_t lens[] = {5,
                           15,
                           1,
                           item->channel_len,
                           strlen(key),
                           strlen(owner),
                           strlen(index),
                           strlen(item->digest),
                           item->payload_len,
                           strlen(history),
                           strlen(ttl),
                           strlen(max_message),
                           strlen(meta_ttl),
                           strlen(s->config->prefix)};
    if (redis_command(s->commands, on_sequenced, s, 14, argv, lens) == ERR_OK)
        s->in_flight++;
}

/* Sends what is in the queue and was not sent, a bounded number at a time. */
static void send_queue(struct sequencer *s) {
    while (s->role == LEADING && s->next != NULL && s->in_flight < WINDOW) {
        struct item *item = s->next;
        item->index = ++s->issued;
        s->next = item->next;
        send_item(s, item);
    }
}

static void on_sequenced(void *ctx, const redis_reply *reply) {
    struct sequencer *s = ctx;
    size_t len;
    unsigned long quiet;
    const char *text = redis_text(reply, &len);

    s->in_flight--;
    if (reply == NULL)
        return; /* lost: on_commands_down() follows */
    if (redis_is_error(reply)) {
        library_missing(s->library, reply);
        if (s->role == LEADING)
            log_warning("sequencer.refused", "answer=\"%.*s\"", (int)len, text);
        lease_doubt(s->lease);
        return;
    }
    if (text != NULL && strncmp(text, "SKIPPED ", 8) == 0) {
        s->counts.skipped++;
        if (log_allowed(&s->complaint, ev_now(s->loop), &quiet))
            log_warning("sequencer.skipped", "why=\"%.*s\" not_logged=%lu", (int)len - 8, text + 8,
                        quiet);
    }
    send_queue(s);
}

/* The own marker was heard after the lease was granted: the queue is what is left to do. */
static void lead(struct sequencer *s) {
    queue_drop_sequenced(&s->queue, s->total);
    s->issued = s->total;
    s->next = s->queue.head;
    set_role(s, LEADING);
    send_queue(s);
}

static void on_granted(void *ctx, uint64_t total) {
    struct sequencer *s = ctx;
    if (s->confirmed < SUBSCRIPTIONS) {
        lease_release(s->lease);
        return;
    }
    s->total = total;
    if (s->role == JOINING)
        queue_drop_sequenced(&s->queue, total);
    set_role(s, TAKING);
    publish_marker(s);
}

static void on_lost(void *ctx) {
    step_down(ctx);
}

static const struct lease_events sequencer_lease_events = {.granted = on_granted, .lost = on_lost};

/* ----------------------------------------------------------------------- hearing */

static void complain(struct sequencer *s, const char *what) {
    unsigned long quiet;
    s->counts.refused++;
    if (log_allowed(&s->complaint, ev_now(s->loop), &quiet))
        log_warning("sequencer.ignored", "why=\"%s\" not_logged=%lu", what, quiet);
}

static void enqueue(struct sequencer *s, const char *channel, size_t channel_len,
                    const char *payload, size_t payload_len) {
    if (queue_add(&s->queue, channel, channel_len, payload, payload_len) != ERR_OK) {
        complain(s, "the queue is full: Redis takes less than it is sent");
        return;
    }
    if (s->role == LEADING && s->next == NULL)
        s->next = s->queue.head->prev; /* a DL list's head knows its tail */
    send_queue(s);
}

static void hear_publish(struct sequencer *s, const char *name, size_t len, const char *payload,
                         size_t payload_len) {
    s->counts.heard++;
    if (!channel_valid(name, len))
        complain(s, "not a valid channel name");
    else if (channel_reserved(name, len))
        complain(s, "a channel name that begins with ~ is reserved");
    else if (payload_len > (size_t)config_channel(s->config, name, len)->max_message)
        complain(s, "a payload is over max_message");
    else
        enqueue(s, name, len, payload, payload_len);
}

static void hear_marker(struct sequencer *s, const char *text, size_t len) {
    bool own = len == strlen(s->marker) && memcmp(text, s->marker, len) == 0;

    if (len >= 8 && memcmp(text, "released", 8) == 0) {
        lease_try(s->lease); /* a leader went in peace */
        return;
    }
    if (!s->closed) /* what is behind something that we did not hear is not ours to do */
        enqueue(s, "", 0, text, len);
    if (own && s->role == TAKING)
        lead(s);
}

/* One more item is done, says whoever leads: "<total> <digest>". */
static void hear_sequenced(struct sequencer *s, const char *text, size_t len) {
    char line[64];
    unsigned long long total;
    char digest[DIGEST_TEXT];

    if (len >= sizeof line)
        return;
    memcpy(line, text, len);
    line[len] = '\0';
    if (sscanf(line, "%llu %16s", &total, digest) != 2)
        return;
    s->total = total;
    s->counts.sequenced++;
    struct item *item = queue_find(&s->queue, digest);
    bool joined = s->role == JOINING && strcmp(digest, s->marker_digest) == 0;
    if (item == NULL || (s->role == JOINING && !joined && item != s->queue.head))
        return; /* from before we listened, or refused by us for its size */
    if (item != s->queue.head && synced(s))
        log_warning("sequencer.passed_over", "items before the one that was done");
    bool was_next = false;
    for (struct item *at = s->queue.head; at != item->next; at = at->next)
        was_next = was_next || at == s->next;
    struct item *after = item->next;
    queue_drop_through(&s->queue, item);
    if (was_next)
        s->next = after;
    if (joined) {
        set_role(s, STANDBY);
        lease_want(s->lease, true);
    }
}

/* Draining is over when nothing is left to do, or a leader is there who does it. */
static void finish_drain(struct sequencer *s) {
    if (!s->closed || s->drained == NULL || (s->queue.count > 0 && s->role != STANDBY))
        return;
    void (*drained)(void *ctx) = s->drained;
    bool led = lease_held(s->lease);

    s->drained = NULL;
    lease_release(s->lease);
    if (led)
        publish(s, s->names.marker, "released");
    drained(s->drained_ctx);
}

static bool named(const char *channel, size_t len, const char *name) {
    return len == strlen(name) && memcmp(channel, name, len) == 0;
}

static void on_message(void *ctx, const char *channel, size_t channel_len, const char *payload,
                       size_t payload_len) {
    struct sequencer *s = ctx;
    const char *name;
    size_t len;

    if (named(channel, channel_len, s->names.sequenced))
        hear_sequenced(s, payload, payload_len);
    else if (named(channel, channel_len, s->names.marker))
        hear_marker(s, payload, payload_len);
    else if (!s->closed && names_of_bare(s->config->prefix, channel, channel_len, &name, &len))
        hear_publish(s, name, len, payload, payload_len);
    finish_drain(s);
}

/* ------------------------------------------------------------------- connections */

static enum err subscribe(struct sequencer *s, const char *name, bool pattern) {
    return redis_subscribe(s->subscriber, name, strlen(name), pattern);
}

/* Listens, once it is settled that nobody else does what this installation would do. */
static void listen_to_publishes(struct sequencer *s) {
    if (s->asked || !library_ready(s->library))
        return;
    s->asked = true;
    if (subscribe(s, s->names.marker, false) != ERR_OK ||
        subscribe(s, s->names.sequenced, false) != ERR_OK ||
        subscribe(s, s->names.bare, true) != ERR_OK)
        s->asked = false; /* not connected: it comes back */
}

static void on_subscriber_up(void *ctx) {
    struct sequencer *s = ctx;
    s->asked = false;
    listen_to_publishes(s);
}

static void on_subscribed(void *ctx, const char *channel, size_t channel_len, bool on) {
    struct sequencer *s = ctx;
    (void)channel, (void)channel_len;

    if (!on) { /* only when draining: from here on publishers are told that nobody listens */
        s->closed = true;
        finish_drain(s);
        return;
    }
    if (++s->confirmed != SUBSCRIPTIONS)
        return;
    s->joined = ev_now(s->loop);
    log_info("sequencer.listening", "pattern=%s", s->names.bare);
    move_on(s);
}

/* What was heard so far keeps its place in the count; what comes now is not known to follow it. */
static void on_subscriber_down(void *ctx) {
    struct sequencer *s = ctx;

    s->confirmed = 0;
    s->asked = false;
    if (synced(s))
        queue_number(&s->queue, s->total + 1);
    lease_release(s->lease);
    s->next = NULL;
    set_role(s, JOINING);
}

static void on_commands_up(void *ctx) {
    struct sequencer *s = ctx;
    library_up(s->library);
}

static void on_commands_down(void *ctx) {
    struct sequencer *s = ctx;
    library_down(s->library);
    s->in_flight = 0;
    lease_doubt(s->lease);
}

static void on_ready(void *ctx) {
    struct sequencer *s = ctx;
    listen_to_publishes(s);
    lease_try(s->lease);
    move_on(s);
}

static void on_refused(void *ctx, const char *why) {
    (void)ctx, (void)why; /* the tick tries again */
}

static const struct library_events library_events = {.ready = on_ready, .refused = on_refused};
static const struct redis_events command_events = {.up = on_commands_up, .down = on_commands_down};
static const struct redis_events subscriber_events = {.up = on_subscriber_up,
                                                      .down = on_subscriber_down,
                                                      .message = on_message,
                                                      .subscribed = on_subscribed};

/* -------------------------------------------------------------------------- life */

struct sequencer *sequencer_new(struct ev_loop *loop, const struct config *config) {
    struct sequencer *s = mem_new(sizeof *s);
    struct redis_options commands = {.url = config->redis,
                                     .config = config,
                                     .name = "halley-worker",
                                     .prefix = config->prefix,
                                     .timeout = config->redis_timeout,
                                     .events = &command_events,
                                     .ctx = s};
    struct redis_options subscriber = commands;

    subscriber.name = "halley-worker-live";
    subscriber.subscriber = true;
    subscriber.events = &subscriber_events;
    s->loop = loop;
    s->config = config;
    names_bare_pattern(s->names.bare, config->prefix);
    names_own(s->names.marker, config->prefix, "marker");
    names_own(s->names.sequenced, config->prefix, "sequenced");
    s->commands = redis_new(loop, &commands);
    s->subscriber = redis_new(loop, &subscriber);
    s->library = library_new(
        loop, s->commands,
        &(struct library_options){
            .prefix = config->prefix, .strict = true, .events = &library_events, .ctx = s});
    s->lease = lease_new(loop, s->commands, "sequencer", config->prefix, config->lease,
                         &sequencer_lease_events, s);
    ev_timer_init(&s->tick, on_tick, 0.5, 0.5);
    s->tick.data = s;
    ev_timer_start(loop, &s->tick);
    return s;
}

void sequencer_free(struct sequencer *s) {
    if (s == NULL)
        return;
    redis_free(s->subscriber);
    redis_free(s->commands);
    library_free(s->library);
    lease_free(s->lease);
    queue_clear(&s->queue);
    ev_timer_stop(s->loop, &s->tick);
    free(s);
}

void sequencer_drain(struct sequencer *s, void (*done)(void *ctx), void *ctx) {
    s->drained = done;
    s->drained_ctx = ctx;
    library_rest(s->library);
    if (redis_unsubscribe(s->subscriber, s->names.bare, strlen(s->names.bare), true) != ERR_OK) {
        s->closed = true; /* not connected: nobody can reach us anyway */
        s->role = STANDBY;
        finish_drain(s);
    }
}

void sequencer_report(const struct sequencer *s, struct buf *out) {
    buf_printf(out,
               "\"sequencer\":{\"state\":\"%s\",\"queue\":%zu,\"total\":%llu,\"heard\":%llu,"
               "\"refused\":%llu,\"skipped\":%llu,\"takeovers\":%llu}",
               role_names[s->role], s->queue.count, (unsigned long long)s->total,
               (unsigned long long)s->counts.heard, (unsigned long long)s->counts.refused,
               (unsigned long long)s->counts.skipped, (unsigned long long)s->counts.takeovers);
}

const struct library *sequencer_library(const struct sequencer *s) {
    return s->library;
}

struct redis *sequencer_commands(struct sequencer *s) {
    return s->commands;
}

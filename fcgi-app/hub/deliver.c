/*
 * What waiters are sent, and their end. A long poll is answered with one send, header
 * and all; a stream is begun, sent batch after batch, and ended.
 *
 * A slow reader of a stream: while its queue is not empty it is sent nothing
 * more, and what it misses is counted in `owed`; beyond max_backlog it is cut
 * off, and comes back with its cursor. So it costs one batch of memory at most.
 */
#include "fcgi-app/hub/deliver.h"

#include <stdlib.h>

#include "fcgi-app/hub/_hub.h"
#include "fcgi-app/hub/holder.h"
#include "fcgi-app/hub/hub.h"
#include "fcgi-app/hub/stay.h"

void deliver_drop(struct waiter *waiter) {
    struct client *client = waiter->client;
    stay_end(waiter); /* first: who holds the client may go with it */
    client_drop(client);
}

void deliver_gone(void *ctx) {
    struct waiter *waiter = ctx;
    waiter->hub->stats->gone++;
    deliver_drop(waiter);
}

/* The head of a good answer, with so many bytes behind it, or HEAD_NO_LENGTH. */
static struct head head_of(struct hub *hub, size_t transport, size_t length) {
    return (struct head){.status = 200,
                         .type = transport_at(transport)->content_type,
                         .length = length,
                         .kept = &hub->heads[transport]};
}

/* What a stream is answered that a client would give up for good if it heard of a problem. */
void deliver_later(struct hub *hub, struct client *client, const struct transport *transport,
                   const struct transport_options *options, const struct problem *problem) {
    struct buf text = buf_make(4096);

    transport->later(options, problem, &text);
    const struct head head = head_of(hub, transport_index(transport), text.len);
    hub->stats->streams_later++;
    client_finish(client, &head, &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

/* ------------------------------------------------------------ waiters: answers */

static struct transport_options options_of(const struct waiter *waiter) {
    const struct waiter_extra *extra = waiter->extra;
    struct transport_options options = {.config = waiter->hub->config, .variant = waiter->variant};

    if (extra != NULL)
        options.callback = extra->callback;
    if (extra != NULL && extra->holder != NULL)
        options.speech = extra->holder->speech;
    return options;
}

/* What a wait is told whose status is out already. */
static void tell_error(struct waiter *waiter, const struct problem *problem) {
    struct buf text = buf_make(4096);
    struct batch *batch = waiter_empty(waiter, 0);

    problem_put(problem, &text);
    buf_char(&text, '\0');
    batch_set_error(batch, text.data);
    stats_problem(waiter->hub->stats, problem->status, problem->detail);
    deliver_batch(waiter, batch);
    batch_unref(batch);
    buf_free(&text);
}

void deliver_refuse(struct waiter *waiter, const struct problem *problem) {
    const struct transport *transport = waiter_transport(waiter);
    struct transport_options options = options_of(waiter);
    struct client *client = waiter->client;
    struct hub *hub = waiter->hub;

    if (waiter->begun && transport->stream) { /* it comes back, and is told then */
        deliver_end(waiter);
        return;
    }
    if (waiter->begun) {
        tell_error(waiter, problem);
        return;
    }
    stats_problem(hub->stats, problem->status, problem->detail);
    options.callback = NULL; /* it goes with the waiter */
    stay_end(waiter);
    if (transport->later != NULL)
        deliver_later(hub, client, transport, &options, problem);
    else
        client_refuse(client, problem);
}

static const struct buf *rendering(struct waiter *waiter, struct batch *batch, struct buf *own) {
    const struct transport *transport = waiter_transport(waiter);
    struct transport_options options = options_of(waiter);
    unsigned key = options.variant;
    const struct buf *text;

    if (transport->render == NULL)
        return batch_json(batch);
    if (transport->shared != NULL)
        key = transport->shared(&options, batch);
    bool shared = options.callback == NULL && key != TRANSPORT_OWN;
    text = shared ? batch_kept(batch, transport, key) : NULL;
    if (text != NULL)
        return text;
    transport->render(&options, batch, own);
    text = shared ? batch_keep(batch, transport, key, own) : NULL;
    return text != NULL ? text : own;
}

/* Who comes back for what was published meanwhile says nothing of how fast it is brought. */
static void count_time(struct waiter *waiter, const struct batch *batch) {
    if (!waiter->parked || batch_size(batch) == 0)
        return;
    double published = (double)batch_entry_at(batch, 0)->message->at / 1000;
    histogram_add(&waiter->hub->stats->delivery, ev_now(waiter->hub->loop) - published);
}

static void count_batch(struct waiter *waiter, const struct batch *batch, size_t bytes) {
    struct stats *stats = waiter->hub->stats;

    stay_spend(waiter, &(struct tally){.batches = 1,
                                       .messages = (int64_t)batch_size(batch),
                                       .empty = batch_size(batch) == 0,
                                       .bytes_out = (int64_t)bytes});
    count_time(waiter, batch);
    stats->batches++;
    stats->messages += batch_size(batch);
    stats->batches_empty += batch_size(batch) == 0;
    if (waiter->waits && !waiter_transport(waiter)->stream && batch_size(batch) > 1)
        stats->requests_saved += batch_size(batch) - 1;
    stats->gaps += batch_has_gap(batch);
}

/* Whether somebody keeps hold of the client who answers by himself: the waiter is over then. */
static bool hand_over(struct waiter *waiter, struct batch *batch) {
    struct hub_holder *holder = waiter->extra != NULL ? waiter->extra->holder : NULL;

    if (holder == NULL || holder->taken == NULL)
        return false;
    if (batch != NULL)
        count_batch(waiter, batch, 0);
    struct hub_places places = hub_release(waiter);
    holder->taken(holder, batch, &places);
    return true;
}

void deliver_batch(struct waiter *waiter, struct batch *batch) {
    if (hand_over(waiter, batch))
        return;
    struct buf own = buf_make(SIZE_MAX / 2);
    const struct buf *text = rendering(waiter, batch, &own);
    const struct head head = head_of(waiter->hub, waiter->transport, text->len);
    struct client *client = waiter->client;
    const struct head *first = waiter->begun ? NULL : &head;

    count_batch(waiter, batch, (first != NULL ? client_head_size(client, first) : 0) + text->len);
    stay_end(waiter);
    client_finish(client, first, &(struct part){text->data, text->len}, 1);
    buf_free(&own);
}

/* Sends a piece of a stream, then frees `own`. False: the waiter is gone. */
static bool send_text(struct waiter *waiter, const struct head *head, const struct buf *text,
                      struct buf *own) {
    enum err err = client_send(waiter->client, head, &(struct part){text->data, text->len}, 1);

    buf_free(own);
    if (err != ERR_OK) {
        deliver_gone(waiter);
        return false;
    }
    waiter->refreshed = wheel_now(waiter->hub->wheel);
    stay_set_slow(waiter, client_backlog(waiter->client) > 0);
    return true;
}

bool deliver_begin(struct waiter *waiter, const struct batch *first) {
    const struct head head = head_of(waiter->hub, waiter->transport, HEAD_NO_LENGTH);
    struct transport_options options = options_of(waiter);
    struct buf text = buf_make(SIZE_MAX / 2);

    struct hub_holder *holder = waiter->extra != NULL ? waiter->extra->holder : NULL;
    if (waiter_transport(waiter)->begin != NULL) {
        struct batch *start =
            first != NULL ? batch_before(first) : waiter_empty(waiter, waiter_poll_after(waiter));
        if (holder != NULL && holder->placed != NULL)
            holder->placed(holder, start, first);
        waiter_transport(waiter)->begin(&options, start, &text);
        batch_unref(start);
    }
    waiter->begun = true;
    size_t bytes = client_head_size(waiter->client, &head) + text.len;
    stay_spend(waiter, &(struct tally){.bytes_out = (int64_t)bytes});
    if (!send_text(waiter, &head, &text, &text))
        return false;
    if (holder != NULL)
        holder->begun(holder);
    return true;
}

bool deliver_next(struct waiter *waiter, struct batch *batch) {
    struct buf own = buf_make(SIZE_MAX / 2);
    const struct buf *text = rendering(waiter, batch, &own);

    count_batch(waiter, batch, text->len);
    return send_text(waiter, NULL, text, &own);
}

/* Slow ones too: it is short, and they must not believe for ever what they heard last. */
void deliver_redis(struct waiter *waiter, const char *word) {
    if (!waiter_transport(waiter)->stream || !waiter->begun)
        return;
    struct batch *batch = waiter_empty(waiter, waiter_poll_after(waiter));
    batch_set_redis(batch, word);
    waiter->hub->stats->streams_told_redis++;
    (void)deliver_next(waiter, batch);
    batch_unref(batch);
}

void deliver_end(struct waiter *waiter) {
    struct buf text = buf_make(SIZE_MAX / 2);

    if (!waiter_transport(waiter)->stream) {
        struct batch *batch = waiter_empty(waiter, waiter_poll_after(waiter));
        deliver_batch(waiter, batch);
        batch_unref(batch);
        return;
    }
    if (hand_over(waiter, NULL))
        return;
    struct transport_options options = options_of(waiter);
    if (waiter_transport(waiter)->end != NULL)
        waiter_transport(waiter)->end(&options, &text);
    const struct head head = head_of(waiter->hub, waiter->transport, text.len);
    const struct head *first = waiter->begun ? NULL : &head;
    struct client *client = waiter->client;
    bool later = waiter->told_to_poll;
    stay_end(waiter);
    (later ? client_finish_later : client_finish)(client, first,
                                                  &(struct part){text.data, text.len}, 1);
    buf_free(&text);
}

/* White space may stand in front of any JSON (RFC 8259 §2), and of any script. */
static bool send_space(struct waiter *waiter) {
    struct buf text = buf_make(16);

    buf_char(&text, ' ');
    stay_spend(waiter, &(struct tally){.bytes_out = 1});
    return send_text(waiter, NULL, &text, &text);
}

bool deliver_heartbeat(struct waiter *waiter) {
    if (!waiter_transport(waiter)->stream)
        return (waiter->begun || deliver_begin(waiter, NULL)) && send_space(waiter);
    struct transport_options options = options_of(waiter);
    struct buf text = buf_make(SIZE_MAX / 2);

    struct batch *place = waiter_empty(waiter, waiter_poll_after(waiter));
    waiter_transport(waiter)->keepalive(&options, place, &text);
    batch_unref(place);
    stay_spend(waiter, &(struct tally){.bytes_out = (int64_t)text.len});
    return send_text(waiter, NULL, &text, &text);
}

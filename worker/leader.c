/*
 * Leading. Each call names the publish that it carries and the one before it, and
 * Redis refuses what does not follow what it did last. So when one call fails, all
 * that were sent behind it fail too, and nothing is passed over; the leader then
 * asks for its lease anew and begins again with the head of the queue. What was
 * done already is answered DONE, so sending again is always right.
 */
#include "worker/leader.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

#define NOTE_AGAIN  60.0 /* seconds after which a channel is noted again */
#define AFTER_ERROR 0.1

enum { TELL_EVERY = 16 };

struct sent {
    struct leader *leader;
    struct name name;
    unsigned chain;
};

/* FNV-1a: tells channels apart well enough; a mix-up costs a note too few for a minute. */
static uint64_t digest_of(const struct item *item) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < item->channel_len; i++)
        hash = (hash ^ (unsigned char)item->channel[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

/* Whether Redis has to be told that this channel has bare publishes. */
static bool must_note(struct leader *leader, const struct item *item) {
    uint64_t digest = digest_of(item);
    double now = leader->link->now(leader->link->ctx);
    struct leader_note *note = &leader->notes[(digest >> 32) % LEADER_NOTES];

    if (note->digest == digest && now - note->at < NOTE_AGAIN)
        return false;
    *note = (struct leader_note){.digest = digest, .at = now};
    return true;
}

/* The others drop everything up to what they are told of, so some of many are enough. */
static bool must_tell(const struct item *item) {
    return item->next == NULL || item->next->from.barrier != item->from.barrier ||
           item->name.number % TELL_EVERY == 0;
}

void leader_begin(struct leader *leader, struct name next_to) {
    leader->chain++;
    leader->last = next_to;
    queue_rewind(leader->queue);
    memset(leader->notes, 0, sizeof leader->notes);
}

static void on_refused(struct leader *leader, const redis_reply *reply) {
    struct lease *lease = leader->lease;
    const struct link *link = leader->link;
    double now = link->now(link->ctx);
    unsigned long quiet;
    size_t len;
    const char *text = redis_text(reply, &len);

    if (log_allowed(&leader->complaint, now, &quiet))
        log_warning("sequencer.refused", "answer=\"%.*s\" not_logged=%lu", (int)len, text, quiet);
    lease_let_go(lease);
    lease->due = now + AFTER_ERROR;
    link->refused(link->ctx, reply);
}

static void note_skipped(struct leader *leader, const redis_reply *reply) {
    static const char skipped[] = "SKIPPED ";
    unsigned long quiet;
    size_t len, word = strlen(skipped);
    const char *text = redis_text(reply, &len);

    if (text == NULL || len < word || memcmp(text, skipped, word) != 0)
        return;
    leader->skipped++;
    if (log_allowed(&leader->complaint, leader->link->now(leader->link->ctx), &quiet))
        log_warning("sequencer.skipped", "why=\"%.*s\" not_logged=%lu", (int)(len - word),
                    text + word, quiet);
}

static void on_sequenced(void *ctx, const redis_reply *reply) {
    struct sent sent = *(struct sent *)ctx;
    struct leader *leader = sent.leader;

    free(ctx);
    leader->in_flight--;
    if (reply == NULL)
        return; /* the connection is lost, and with it the right to lead */
    if (!redis_is_error(reply)) {
        queue_done(leader->queue, sent.name);
        note_skipped(leader, reply);
    } else if (leader->lease->held && sent.chain == leader->chain) {
        on_refused(leader, reply);
    }
    leader->moved(leader->ctx);
}

static bool send_item(struct leader *leader, const struct item *item) {
    const struct channel_policy *policy =
        config_channel(leader->config, item->channel, item->channel_len);
    struct sent *sent = mem_new(sizeof *sent);
    struct call call;

    *sent = (struct sent){.leader = leader, .name = item->name, .chain = leader->chain};
    call_begin(&call, "halley_sequence");
    call_text(&call, "2");
    call_bytes(&call, item->channel, item->channel_len);
    call_text(&call, leader->lease->key);
    call_text(&call, leader->lease->owner);
    call_pair(&call, leader->last.barrier, leader->last.number);
    call_two(&call, item->name.barrier, item->name.number);
    call_bytes(&call, item->payload, item->payload_len);
    call_text(&call, must_note(leader, item) ? "1" : "0");
    call_two(&call, (uint64_t)policy->history, (uint64_t)policy->ttl);
    call_two(&call, (uint64_t)policy->max_message, (uint64_t)leader->config->meta_ttl);
    call_text(&call, leader->config->prefix);
    if (must_tell(item))
        call_number(&call, leader->lease->generation);
    else
        call_text(&call, "");
    if (leader->link->send(leader->link->ctx, on_sequenced, sent, &call))
        return true;
    free(sent);
    return false;
}

void leader_send(struct leader *leader) {
    struct queue *queue = leader->queue;
    const struct lease *lease = leader->lease;

    while (lease->held && queue->unsent != NULL && leader->in_flight < LEADER_WINDOW &&
           queue->unsent->from.barrier == lease->from.barrier) {
        if (!send_item(leader, queue->unsent))
            return;
        leader->in_flight++;
        leader->last = queue->unsent->name;
        queue_sent(queue);
    }
}

/*
 * Leading. Each call names the publish that it carries and the one before it, and
 * Redis refuses what does not follow what it did last. So when one call fails, all
 * that were sent behind it fail too, and nothing is passed over; the leader then
 * asks for its lease anew and begins again with the head of the queue. What was
 * done already is answered DONE, so sending again is always right.
 */
#include "worker/leader.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/mem.h"

#define NOTE_AGAIN  60.0 /* seconds after which a channel is noted again */
#define AFTER_ERROR 0.1
#define ASIDE_FIRST 0.1 /* seconds until what was set aside is tried, and at most */
#define ASIDE_MAX   2.0

enum { TELL_EVERY = 16, MORE_WORDS = 48 /* bytes in front of each channel, at most */ };

struct sent {
    struct leader *leader;
    struct name name;
    unsigned chain;
};

static double now_of(const struct leader *leader) {
    return leader->porter->now(leader->porter->ctx);
}

/* FNV-1a: tells channels apart well enough; a mix-up costs a note too few for a minute. */
static uint64_t digest_of(const char *channel, size_t len) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (unsigned char)channel[i]) * UINT64_C(0x100000001b3);
    return hash | 1;
}

/* Whether Redis has to be told that this channel has bare publishes. */
static bool must_note(struct leader *leader, const char *channel, size_t len) {
    uint64_t digest = digest_of(channel, len);
    double now = now_of(leader);
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
    const struct porter *porter = leader->porter;
    double now = porter->now(porter->ctx);
    unsigned long quiet;
    size_t len;
    const char *text = redis_text(reply, &len);

    if (log_allowed(&leader->complaint, now, &quiet))
        log_warning("sequencer.refused", "answer=\"%.*s\" not_logged=%lu", (int)len, text, quiet);
    lease_let_go(lease);
    lease->due = now + AFTER_ERROR;
    porter->refused(porter->ctx, reply);
}

/* Whether Redis answered with that word; if so it is counted, and logged with what follows. */
static bool note_word(struct leader *leader, const redis_reply *reply, const char *word,
                      const char *event, uint64_t *count) {
    unsigned long quiet;
    size_t len, word_len = strlen(word);
    const char *text = redis_text(reply, &len);

    if (text == NULL || len < word_len || memcmp(text, word, word_len) != 0)
        return false;
    (*count)++;
    if (log_allowed(&leader->complaint, now_of(leader), &quiet))
        log_warning(event, "why=\"%.*s\" not_logged=%lu", (int)(len - word_len), text + word_len,
                    quiet);
    return true;
}

static void note_answer(struct leader *leader, const redis_reply *reply) {
    if (note_word(leader, reply, "ASIDE ", "sequencer.aside", &leader->set_aside) ||
        note_word(leader, reply, "SKIPPED no room ", "sequencer.skipped", &leader->skipped))
        leader_aside(leader);
    else
        note_word(leader, reply, "SKIPPED ", "sequencer.skipped", &leader->skipped);
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
        note_answer(leader, reply);
    } else if (leader->lease->held && sent.chain == leader->chain) {
        on_refused(leader, reply);
    }
    leader->moved(leader->ctx);
}

/* The channels that an item goes to besides its first, as halley_sequence takes them: in one call,
 * so that whoever leads next finds all of it done, or nothing. */
static void add_more(struct leader *leader, const struct item *item, struct buf *lines) {
    const char *more = item->more, *channel;
    size_t more_len = item->more_len, len;

    while (queue_next_channel(&more, &more_len, &channel, &len)) {
        const struct channel_policy *policy = config_channel(leader->config, channel, len);
        buf_printf(lines, "%d %d %d %d %.*s\n", must_note(leader, channel, len), policy->history,
                   policy->ttl, policy->max_message, (int)len, channel);
    }
}

static bool send_item(struct leader *leader, const struct item *item) {
    const struct channel_policy *policy =
        config_channel(leader->config, item->channel, item->channel_len);
    struct sent *sent = mem_new(sizeof *sent);
    struct buf more = buf_make(item->more_len + item->more_len / 2 * MORE_WORDS);
    struct call call;

    *sent = (struct sent){.leader = leader, .name = item->name, .chain = leader->chain};
    call_begin(&call, "halley_sequence");
    call_text(&call, "1");
    call_text(&call, leader->lease->key);
    call_text(&call, leader->lease->owner);
    call_pair(&call, leader->last.barrier, leader->last.number);
    call_two(&call, item->name.barrier, item->name.number);
    call_bytes(&call, item->payload, item->payload_len);
    call_text(&call, must_note(leader, item->channel, item->channel_len) ? "1" : "0");
    call_two(&call, (uint64_t)policy->history, (uint64_t)policy->ttl);
    call_two(&call, (uint64_t)policy->max_message, (uint64_t)leader->config->meta_ttl);
    call_text(&call, leader->config->prefix);
    if (must_tell(item))
        call_number(&call, leader->lease->generation);
    else
        call_text(&call, "");
    call_bytes(&call, item->channel, item->channel_len);
    call_text(&call, item->gap ? "1" : "0");
    add_more(leader, item, &more);
    if (more.len > 0)
        call_bytes(&call, more.data, more.len);
    bool is_out = leader->porter->send(leader->porter->ctx, on_sequenced, sent, &call);
    buf_free(&more);
    if (!is_out)
        free(sent);
    return is_out;
}

/* ------------------------------------------------------------- what is set aside */

void leader_aside(struct leader *leader) {
    if (leader->aside.some)
        return;
    leader->aside.some = true;
    leader->aside.patience = ASIDE_FIRST;
    leader->aside.due = now_of(leader) + ASIDE_FIRST;
}

double leader_due(const struct leader *leader) {
    return leader->aside.some && !leader->aside.trying && leader->lease->held ? leader->aside.due
                                                                              : INFINITY;
}

void leader_down(struct leader *leader) {
    leader->aside.trying = false;
}

/* As long as some find their place, the next are tried at once. */
static void on_tried(void *ctx, const redis_reply *reply) {
    struct leader *leader = ctx;
    long long done = redis_integer(redis_item(reply, 0), 0);
    long long left = redis_integer(redis_item(reply, 1), 0);

    if (reply == NULL)
        return;
    leader->aside.trying = false;
    if (redis_is_error(reply)) {
        leader->porter->refused(leader->porter->ctx, reply);
        left = 1;
    }
    leader->aside.some = left > 0;
    leader->aside.patience = done > 0 ? ASIDE_FIRST : fmin(2 * leader->aside.patience, ASIDE_MAX);
    leader->aside.due = now_of(leader) + (done > 0 ? 0 : leader->aside.patience);
    if (done > 0)
        log_info("sequencer.aside", "kept=%lld left=%lld", done, left);
    leader->moved(leader->ctx);
}

static void try_aside(struct leader *leader) {
    struct call call;

    call_begin(&call, "halley_aside");
    call_text(&call, "1");
    call_text(&call, leader->lease->key);
    call_text(&call, leader->lease->owner);
    call_text(&call, leader->config->prefix);
    leader->aside.trying = leader->porter->send(leader->porter->ctx, on_tried, leader, &call);
    if (!leader->aside.trying)
        leader->aside.due = now_of(leader) + ASIDE_MAX;
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
    if (now_of(leader) >= leader_due(leader))
        try_aside(leader);
}

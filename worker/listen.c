/*
 * A sequencer joins those who listen, and takes what is heard: bare publishes, what others
 * published, and what Redis says of barriers and of what is done.
 */
#include "worker/_sequencer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/data/channel.h"
#include "worker/word.h"

#define FORGED_PAUSE 0.1 /* seconds */

/* With what it would hear besides bare publishes. */
static const char *verb_with_digest(struct sequencer *s, const char *verb) {
    snprintf(s->verb, sizeof s->verb, "%s%s%s", verb, *ingest_digest(s->ingest) ? " " : "",
             ingest_digest(s->ingest));
    return s->verb;
}

void sequencer_try(struct sequencer *s, struct call *call) {
    call_begin(call, "halley_join");
    call_text(call, "1");
    call_text(call, s->lease.key);
    call_text(call, verb_with_digest(s, "try"));
    call_text(call, s->config->prefix);
}

void sequencer_refused(struct sequencer *s, const redis_reply *error) {
    size_t len;
    const char *text = redis_text(error, &len);
    unsigned long quiet;

    s->counts.unjoined++;
    if (log_allowed(&s->complaint, sequencer_now(s), &quiet))
        log_warning("sequencer.unjoined", "answer=\"%.*s\" not_logged=%lu", (int)len, text, quiet);
    s->porter.refused(s->porter.ctx, error);
}

void sequencer_join(struct sequencer *s, struct call *call) {
    struct hearing said = s->hearing;

    said.at.barrier = said.barrier_max; /* the new barrier has to be above all that we know */
    said.joins++;
    s->joining = true;
    call_begin(call, "halley_join");
    lease_report(&s->lease, call, verb_with_digest(s, "join"), &said, &s->queue);
}

static uint64_t number_of(const redis_reply *reply) {
    size_t len;
    const char *text = redis_text(reply, &len);
    return text != NULL ? strtoull(text, NULL, 10) : 0;
}

bool sequencer_joined(struct sequencer *s, const redis_reply *reply) {
    struct name barrier = {number_of(redis_item(reply, 0)), number_of(redis_item(reply, 1))};

    s->joining = false;
    s->hearing.joins++;
    if (redis_count(reply) < 4 || barrier.barrier == 0) {
        if (redis_is_error(reply))
            sequencer_refused(s, reply);
        s->hearing.nameless = true;
        return false;
    }
    s->member = true;
    s->astray = false;
    lease_take_secret(&s->lease, redis_item(reply, 2));
    hearing_begin(&s->hearing, barrier, number_of(redis_item(reply, 2)),
                  redis_integer(redis_item(reply, 3), 0) == 1);
    log_info("sequencer.listening", "pattern=%s ingest=%zu barrier=%llu", s->pattern,
             s->config->ingest_count, (unsigned long long)barrier.barrier);
    lease_hurry(&s->lease);
    sequencer_move(s);
    return true;
}

static void complain(struct sequencer *s, const char *what) {
    unsigned long quiet;
    s->counts.refused++;
    if (log_allowed(&s->complaint, sequencer_now(s), &quiet))
        log_warning("sequencer.ignored", "why=\"%s\" not_logged=%lu", what, quiet);
}

/* Why there can be no such channel, and so no reader either. */
static const char *no_channel(const struct heard *heard) {
    if (!channel_valid(heard->channel, heard->channel_len))
        return "not a valid channel name";
    if (channel_reserved(heard->channel, heard->channel_len))
        return "a channel name that begins with ~ is reserved";
    return NULL;
}

static bool over_max(const struct sequencer *s, const struct heard *heard, const char *channel,
                     size_t len) {
    return heard->payload_len > (size_t)config_channel(s->config, channel, len)->max_message;
}

/* What is too long is a gap in its channel: where it is in all of them its payload is not kept. */
static bool too_long(const struct sequencer *s, const struct heard *heard) {
    const char *more = heard->more, *channel;
    size_t more_len = heard->more_len, len;
    bool all = over_max(s, heard, heard->channel, heard->channel_len);

    while (all && queue_next_channel(&more, &more_len, &channel, &len))
        all = over_max(s, heard, channel, len);
    return all;
}

/* It takes the next name; it is not kept where there is `why` not. */
static bool take_publish(struct sequencer *s, struct heard *heard, const char *why) {
    if (why == NULL && too_long(s, heard)) {
        complain(s, "a payload is over max_message");
        heard->gap = true;
        heard->payload_len = 0;
    }
    heard->name = hearing_next(&s->hearing);
    heard->from = s->hearing.from;
    s->counts.heard++;
    if (why != NULL)
        complain(s, why);
    else if (queue_add(&s->queue, heard) != ERR_OK)
        return false;
    hearing_take(&s->hearing);
    if (queue_full(&s->queue) && !s->full) {
        s->full = true;
        s->counts.full++;
        log_warning("sequencer.full", "queue=%zu bytes=%zu: not listening until there is room",
                    s->queue.count, s->queue.bytes);
    }
    return true;
}

static bool hear_publish(struct sequencer *s, struct heard *heard) {
    return take_publish(s, heard, no_channel(heard));
}

/* Somebody else's, which Redis passed on for one of our patterns. */
static bool hear_others(struct sequencer *s, const char *name, size_t len, struct heard *heard) {
    struct meaning meaning;

    if (!ingest_read(s->ingest, name, len, heard->payload, heard->payload_len, &meaning))
        return true;
    s->counts.ingested++;
    uint64_t dropped = meaning.why != NULL ? 1 : meaning.left_out;
    s->counts.dropped += dropped;
    s->untold += s->lease.held ? dropped : 0;
    if (meaning.why == NULL && meaning.left_out > 0)
        complain(s, "names that no channel can have, or over max_channels, are left out");
    heard->payload = meaning.payload;
    heard->payload_len = meaning.payload_len;
    heard->more = meaning.channels.data;
    heard->more_len = meaning.channels.len;
    (void)queue_next_channel(&heard->more, &heard->more_len, &heard->channel, &heard->channel_len);
    bool room = take_publish(s, heard, meaning.why);
    meaning_free(&meaning);
    return room;
}

static bool named(const char *channel, size_t len, const char *name) {
    return len == strlen(name) && memcmp(channel, name, len) == 0;
}

/*
 * Nobody but a stranger says so; or Redis has another secret than we know, since its data
 * was taken from it, and we would be the only one who does not know that barrier.
 */
static void hear_forged(struct sequencer *s, const char *text, size_t len) {
    unsigned long quiet;
    double now = sequencer_now(s);

    s->counts.forged++;
    if (log_allowed(&s->complaint, now, &quiet))
        log_warning("sequencer.forged", "word=\"%.*s\" not_logged=%lu", (int)len, text, quiet);
    if (now - s->doubted < FORGED_PAUSE)
        return;
    s->doubted = now;
    lease_hurry(&s->lease);
}

/* Whoever begins there wants to know what we have. If he counts others than we, we have all up
 * to there; our names of what follows would not be his. */
static void hear_barrier(struct sequencer *s, const struct word *word) {
    if (named(word->patterns, word->patterns_len, ingest_digest(s->ingest))) {
        if (hearing_barrier(&s->hearing, word->name))
            lease_hurry(&s->lease);
    } else if (hearing_foreign(&s->hearing, word->name)) {
        s->astray = true;
        s->counts.foreign++;
        log_warning("sequencer.foreign", "a worker with other sections of ingest listens: not "
                                         "listening any more");
        lease_hurry(&s->lease);
    }
}

static void hear_word(struct sequencer *s, const char *text, size_t len) {
    struct word word = word_read(text, len, s->lease.secret);

    if (word.kind == WORD_FORGED)
        hear_forged(s, text, len);
    else if (word.kind == WORD_DONE && word.generation == s->hearing.generation)
        queue_done(&s->queue, word.name);
    else if (word.kind == WORD_BEGIN)
        hear_barrier(s, &word);
    else if (word.kind == WORD_FREE && (named(word.turn, word.turn_len, "*") ||
                                        named(word.turn, word.turn_len, s->lease.owner)))
        lease_hurry(&s->lease);
    sequencer_move(s);
}

bool sequencer_heard(struct sequencer *s, const char *channel, size_t channel_len,
                     const char *payload, size_t payload_len) {
    struct heard heard = {.payload = payload, .payload_len = payload_len};

    if (named(channel, channel_len, s->channel)) {
        hear_word(s, payload, payload_len);
        return true;
    }
    if (!s->hearing.listening)
        return true;
    if (names_of_bare(s->config->prefix, channel, channel_len, &heard.channel, &heard.channel_len))
        return hear_publish(s, &heard);
    return hear_others(s, channel, channel_len, &heard);
}

void sequencer_deaf(struct sequencer *s, bool cut) {
    s->hearing.broken = s->hearing.broken || s->joining;
    s->hearing.joins += s->joining;
    s->joining = s->astray = false;
    if (!s->hearing.listening) {
        sequencer_move(s);
        return;
    }
    hearing_end(&s->hearing, cut);
    s->counts.cuts += cut;
    if (cut)
        log_warning("sequencer.cut", "the subscription was lost: queue=%zu", s->queue.count);
    lease_hurry(&s->lease);
    sequencer_move(s);
}

bool sequencer_wants_to_hear(const struct sequencer *s) {
    return !s->closed && !s->full && !s->astray;
}

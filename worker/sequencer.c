/*
 * The sequencer. Any number of workers run it; one leads. What follows holds:
 *
 *   Whatever a worker that lives has heard becomes history once, in the order in
 *   which Redis received it, whoever leads. Where nobody who lives can have heard
 *   something that Redis passed on, the readers of the channels concerned are told
 *   of a gap. (Redis that is killed loses what it had not written to anybody; its
 *   next process begins new epochs, so that is told too.)
 *
 * 1. Names. A worker subscribes in one transaction with halley_join, which tells all
 *    who listen a barrier. Redis writes to all its subscribers in one order, so every
 *    bare publish has a name that all who hear it agree on: the last barrier before
 *    it, and its number. What a worker heard from its barrier until its subscription
 *    ended is a stretch without a hole.
 * 2. Done is what Redis says is done, by name. halley_sequence notes, in the same atom
 *    that makes the message history, how far behind each barrier everything is done.
 *    It takes a call only from who holds the lease, and only if that follows the call
 *    before it; a name that was done is answered DONE. So sending again is always
 *    right, also to a Redis that was killed and came back with half of it on disk.
 *    Whoever listens hears up to which name all is done behind a barrier, and drops
 *    exactly that (the leader tells it of some of many). Nothing is ever
 *    taken for done because something behind it is.
 * 3. Order. Everybody reports to Redis which is the oldest name that he holds, since
 *    which barrier he has it all, and which barrier he heard last. halley_lease gives
 *    the lease for one stretch: if nobody who lives holds something older, and all of
 *    them have heard its first barrier (so that they know what they have of what was
 *    before). Who holds something older goes first, also if he comes late: then the
 *    lease is taken away for him. Between two stretches the leader asks again.
 *    The worker with the oldest stretch is never refused, so one always leads.
 * 4. After a restart of Redis reports are worth nothing: those who were there may have
 *    heard more since. Redis waits for them to come back, a lease's length at most, and
 *    those who come tell it whom it has to wait for, where that was lost.
 * 5. What may be lost. A worker whose subscription was cut, or who died, may have been
 *    passed something that he never heard. If another listened all the time, that
 *    one leads. Otherwise the count of publishes that Redis keeps says whether there
 *    was any; if so, whoever leads next has to tell gaps (halley_doubt) before it
 *    goes on.
 * 6. Names count publishes, so workers that listen at a time listen to the same patterns. Redis
 *    lets none join that hears others while some listen, and says with each barrier which
 *    patterns are counted behind it; who hears of others than his own has all up to there,
 *    and hears no more. What others published for several channels goes to them in one call.
 * 7. A queue that is full makes its worker stop to listen, in order, until there is
 *    room: publishers are then told that nobody listens.
 */
#include "worker/sequencer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "core/data/channel.h"
#include "core/data/names.h"
#include "worker/hearing.h"
#include "worker/ingest.h"
#include "worker/leader.h"
#include "worker/lease.h"
#include "worker/queue.h"
#include "worker/word.h"

enum { FORGET_AT_ONCE = 1000 };
#define FORGED_PAUSE 0.1 /* seconds */

enum verb { NONE, ACQUIRE, REPORT, RELEASE, LEAVE };
static const char *const verbs[] = {"", "acquire", "report", "release", "leave"};

enum role { JOINING, STANDBY, LEADING };
static const char *const role_names[] = {
    [JOINING] = "joining", /* does not listen */
    [STANDBY] = "standby", /* listens; another leads, or nobody yet */
    [LEADING] = "leading",
};

struct sequencer {
    const struct config *config;
    struct porter porter;
    char pattern[OWN_NAME_MAX]; /* of all bare publishes */
    const char *patterns[1 + INGEST_MAX];
    struct ingest_table *ingest; /* what the others mean */
    char verb[48];               /* of the last call to join */
    char channel[OWN_NAME_MAX];  /* on which Redis tells all workers of barriers and of what is done
                                  */
    struct hearing hearing;
    struct queue queue;
    struct lease lease;
    struct leader leader;
    enum role role;  /* as it was logged last */
    enum verb asked; /* the verb of the last question */
    bool joining;    /* halley_join is under way */
    bool member;     /* Redis knows of it */
    bool doubting;   /* halley_doubt is under way */
    bool full;       /* it does not listen until there is room */
    bool astray;     /* it may have missed a barrier, and has to listen anew */
    double doubted;  /* when it asked last because of a word that was not signed */
    bool closed;     /* draining */
    uint64_t total;  /* as Redis said last */
    struct {
        uint64_t heard, ingested, dropped, unjoined, foreign, forged, astray, refused, takeovers,
            cuts, doubts, forgotten, full;
    } counts;
    struct log_limit complaint;
    void (*drained)(void *ctx);
    void *drained_ctx;
};

static void move(struct sequencer *s);

static double now_of(const struct sequencer *s) {
    return s->porter.now(s->porter.ctx);
}

/* ------------------------------------------------------------------------- roles */

static enum role role_of(const struct sequencer *s) {
    return s->lease.held ? LEADING : s->hearing.listening ? STANDBY : JOINING;
}

static void note_role(struct sequencer *s) {
    enum role role = role_of(s);
    if (s->role == role)
        return;
    log_info("sequencer", "role=%s before=%s queue=%zu total=%llu", role_names[role],
             role_names[s->role], s->queue.count, (unsigned long long)s->total);
    s->counts.takeovers += role == LEADING;
    s->role = role;
}

static void finish(struct sequencer *s) {
    void (*drained)(void *ctx) = s->drained;
    s->drained = NULL;
    if (drained != NULL)
        drained(s->drained_ctx);
}

/* ------------------------------------------------------------ the lease, and doubts */

static void on_doubt(void *ctx, const redis_reply *reply);

static void doubt(struct sequencer *s) {
    struct call call;

    if (s->doubting)
        return;
    call_begin(&call, "halley_doubt");
    call_text(&call, "1");
    call_text(&call, s->lease.key);
    call_text(&call, s->lease.owner);
    call_text(&call, s->config->prefix);
    s->doubting = s->porter.send(s->porter.ctx, on_doubt, s, &call);
}

static void on_doubt(void *ctx, const redis_reply *reply) {
    struct sequencer *s = ctx;

    s->doubting = false;
    if (redis_count(reply) != 2) {
        if (redis_is_error(reply))
            s->porter.refused(s->porter.ctx, reply);
        return; /* the lease is asked for again when that is due, and doubted again */
    }
    if (redis_integer(redis_item(reply, 1), 0) == 1) {
        doubt(s);
        return;
    }
    s->counts.doubts++;
    log_warning("sequencer.doubt", "publishes may be lost: channels=%lld were told a gap",
                (long long)redis_integer(redis_item(reply, 0), 0));
    lease_hurry(&s->lease);
    move(s);
}

static bool tell_gap(struct sequencer *s, const char *channel, size_t len) {
    struct call call;

    call_begin(&call, "halley_gap");
    call_text(&call, "1");
    call_bytes(&call, channel, len);
    call_text(&call, s->config->prefix);
    call_text(&call, s->lease.key);
    return s->porter.send(s->porter.ctx, NULL, NULL, &call);
}

static bool tell_gaps(struct sequencer *s, const struct item *item) {
    const char *more = item->more, *channel;
    size_t more_len = item->more_len, len;
    bool told = tell_gap(s, item->channel, item->channel_len);

    while (told && queue_next_channel(&more, &more_len, &channel, &len))
        told = tell_gap(s, channel, len);
    return told;
}

/* Nobody knows whether what is oldest was done: it is not repeated, and readers are told. */
static void forget(struct sequencer *s) {
    uint64_t barrier = s->queue.head != NULL ? s->queue.head->name.barrier : 0;
    int count = 0;

    while (s->queue.head != NULL && s->queue.head->name.barrier == barrier &&
           count++ < FORGET_AT_ONCE) {
        if (!tell_gaps(s, s->queue.head))
            return;
        queue_drop(&s->queue);
        s->counts.forgotten++;
    }
    log_warning("sequencer.forgotten", "publishes=%d were kept too long and are lost", count);
    lease_hurry(&s->lease);
}

static void on_granted(struct sequencer *s) {
    s->lease.held = true;
    s->lease.from = s->lease.asked;
    leader_begin(&s->leader, s->lease.next_to);
}

static void act_on(struct sequencer *s, const struct lease_answer *answer) {
    if (answer->word == LEASE_GRANTED)
        on_granted(s);
    else if (answer->word != LEASE_RENEWED && answer->word != LEASE_WAIT)
        lease_let_go(&s->lease);
    if (answer->aside)
        leader_aside(&s->leader);
    if (answer->word == LEASE_DOUBT)
        doubt(s);
    else if (answer->word == LEASE_FORGOTTEN)
        forget(s);
    else if (answer->word == LEASE_LEFT)
        finish(s);
}

/* Another secret: barriers may have passed that were not believed. */
static void go_astray(struct sequencer *s) {
    if (!s->hearing.listening)
        return;
    s->astray = true;
    s->counts.astray++;
    log_warning("sequencer.astray", "Redis has another secret: listening anew");
}

static void on_lease(void *ctx, const redis_reply *reply) {
    struct sequencer *s = ctx;
    struct lease_answer answer;

    if (lease_answered(&s->lease, reply, now_of(s), &answer) != ERR_OK) {
        lease_let_go(&s->lease);
        if (redis_is_error(reply))
            s->porter.refused(s->porter.ctx, reply);
        note_role(s);
        return;
    }
    s->total = answer.total;
    hearing_known(&s->hearing, answer.generation);
    if (answer.new_secret)
        go_astray(s);
    hearing_settled(&s->hearing, answer.settled);
    queue_done(&s->queue, answer.done);
    act_on(s, &answer);
    move(s);
}

/* What it wants of Redis just now. */
static enum verb verb_of(const struct sequencer *s) {
    if (s->closed && !s->hearing.listening && !s->joining)
        return s->lease.held && s->queue.count > 0 ? ACQUIRE : LEAVE;
    if (s->hearing.listening || s->queue.count > 0)
        return ACQUIRE;
    return s->lease.held ? RELEASE : REPORT;
}

static void ask(struct sequencer *s) {
    struct call call;

    s->asked = verb_of(s);
    call_begin(&call, "halley_lease");
    lease_report(&s->lease, &call, verbs[s->asked], &s->hearing, &s->queue);
    bool sent = s->porter.send(s->porter.ctx, on_lease, s, &call);
    lease_asked(&s->lease, now_of(s), sent, &s->hearing, &s->queue);
    if (!sent && s->closed && !s->hearing.listening && s->queue.count == 0)
        finish(s);
}

/* Whether Redis has to hear at once of what changed. */
static bool has_news(const struct sequencer *s) {
    const struct item *head = s->queue.head;
    struct name from = head != NULL ? head->from : s->hearing.from;

    return s->asked != verb_of(s) || (s->lease.held && from.barrier != s->lease.asked.barrier);
}

/* Everything that follows from whatever happened. */
static void move(struct sequencer *s) {
    leader_send(&s->leader);
    if (s->full && queue_roomy(&s->queue))
        s->full = false;
    if (s->member) {
        if (has_news(s))
            lease_hurry(&s->lease);
        if (!s->lease.asking && now_of(s) >= s->lease.due)
            ask(s);
    } else if (s->closed && !s->joining) {
        finish(s);
    }
    note_role(s);
}

static void on_moved(void *ctx) {
    move(ctx);
}

/* ----------------------------------------------------------------------- hearing */

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
}

void sequencer_refused(struct sequencer *s, const redis_reply *error) {
    size_t len;
    const char *text = redis_text(error, &len);
    unsigned long quiet;

    s->counts.unjoined++;
    if (log_allowed(&s->complaint, now_of(s), &quiet))
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
    if (redis_count(reply) != 4 || barrier.barrier == 0) {
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
    move(s);
    return true;
}

static void complain(struct sequencer *s, const char *what) {
    unsigned long quiet;
    s->counts.refused++;
    if (log_allowed(&s->complaint, now_of(s), &quiet))
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
    s->counts.dropped += meaning.why != NULL ? 1 : meaning.left_out;
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
    double now = now_of(s);

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
    move(s);
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
        move(s);
        return;
    }
    hearing_end(&s->hearing, cut);
    s->counts.cuts += cut;
    if (cut)
        log_warning("sequencer.cut", "the subscription was lost: queue=%zu", s->queue.count);
    lease_hurry(&s->lease);
    move(s);
}

bool sequencer_wants_to_hear(const struct sequencer *s) {
    return !s->closed && !s->full && !s->astray;
}

/* -------------------------------------------------------------------------- life */

void sequencer_up(struct sequencer *s) {
    lease_hurry(&s->lease);
    move(s);
}

void sequencer_down(struct sequencer *s) {
    s->lease.asking = s->doubting = false;
    leader_down(&s->leader);
    lease_let_go(&s->lease);
    note_role(s);
}

void sequencer_tick(struct sequencer *s) {
    move(s);
}

double sequencer_due(const struct sequencer *s) {
    double due = leader_due(&s->leader);
    return s->member && !s->lease.asking ? fmin(s->lease.due, due) : due;
}

struct sequencer *sequencer_new(const struct config *config, const struct porter *porter,
                                size_t room) {
    struct sequencer *s = mem_new(sizeof *s);

    s->config = config;
    s->porter = *porter;
    queue_init(&s->queue, room);
    names_bare_pattern(s->pattern, config->prefix);
    s->ingest = ingest_new(config);
    s->patterns[0] = s->pattern;
    for (size_t i = 0; i < config->ingest_count; i++)
        s->patterns[1 + i] = config->ingests[i].pattern;
    names_own(s->channel, config->prefix, "sequenced");
    lease_init(&s->lease, "sequencer", config->prefix, config->lease);
    s->leader = (struct leader){.config = config,
                                .porter = &s->porter,
                                .lease = &s->lease,
                                .queue = &s->queue,
                                .moved = on_moved,
                                .ctx = s};
    return s;
}

void sequencer_free(struct sequencer *s) {
    if (s == NULL)
        return;
    queue_clear(&s->queue);
    ingest_free(s->ingest);
    free(s);
}

void sequencer_drain(struct sequencer *s, void (*done)(void *ctx), void *ctx) {
    s->drained = done;
    s->drained_ctx = ctx;
    s->closed = true;
    move(s);
}

void sequencer_report(const struct sequencer *s, struct buf *out) {
    buf_printf(out,
               "\"sequencer\":{\"state\":\"%s\",\"queue\":%zu,\"total\":%llu,\"heard\":%llu,"
               "\"ingested\":%llu,\"dropped\":%llu,\"foreign\":%llu,"
               "\"refused\":%llu,\"unjoined\":%llu,\"forged\":%llu,\"astray\":%llu,"
               "\"skipped\":%llu,\"aside\":%llu,\"takeovers\":%llu,\"cuts\":%llu,"
               "\"doubts\":%llu,\"forgotten\":%llu,\"full\":%llu}",
               role_names[role_of(s)], s->queue.count, (unsigned long long)s->total,
               (unsigned long long)s->counts.heard, (unsigned long long)s->counts.ingested,
               (unsigned long long)s->counts.dropped, (unsigned long long)s->counts.foreign,
               (unsigned long long)s->counts.refused, (unsigned long long)s->counts.unjoined,
               (unsigned long long)s->counts.forged, (unsigned long long)s->counts.astray,
               (unsigned long long)s->leader.skipped, (unsigned long long)s->leader.set_aside,
               (unsigned long long)s->counts.takeovers, (unsigned long long)s->counts.cuts,
               (unsigned long long)s->counts.doubts, (unsigned long long)s->counts.forgotten,
               (unsigned long long)s->counts.full);
}

size_t sequencer_queued(const struct sequencer *s) {
    return s->queue.count;
}

bool sequencer_leads(const struct sequencer *s) {
    return s->lease.held;
}

const char *const *sequencer_patterns(const struct sequencer *s, size_t *count) {
    *count = 1 + s->config->ingest_count;
    return s->patterns;
}

const char *sequencer_channel(const struct sequencer *s) {
    return s->channel;
}

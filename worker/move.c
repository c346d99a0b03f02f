/*
 * The lease by which a sequencer leads, the doubts that it tells before it goes on, and what
 * follows from whatever happened.
 */
#include "worker/_sequencer.h"

enum { FORGET_AT_ONCE = 1000 };

static const char *const verbs[] = {"", "acquire", "report", "release", "leave"};

static const char *const role_names[] = {
    [JOINING] = "joining", /* does not listen */
    [STANDBY] = "standby", /* listens; another leads, or nobody yet */
    [LEADING] = "leading",
};

/* ------------------------------------------------------------------------- roles */

static enum role role_of(const struct sequencer *s) {
    return s->lease.held ? LEADING : s->hearing.listening ? STANDBY : JOINING;
}

const char *sequencer_role(const struct sequencer *s) {
    return role_names[role_of(s)];
}

void sequencer_note_role(struct sequencer *s) {
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
    if (redis_count(reply) < 2) {
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
    sequencer_move(s);
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

    if (lease_answered(&s->lease, reply, sequencer_now(s), &answer) != ERR_OK) {
        lease_let_go(&s->lease);
        if (redis_is_error(reply))
            s->porter.refused(s->porter.ctx, reply);
        sequencer_note_role(s);
        return;
    }
    s->total = answer.total;
    hearing_known(&s->hearing, answer.generation);
    if (answer.new_secret)
        go_astray(s);
    hearing_settled(&s->hearing, answer.settled);
    queue_done(&s->queue, answer.done);
    act_on(s, &answer);
    sequencer_move(s);
}

/* What is dropped is heard by all workers, and counted by the one who leads when he hears it: once,
 * or not at all where he is killed before he says so. */
static void tell_dropped(struct sequencer *s) {
    struct call call;

    if (s->untold == 0 || !s->lease.held)
        return;
    call_begin(&call, "halley_dropped");
    call_text(&call, "1");
    call_text(&call, s->lease.key);
    call_text(&call, s->lease.owner);
    call_number(&call, s->untold);
    if (s->porter.send(s->porter.ctx, NULL, NULL, &call))
        s->untold = 0;
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

    tell_dropped(s);
    s->asked = verb_of(s);
    call_begin(&call, "halley_lease");
    lease_report(&s->lease, &call, verbs[s->asked], &s->hearing, &s->queue);
    bool sent = s->porter.send(s->porter.ctx, on_lease, s, &call);
    lease_asked(&s->lease, sequencer_now(s), sent, &s->hearing, &s->queue);
    if (!sent && s->closed && !s->hearing.listening && s->queue.count == 0)
        finish(s);
}

/* Whether Redis has to hear at once of what changed. */
static bool has_news(const struct sequencer *s) {
    const struct item *head = s->queue.head;
    struct name from = head != NULL ? head->from : s->hearing.from;

    return s->asked != verb_of(s) || (s->lease.held && from.barrier != s->lease.asked.barrier);
}

void sequencer_move(struct sequencer *s) {
    leader_send(&s->leader);
    if (s->full && queue_roomy(&s->queue))
        s->full = false;
    if (s->member) {
        if (has_news(s))
            lease_hurry(&s->lease);
        if (!s->lease.asking && sequencer_now(s) >= s->lease.due)
            ask(s);
    } else if (s->closed && !s->joining) {
        finish(s);
    }
    sequencer_note_role(s);
}

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
#include <stdlib.h>

#include "core/base/mem.h"
#include "worker/_sequencer.h"

void sequencer_up(struct sequencer *s) {
    lease_hurry(&s->lease);
    sequencer_move(s);
}

void sequencer_down(struct sequencer *s) {
    s->lease.asking = s->doubting = false;
    leader_down(&s->leader);
    lease_let_go(&s->lease);
    sequencer_note_role(s);
}

void sequencer_tick(struct sequencer *s) {
    sequencer_move(s);
}

double sequencer_due(const struct sequencer *s) {
    double due = leader_due(&s->leader);
    return s->member && !s->lease.asking ? fmin(s->lease.due, due) : due;
}

static void on_moved(void *ctx) {
    sequencer_move(ctx);
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
    sequencer_move(s);
}

void sequencer_report(const struct sequencer *s, struct buf *out) {
    buf_printf(out,
               "\"sequencer\":{\"state\":\"%s\",\"queue\":%zu,\"total\":%llu,\"heard\":%llu,"
               "\"ingested\":%llu,\"dropped\":%llu,\"foreign\":%llu,"
               "\"refused\":%llu,\"unjoined\":%llu,\"forged\":%llu,\"astray\":%llu,"
               "\"skipped\":%llu,\"aside\":%llu,\"takeovers\":%llu,\"cuts\":%llu,"
               "\"doubts\":%llu,\"forgotten\":%llu,\"full\":%llu}",
               sequencer_role(s), s->queue.count, (unsigned long long)s->total,
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

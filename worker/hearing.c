/*
 * Hearing. All workers that listen to a Redis process hear the same publishes and
 * the same barriers in the same order, so all of them count the same names.
 */
#include "worker/hearing.h"

/* Barriers are microseconds since 1970: what is beyond this is somebody's joke. */
#define BARRIER_MAX (UINT64_C(1) << 52)

void hearing_begin(struct hearing *hearing, struct name barrier, uint64_t generation, bool broken) {
    bool same = hearing->generation == generation;

    if (!same)
        hearing->before = hearing->since = (struct name){0};
    hearing->generation = generation;
    hearing->from = barrier;
    hearing->at = barrier;
    hearing->listening = true;
    hearing->cut = hearing->nameless = false;
    hearing->broken = broken;
    if (barrier.barrier > hearing->barrier_max)
        hearing->barrier_max = barrier.barrier;
}

static bool is_next(const struct hearing *hearing, struct name barrier) {
    return hearing->listening && barrier.barrier > hearing->at.barrier &&
           barrier.barrier <= BARRIER_MAX && barrier.number <= BARRIER_MAX;
}

bool hearing_barrier(struct hearing *hearing, struct name barrier) {
    if (!is_next(hearing, barrier))
        return false;
    hearing->at = barrier;
    if (barrier.barrier > hearing->barrier_max)
        hearing->barrier_max = barrier.barrier;
    return true;
}

bool hearing_foreign(struct hearing *hearing, struct name barrier) {
    if (!is_next(hearing, barrier))
        return false;
    hearing_end(hearing, false);
    if (barrier.barrier > hearing->barrier_max)
        hearing->barrier_max = barrier.barrier;
    return true;
}

struct name hearing_next(const struct hearing *hearing) {
    return (struct name){hearing->at.barrier, hearing->at.number + 1};
}

void hearing_take(struct hearing *hearing) {
    hearing->at.number++;
}

void hearing_end(struct hearing *hearing, bool cut) {
    if (!hearing->listening)
        return;
    if (!hearing->broken) {
        hearing->before = hearing->at;
        hearing->since = hearing->from;
    }
    hearing->listening = false;
    hearing->cut = cut;
    hearing->broken = hearing->broken || cut;
}

void hearing_known(struct hearing *hearing, uint64_t generation) {
    if (hearing->listening)
        hearing->generation = generation;
}

void hearing_settled(struct hearing *hearing, uint64_t barrier) {
    if (hearing->listening && barrier >= hearing->from.barrier)
        hearing->broken = false;
}

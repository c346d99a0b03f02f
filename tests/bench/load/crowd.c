/* Subscribers, as many as there are connections. Each drives its protocol: asks, takes
 * the answer, asks again. One that fails (refused, cut off, an answer that is not what
 * the protocol has) counts as an error, and begins again from the place where it was
 * after a while.
 */
#include "tests/bench/load/crowd.h"

#include "tests/bench/load/meter.h"
#include "tests/bench/load/trouble.h"
#include "tests/lib/keep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { OPENING = 256, MEND_US = 100000, SETTLE_MAX_US = 3000000, IDLE_SHARE = 20 };

static struct request request;
static struct pile reply;
static uint64_t unsettled;

static void note(struct member *member) {
    bool parked = member->subscriber.waiting;

    if (parked == member->counted)
        return;
    member->counted = parked;
    if (parked)
        member->crowd->parked++;
    else
        member->crowd->parked--;
}

static void ask(struct member *member) {
    struct subscriber *subscriber = &member->subscriber;
    const struct proto *proto = subscriber->proto;

    request_begin(&request, "GET");
    subscriber->waiting = false;
    proto->ask(subscriber, &request);
    note(member);
    conn_ask(&member->conn, &request, proto->stream && subscriber->phase == proto->stream_phase);
}

static void on_failed(void *ctx, const char *why) {
    struct member *member = ctx;

    trouble("%s: %s", member->subscriber.proto->name, why);
    member->subscriber.waiting = false;
    note(member);
    if (!member->broken)
        member->crowd->broken++;
    member->broken = true;
}

/* Comes back soon, on a connection of its own: another process may have more room. */
static void end_orderly(struct member *member) {
    conn_close(&member->conn);
    member->subscriber.waiting = false;
    note(member);
    member->crowd->broken += !member->broken;
    member->broken = true;
}

static void refuse(struct member *member, const struct answer *answer) {
    struct subscriber *subscriber = &member->subscriber;
    int shown = answer->length < 200 ? (int)answer->length : 200;
    char why[320];

    snprintf(why, sizeof why, "phase %d: status %d: %.*s", subscriber->phase, answer->status, shown,
             answer->body ? answer->body : "");
    conn_close(&member->conn);
    on_failed(member, why);
    subscriber->phase = 0;
}

static void on_answer(void *ctx, const struct answer *answer) {
    struct member *member = ctx;
    struct subscriber *subscriber = &member->subscriber;
    const struct proto *proto = subscriber->proto;
    uint64_t before = member->crowd->tally.delivered;

    member->crowd->answers++;
    if (proto->stream && subscriber->phase == proto->stream_phase && answer->status == 200) {
        end_orderly(member);
        return;
    }
    if (!proto->answer || proto->answer(subscriber, answer) == NEXT_FAIL) {
        refuse(member, answer);
        return;
    }
    if (member->crowd->after_last && member->crowd->tally.delivered > before) {
        subscriber->waiting = false;
        note(member);
        member->idle = true;
        return;
    }
    if (member->crowd->one_by_one && member->counted) {
        member->idle = true;
        return;
    }
    ask(member);
}

static size_t on_piece(void *ctx, const struct answer *head, const char *data, size_t length) {
    struct member *member = ctx;
    struct subscriber *subscriber = &member->subscriber;
    size_t taken;

    (void)head;
    reply.length = 0;
    taken = subscriber->proto->piece(subscriber, data, length, &reply);
    if (reply.length > 0)
        conn_say(&member->conn, reply.data, reply.length);
    note(member);
    return taken;
}

static const struct conn_events events = {
    .answer = on_answer, .piece = on_piece, .failed = on_failed};

void crowd_begin(struct crowd *crowd, const struct options *options, const struct proto *proto,
                 const char *channel, size_t count) {
    struct timespec time;

    memset(crowd, 0, sizeof *crowd);
    clock_gettime(CLOCK_REALTIME, &time);
    crowd->options = options;
    crowd->count = count;
    crowd->tally.base = options->base > 0 ? options->base
                                          : (uint64_t)time.tv_sec * 1000000000 +
                                                (uint64_t)time.tv_nsec / 1000 * 1000;
    crowd->members = keep(calloc(count, sizeof *crowd->members));
    for (size_t i = 0; i < count; i++) {
        struct member *member = &crowd->members[i];
        struct subscriber *subscriber = &member->subscriber;

        member->crowd = crowd;
        subscriber->proto = proto;
        subscriber->channel = channel;
        subscriber->path = options->path ? options->path : proto->path;
        subscriber->number = i;
        subscriber->tally = &crowd->tally;
        track_begin(&subscriber->track, &crowd->tally);
        conn_begin(&member->conn, &events, member);
    }
}

void crowd_mend(struct crowd *crowd) {
    int64_t now = now_us();

    if (crowd->broken == 0 || now < crowd->mend_us)
        return;
    crowd->mend_us = now + MEND_US;
    for (size_t i = 0; i < crowd->count; i++) {
        struct member *member = &crowd->members[i];

        if (!member->broken)
            continue;
        member->broken = false;
        crowd->broken--;
        ask(member);
    }
}

void crowd_turn(struct crowd *crowd, int64_t until_us) {
    loop_turn(until_us);
    crowd_mend(crowd);
}

bool crowd_open(struct crowd *crowd) {
    size_t opened = 0;

    while (crowd->parked < crowd->count && !loop_over()) {
        while (opened < crowd->count && opened < crowd->parked + crowd->broken + OPENING)
            ask(&crowd->members[opened++]);
        crowd_turn(crowd, now_us() + MEND_US);
    }
    return crowd->parked == crowd->count;
}

void crowd_ask_again(struct crowd *crowd) {
    for (size_t i = 0; i < crowd->count; i++) {
        if (!crowd->members[i].idle)
            continue;
        crowd->members[i].idle = false;
        ask(&crowd->members[i]);
    }
}

static bool was_quiet(struct crowd *crowd, int64_t for_us) {
    int64_t busy = meter_watched_ns(crowd->options), end = now_us() + for_us;
    uint64_t events_before = loop_events();

    while (now_us() < end && loop_events() == events_before)
        crowd_turn(crowd, end);
    busy = meter_watched_ns(crowd->options) - busy;
    return loop_events() == events_before && crowd->parked == crowd->count &&
           busy < for_us * 1000 / IDLE_SHARE;
}

bool crowd_settle(struct crowd *crowd) {
    int64_t end = now_us() + SETTLE_MAX_US;
    bool quiet = false;

    while (!quiet && !loop_over() && now_us() < end)
        quiet = was_quiet(crowd, (int64_t)crowd->options->settle_ms * 1000);
    unsettled += !quiet;
    return !loop_over();
}

uint64_t crowd_unsettled(void) {
    return unsettled;
}

void crowd_end(struct crowd *crowd) {
    for (size_t i = 0; i < crowd->count; i++)
        track_end(&crowd->members[i].subscriber.track, &crowd->tally);
}

/*
 * The hub's own state, shared by the files that make up the hub and included by
 * nobody else: admit.c (new requests), rows.c (who has a turn), turn.c (a waiter's
 * turn), deliver.c (what it is sent), hub.c (what feeds and Redis tell). Belongs to
 * the loop's thread.
 */
#ifndef HALLEY_HUB_STATE_H
#define HALLEY_HUB_STATE_H

#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/pool.h"
#include "core/base/ring.h"
#include "core/base/wheel.h"
#include "core/config/config.h"
#include "core/follow/feed.h"
#include "core/follow/fetch.h"
#include "core/follow/tracking.h"
#include "core/redis/health.h"
#include "core/redis/history.h"
#include "core/redis/redis.h"
#include "core/redis/sentinel.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/counts/tally.h"
#include "fcgi-app/door/retry.h"
#include "fcgi-app/hub/memo.h"
#include "fcgi-app/hub/waiter.h"

struct hub {
    struct ev_loop *loop;
    const struct config *config;
    struct stats *stats;
    struct sentinel *sentinel; /* where both find Redis, or NULL */
    struct redis *subscriber;
    struct redis *commands;
    struct library *library;
    struct history *history;
    struct health *health;
    struct feeds *feeds;
    struct fetches *fetches;
    struct tallies *tallies;
    struct tracking *tracking;
    struct wheel *wheel;     /* of the waiters' deadlines; every waiter stands in it */
    struct pool singles;     /* where waiters with one channel are taken from */
    struct ring rows;        /* feed rows that have ready waiters, in turn */
    struct feed_row row;     /* of waiters without a channel */
    struct ring unheard;     /* waiters for whom a sign of life of Redis is to be asked */
    struct ring awaiting;    /* those for whom it was asked */
    unsigned unheard_count;  /* how many joined `unheard` since the last one was asked for */
    unsigned awaiting_count; /* and how many that one was for */
    struct ev_io gap;        /* a timer of fractions of a millisecond: until the next is due */
    bool gap_set;            /* it runs */
    double pulse_asked;      /* when the last one was asked for, in monotonic seconds */
    uint64_t unresolved;     /* waiters that were never parked */
    struct head_kept *heads; /* of a good answer, for each transport by its index */
    struct ev_prepare before_sleep;
    struct ev_idle restless; /* runs while rows are left over: the loop does not sleep */
    struct memo_table memo;
    double memo_since;  /* the loop's clock when the memo was last cleared */
    struct call *calls; /* wait for Redis */
    struct ev_timer call_timer;
    uint64_t pulse; /* the number of the sign of life that is awaited; 0: none is */
    bool fresh;     /* requests came since what Redis has sent was read */
    bool draining;
    struct log_limit full; /* complaints that max_waiters is near */
};

static inline const struct transport *waiter_transport(const struct waiter *waiter) {
    return transport_at(waiter->transport);
}

/* Milliseconds after which it is told to come back by polling; 0: it is not. */
static inline unsigned waiter_retry(const struct waiter *waiter) {
    return waiter->retry ? retry_at((unsigned)waiter->hub->config->retry, waiter->step) : 0;
}

#endif

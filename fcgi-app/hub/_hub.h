/*
 * The hub's own state, shared by the files of this folder alone: admit.c (new requests),
 * stay.c (a waiter comes and goes), rows.c (who has a turn), turn.c (a waiter's turn),
 * widen.c (a waiter gets more channels), directory.c (what patterns stand for),
 * deliver.c (what a waiter is sent), census.c (who waits, for an operator), news.c (what feeds
 * tell), hub.c (what Redis tells). Belongs to the loop's thread.
 *
 * Words:
 *   waiter   a reading request that is held; it has a sub for each of its channels
 *   parked   a waiter that has everything there is, until a message comes
 *   feed     a channel as this process follows it (core/follow/feed.h)
 *   row      the ready waiters of one feed; rows take turns, and so do waiters within one
 *   turn     the moment in which a ready waiter is resolved, and sent what it is owed
 *   fetch    a read of the history that waiters of one place share
 *   fence    a word sent round through Redis: when it is back, everything that was published
 *            before the fence was asked for has been heard. Polls wait behind one
 *   memo     the answer that was built for a place, for the next waiter who stands there
 *   slow     a waiter who has not taken all that was sent; `owed` counts what it misses
 *   gap      what a reader is told where messages are missing, and nothing else
 */
#ifndef HALLEY_HUB_PRIVATE_H
#define HALLEY_HUB_PRIVATE_H

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
#include "core/redis/link.h"
#include "core/redis/redis.h"
#include "core/redis/session.h"
#include "fcgi-app/counts/capacity.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/counts/tally.h"
#include "fcgi-app/door/retry.h"
#include "fcgi-app/hub/feed_row.h"
#include "fcgi-app/hub/memo.h"
#include "fcgi-app/hub/waiter.h"
#include "fcgi-app/rights/limits.h"

enum { HUB_EARS = 4 }; /* carriers whose sessions are in Redis */

struct hub {
    struct ev_loop *loop;
    const struct config *config;
    struct stats *stats;
    struct limits *limits;     /* of visitors */
    struct capacity *capacity; /* for waiters, here and in other processes */
    struct link *link;         /* to Redis; these three are its */
    struct redis *subscriber;
    struct redis *commands;
    struct library *library;
    struct history *history;
    struct directory *directory;            /* of the channels that patterns stand for */
    struct revoked *revoked;                /* tokens; NULL where none are read (revocations.h) */
    struct ev_timer revoked_timer;          /* until what was heard of them has consequences */
    bool revoked_heard;                     /* Redis tells which are revoked */
    void (*revoked_known)(struct hub *hub); /* called whenever they are all known */
    bool revoked_asks; /* the list of them is to be asked for when the timer runs out */
    struct health *health;
    struct sessions *sessions;
    struct hub_ear {
        const struct hub_ears *ears;
        void *ctx;
    } ears[HUB_EARS];
    size_t ear_count;
    struct feeds *feeds;
    struct fetches *fetches;
    struct tallies *tallies;
    struct tracking *tracking;
    struct wheel *wheel;         /* of the waiters' deadlines; every waiter has one */
    struct pool singles;         /* where waiters with one channel are taken from */
    struct ring rows;            /* feed rows that have ready waiters, in turn */
    struct feed_row row;         /* of waiters without a channel */
    struct ring fence_wanted;    /* waiters who need a fence that is yet to be asked for */
    struct ring fence_asked;     /* waiters behind the fence that is awaited */
    unsigned fence_wanted_count; /* waiters who joined `fence_wanted` since the last fence */
    unsigned fence_asked_count;  /* waiters whom the last fence was for */
    struct ev_io fence_timer;    /* of fractions of a millisecond: until the next fence is due */
    bool fence_timer_set;        /* the timer runs */
    double fence_asked_at;       /* when the last fence was asked for, in monotonic seconds */
    uint64_t fence;              /* the number of the fence that is awaited; 0: none is */
    uint64_t unresolved;         /* waiters that were never parked */
    struct head_kept *heads;     /* of a good answer, for each transport by its index */
    struct ev_prepare before_sleep;
    struct ev_idle restless; /* runs while rows are left over: the loop does not sleep */
    struct memo_table memo;
    double memo_since;  /* the loop's clock when the memo was last cleared */
    struct call *calls; /* wait for Redis */
    struct ev_timer call_timer;
    bool heard_before; /* Redis was listened to, now or on a connection that was lost */
    bool newcomers;    /* requests came since what Redis has sent was read */
    bool draining;
    bool redis_told;       /* whether streams were told last that Redis is there */
    struct log_limit full; /* complaints that max_waiters is near */
};

static inline const struct transport *waiter_transport(const struct waiter *waiter) {
    return transport_at(waiter->transport);
}

/* Milliseconds after which the waiter is told to come back by polling; 0: it is not told to. */
static inline unsigned waiter_poll_after(const struct waiter *waiter) {
    return waiter->told_to_poll ? retry_at((unsigned)waiter->hub->config->retry, waiter->step) : 0;
}

#endif

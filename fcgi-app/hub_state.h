/*
 * The hub's own state, shared by the three files that make up the hub and
 * included by nobody else: deliver.c (what waiters are sent), hub.c (what feeds
 * and Redis tell), admit.c (new requests). Belongs to the loop's thread.
 */
#ifndef HALLEY_HUB_STATE_H
#define HALLEY_HUB_STATE_H

#include "core/config.h"
#include "core/history.h"
#include "core/loop.h"
#include "core/redis.h"
#include "fcgi-app/feed.h"
#include "fcgi-app/fetch.h"
#include "fcgi-app/memo.h"
#include "fcgi-app/stats.h"
#include "fcgi-app/tally.h"
#include "fcgi-app/waiter.h"

struct hub {
    struct ev_loop *loop;
    const struct config *config;
    struct stats *stats;
    struct redis *subscriber;
    struct redis *commands;
    struct history *history;
    struct feeds *feeds;
    struct fetches *fetches;
    struct tallies *tallies;
    struct waiter *waiters;
    struct waiter *ready;
    struct waiter *awaiting; /* a sign of life of Redis */
    uint64_t unresolved;     /* waiters whose answer has not begun */
    struct ev_prepare before_sleep;
    struct memo_table memo;
    struct call *calls; /* wait for Redis */
    struct ev_timer call_timer;
    uint64_t fence;        /* the number that polls of this turn of the loop await; 0: none */
    uint64_t fence_passed; /* the last one that came back */
    bool draining;
};

#endif

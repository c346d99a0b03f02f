/*
 * A feed's own state, shared by the files that make it up: hear.c (live messages), mend.c
 * (reads, and what they say), verify.c (whether what was told is what history holds),
 * subscription.c, unused.c, feed.c (its life). Belongs to the loop's thread.
 */
#ifndef HALLEY_FEED_PRIVATE_H
#define HALLEY_FEED_PRIVATE_H

#include <stddef.h>

#include "core/base/collections.h"
#include "core/base/log.h"
#include "core/base/loop.h"
#include "core/base/ring.h"
#include "core/config/config.h"
#include "core/follow/counts.h"
#include "core/follow/doubts.h"
#include "core/follow/feed.h"
#include "core/follow/gather.h"
#include "core/follow/heat.h"
#include "core/follow/pause.h"
#include "core/follow/suspects.h"
#include "core/follow/tail.h"
#include "core/redis/history.h"
#include "core/redis/redis.h"
#include "core/redis/words.h"

enum feed_state {
    FEED_OFF,         /* not subscribed: made just now, refused, or the connection is away */
    FEED_SUBSCRIBING, /* asked for; not confirmed */
    FEED_SUBSCRIBED,  /* confirmed; the history must be read as soon as that is possible */
    FEED_SYNCING,     /* being read; live messages are kept aside */
    FEED_LIVE,
    FEED_LEAVING /* unsubscribing; not confirmed, so it cannot be subscribed again yet */
};

struct feed {
    UT_hash_handle hh;
    struct feeds *feeds;
    char *name;
    size_t len;
    enum feed_state state;
    unsigned users;
    bool bare;          /* nobody waits on it: it is not subscribed, and polls ask the history */
    struct ring unused; /* of feeds that nobody uses, or that are spent */
    ev_tstamp idle_since;
    unsigned reads;           /* under way; a feed with any is not freed */
    unsigned attempt;         /* which read counts; the answers of others are dropped */
    bool known;               /* `position` was read at least once */
    struct position position; /* where the feed stands: the tail's last, or its base */
    unsigned resets;
    struct tail tail;
    struct ring kept;       /* of feeds whose tail has messages */
    struct message **aside; /* heard while it is not live: ASIDE_MAX of them, or NULL */
    size_t aside_count;
    bool aside_lost;          /* there was no room for all */
    struct doubts doubts;     /* heard before the next read begins, which is to explain them */
    struct suspects suspects; /* passed on, and to be looked for in history */
    struct pause pause;       /* until Redis is asked again */
    struct ring due;          /* of feeds that are live and have doubts */
    char *refusal;            /* what Redis said when it refused the channel, or NULL */
    struct position shown;    /* up to where those who wait may see */
    struct gather gather;
    uint64_t serial;
    max_align_t room[]; /* its follower's */
};

struct feeds {
    struct ev_loop *loop;
    struct follow_counts *counts;
    const struct config *config;
    const struct feeds_events *events;
    void *ctx;
    struct redis *subscriber;
    struct history *history;
    struct feed *by_name;
    uint64_t serial;    /* of the last feed that was made */
    struct ring unused; /* who has been so for longest is first */
    struct ring spent;  /* neither used nor subscribed: freed when the loop comes round */
    struct heat heat;
    struct ev_timer sweep;
    struct ev_timer tidy; /* frees the spent */
    struct ring due;      /* feeds whose doubts are to be settled when their pause is over */
    struct ev_timer look; /* runs while there are any */
    struct ring kept;     /* the tail that was added to least lately is first */
    struct log_limit complaint, refusals, shorts;
};

#endif

/*
 * The hub: everything that a halley.fcgi process holds, on one event loop. It
 * waits on Redis for all the requests that wait on it. Belongs to the loop's
 * thread, as everything that it calls back.
 */
#ifndef HALLEY_HUB_H
#define HALLEY_HUB_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/loop.h"
#include "core/config/config.h"
#include "core/redis/history.h"
#include "core/redis/redis.h"
#include "core/redis/session.h"
#include "fcgi-app/counts/capacity.h"
#include "fcgi-app/counts/stats.h"
#include "fcgi-app/counts/tally.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/door/problem.h"
#include "fcgi-app/hub/holder.h"
#include "fcgi-app/hub/place.h"
#include "fcgi-app/rights/identity.h"
#include "fcgi-app/rights/limits.h"
#include "fcgi-app/transports/transport.h"

struct hub;

enum { LIMIT_MAX = 1000, HEARTBEAT_MAX = 63 };

/* A reading request; everything is borrowed for the length of the call. */
struct hub_read {
    const struct transport *transport;
    struct transport_options options; /* its callback is taken over */
    const struct hub_channel *channels;
    size_t channel_count; /* may be 0 on a WebSocket */
    unsigned limit;       /* messages in an answer, 1 to LIMIT_MAX */
    double timeout;       /* seconds to wait, for a transport that waits and is no stream */
    uint32_t ends;        /* hub_places.ends, for one that is held again; 0: the hub decides */
    bool begun;           /* for one that is held again: the answer has begun */
    bool early;           /* the web server needs a header to notice that a browser has left */
    unsigned heartbeat;   /* seconds within which it is found that the browser has left; 0: none */
    bool heartbeat_said;  /* and the request says so */
    const char *tag;      /* whose account the request counts for, or NULL */
    size_t bytes;         /* of the request, for that account */
    bool renews; /* its holder ends it when what says who it is for has expired, not the hub */
    const struct identity
        *who;            /* whose rights tell what a pattern stands for; NULL: nobody known */
    const char *address; /* whose limits it counts for, as those of `who`; NULL: nobody's */
    struct stake stake;  /* of these, for one that is held again: taken over, in any case */
};

/* Whether it is held until there is something for it. */
static inline bool hub_read_waits(const struct hub_read *read) {
    return read->transport->waits && (read->transport->stream || read->timeout > 0);
}

/* `config` and `stats` are borrowed and outlive the hub. */
struct hub *hub_new(struct ev_loop *loop, const struct config *config, struct stats *stats);

/* Ends every connection, to Redis and to web servers, at once. Safe on NULL. */
void hub_free(struct hub *hub);

/*
 * Answers a reading request, now or later. Takes over `client` and returns true;
 * or fills `problem`, returns false, and has taken nothing but options.callback.
 */
bool hub_read(struct hub *hub, struct client *client, const struct hub_read *read,
              struct problem *problem) MUST_CHECK;

/*
 * Answers a request that was not taken because of a problem that passes by a stream that
 * says so, and ends. For transports that have a `later`.
 */
void hub_put_off(struct hub *hub, struct client *client, const struct hub_read *read,
                 const struct problem *problem);

/* Whether hub_read() would take the request now; else fills `problem`. */
bool hub_admits(struct hub *hub, const struct hub_read *read, struct problem *problem) MUST_CHECK;

/*
 * Whether its visitor may read that much (rights/limits.h): looks whether it may be held, and
 * counts those of its channels that the process does not know yet. Once for each request, before it
 * is taken; that it reads was counted when it came.
 */
bool hub_admits_visitor(struct hub *hub, const struct hub_read *read,
                        struct problem *problem) MUST_CHECK;

/* The same for channels that the client at an address joins on a connection. */
bool hub_admits_channels(struct hub *hub, const char *address, const struct hub_channel *channels,
                         size_t count, struct problem *problem) MUST_CHECK;

/* Whether nine tenths of what may be held are in use. */
bool hub_crowded(const struct hub *hub);

/* Whether there is room for one more session of a service: not where it is nearly used up, since
 * its client asks again at once, whatever it is told. */
bool hub_admits_session(struct hub *hub, struct problem *problem) MUST_CHECK;

/*
 * For a client whose channels change while it is held, a WebSocket: hub_read()
 * for somebody who keeps hold of it (holder.h). hub_release() takes the client back
 * and says where it stands.
 */
bool hub_hold(struct hub *hub, struct client *client, const struct hub_read *read,
              struct hub_holder *holder, struct problem *problem) MUST_CHECK;

struct hub_places hub_release(struct waiter *waiter);

/*
 * Stops holding: every parked request gets an empty batch with its cursor,
 * streams end, new reads are answered at once. What Redis has been asked is still answered.
 */
void hub_drain(struct hub *hub);
bool hub_draining(const struct hub *hub);

/* Whether Redis can be asked now. */
bool hub_redis_up(const struct hub *hub);

/* Whether it is worth waiting for Redis: it is up, or the first attempt is still under way. */
bool hub_redis_hopeful(const struct hub *hub);

/* Calls `run` once, as soon as Redis can be asked or (with false) when `seconds` have passed. */
void hub_when_up(struct hub *hub, double seconds, void (*run)(void *ctx, bool up), void *ctx);

/*
 * The same, and where tokens are read also when it is known which of them were revoked: for what
 * somebody does in the name of one.
 */
void hub_when_known(struct hub *hub, double seconds, void (*run)(void *ctx, bool up), void *ctx);

/* For credentials_heed(); NULL where no tokens are read. Left to the caller to free, last of all.
 */
struct revoked *hub_revoked(struct hub *hub);

/* Whether one of a waiter's channels was taken away from whoever it is for (rights_banned()). */
bool hub_banned(const struct waiter *waiter);

struct limits *hub_limits(struct hub *hub);
struct tallies *hub_tallies(struct hub *hub);
struct history *hub_history(struct hub *hub);
struct library *hub_library(struct hub *hub);
struct health *hub_health(struct hub *hub);

/* Looks whether other processes still see what this one counts. In each turn of the loop. */
void hub_look_around(struct hub *hub);

/* Brings what the stats say of the library and of capacity up to date. */
void hub_count_now(struct hub *hub);

/*
 * The sessions of polling clients, and whoever is to hear what other processes say of those that
 * this process holds: from the start on, so before the loop runs. Each of several carriers hears
 * all of it: a number is that of one hold in the process, so it is another's if a carrier does not
 * know it. `again`: some of it may have been missed, look at every one. Both are called from inside
 * the hub.
 */
struct hub_ears {
    void (*word)(void *ctx, enum session_word word, uint64_t number);
    void (*again)(void *ctx);
};
struct sessions *hub_sessions(struct hub *hub);
void hub_hear(struct hub *hub, const struct hub_ears *ears, void *ctx);

struct redis *hub_commands(struct hub *hub);
struct capacity *hub_capacity(struct hub *hub);
struct directory *hub_directory(struct hub *hub);

#endif

/*
 * What a process counts. One list names every figure beside those of the channels that it
 * follows: the status page and the metrics are written from both. One thread; a field is changed by
 * whoever knows.
 */
#ifndef HALLEY_STATS_H
#define HALLEY_STATS_H

#include <stdint.h>

#include "core/base/histogram.h"
#include "core/follow/counts.h"
#include "fcgi-app/counts/problems.h"

/* name, kind (counter or gauge), help */
#define STATS_LIST(X)                                                                              \
    X(requests, counter, "requests read")                                                          \
    X(requests_reused, counter, "requests that came on a kept connection")                         \
    X(requests_saved, counter, "requests that waits were spared by more messages in a batch")      \
    X(requests_broken, counter, "connections closed because what came was no whole request")       \
    X(requests_large, counter, "requests read piece by piece because of their size")               \
    X(requests_wrong, counter, "HTTP requests refused because they were not as HTTP/1.1 has it")   \
    X(requests_late, counter, "HTTP requests that did not arrive within request_timeout")          \
    X(bodies_refused, counter, "large requests refused because too many came together")            \
    X(connections_refused, counter, "connections told that no descriptor is left")                 \
    X(connections_over, counter, "connections told that there are max_connections already")        \
    X(patterns, gauge, "patterns of channel names that are followed now")                          \
    X(patterns_joined, counter, "channels that waiters were given because they became one")        \
    X(revoked, counter, "requests that were ended because their token was revoked")                \
    X(asked, counter, "times that the site was asked who may")                                     \
    X(asked_unanswered, counter, "times that it did not say")                                      \
    X(patterns_full, counter, "channels that did not fit behind a pattern")                        \
    X(lines_long, counter, "line feeds ended because a line was too long")                         \
    X(lines_late, counter, "line feeds ended because a line took too long to arrive")              \
    X(policies, counter, "policy files sent to Flash")                                             \
    X(accept_pauses, counter, "pauses in accepting, for want of memory or descriptors")            \
    X(accepts_left, counter,                                                                       \
      "times that newcomers were left to other processes at the same socket")                      \
    X(answers_4xx, counter, "answers that said the request was wrong")                             \
    X(answers_429, counter, "answers that said too often (a visitor's limits)")                    \
    X(answers_503, counter, "answers that said try again later")                                   \
    X(sessions_full, counter, "new sessions refused because there are max_sessions")               \
    X(sessions_fast, counter, "new sessions refused because of their address's session_rate")      \
    X(answers_retry, counter, "waits and streams answered at once because of max_waiters")         \
    X(counts_alone, counter, "times that held requests could not be counted with other processes") \
    X(limits_crowded, counter,                                                                     \
      "times that a visitor was not counted, or forgotten, for want of room")                      \
    X(mount_elsewhere, counter, "requests for an endpoint below another path than the mount")      \
    X(streams_told_redis, counter, "times that a stream was told that Redis is away, or back")     \
    X(streams_later, counter, "event streams that could not be served, and were told when to")     \
    X(published, counter, "messages published from the web")                                       \
    X(batches, counter, "batches sent")                                                            \
    X(batches_empty, counter, "batches sent without a message")                                    \
    X(messages, counter, "messages sent, counted once for each receiver")                          \
    X(gaps, counter, "gaps told")                                                                  \
    X(gone, counter, "waiting browsers that left")                                                 \
    X(cut_off, counter, "slow readers cut off at max_backlog")                                     \
    X(redis_reconnects, counter, "times that Redis was lost and found again")                      \
    X(library_loads, counter, "times that the function library was loaded into Redis")             \
    X(prefix_conflicts, counter, "times that another installation was found in the way")           \
    X(prefix_renewals, counter, "times that the database had to be told again whose it is")        \
    X(tags_uncounted, counter, "requests counted under no tag because there were too many")        \
    X(log_lost, counter, "lines of the log that nobody took")                                      \
    X(bytes_in, counter, "bytes of requests, as HTTP has them")                                    \
    X(bytes_out, counter, "bytes of answers")                                                      \
    X(waiters, gauge, "requests that wait now, each at a place that is known")                     \
    X(held_together, gauge, "requests held now by all processes that are counted together")        \
    X(max_waiters, gauge, "how many of those there may be, near which waits are told to poll")     \
    X(clients, gauge, "requests being held or answered now, WebSockets among them")                \
    X(sockets, gauge, "WebSockets open now")                                                       \
    X(line_clients, gauge, "connections of the line feed open now")                                \
    X(connections, gauge, "connections from web servers and browsers now, WebSockets not counted") \
    X(connections_kept, gauge, "connections that are kept for their next request")

/*
 * Limits that refuse: each is an option, and has a figure of its own beside those above. What tails
 * forgot (tail_memory) is counted by who follows.
 */
#define REFUSALS_LIST(X)                                                                           \
    X(REFUSED_WAITERS_ADDRESS, max_waiters_address)                                                \
    X(REFUSED_WAITERS_USER, max_waiters_user)                                                      \
    X(REFUSED_READ_RATE, read_rate)                                                                \
    X(REFUSED_CHANNEL_RATE, channel_rate)                                                          \
    X(REFUSED_PUBLISH_RATE, publish_rate)                                                          \
    X(REFUSED_SESSION_RATE, session_rate)                                                          \
    X(REFUSED_SESSIONS, max_sessions)                                                              \
    X(REFUSED_WAITERS, max_waiters)

enum refusal {
#define REFUSAL(kind, option) kind,
    REFUSALS_LIST(REFUSAL)
#undef REFUSAL
        REFUSALS
};

/* Whom a request was for; those for a transport are counted by it (tally.h). */
#define ENDPOINTS_LIST(X)                                                                          \
    X(publish)                                                                                     \
    X(history)                                                                                     \
    X(info)                                                                                        \
    X(health)                                                                                      \
    X(status)                                                                                      \
    X(metrics)                                                                                     \
    X(service)                                                                                     \
    X(none)

enum endpoint {
    ENDPOINT_TRANSPORT,
#define ENDPOINT_ONE(name) ENDPOINT_##name,
    ENDPOINTS_LIST(ENDPOINT_ONE)
#undef ENDPOINT_ONE
        ENDPOINTS
};

struct stats {
#define STATS_FIELD(name, kind, help) uint64_t name;
    STATS_LIST(STATS_FIELD)
#undef STATS_FIELD
    struct follow_counts follow;
    uint64_t endpoints[ENDPOINTS]; /* requests */
    uint64_t refused[REFUSALS];
    struct problems problems;
    struct histogram delivery;    /* from publish to sent, to those who waited for it already */
    struct histogram round_trips; /* of commands to Redis, a sample of them */
};

/* Counts a problem that somebody is told: by its status, and by what its detail says. */
void stats_problem(struct stats *stats, int status, const char *detail);

/* Connections of all kinds that are there now. */
uint64_t stats_connected(const struct stats *stats);

#endif

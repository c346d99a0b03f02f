/*
 * What a process counts. One list names every figure beside those of the channels that it
 * follows: the status page and the metrics are written from both. One thread; a field is changed by
 * whoever knows.
 */
#ifndef HALLEY_STATS_H
#define HALLEY_STATS_H

#include <stdint.h>

#include "core/follow/counts.h"

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
    X(patterns_full, counter, "channels that did not fit behind a pattern")                        \
    X(lines_long, counter, "line feeds ended because a line was too long")                         \
    X(lines_late, counter, "line feeds ended because a line took too long to arrive")              \
    X(policies, counter, "policy files sent to Flash")                                             \
    X(accept_pauses, counter, "pauses in accepting, for want of memory or descriptors")            \
    X(answers_4xx, counter, "answers that said the request was wrong")                             \
    X(answers_429, counter, "publishes over a rate limit")                                         \
    X(answers_503, counter, "answers that said try again later")                                   \
    X(answers_retry, counter, "waits answered at once because of the limit max_waiters")           \
    X(mount_elsewhere, counter, "requests for an endpoint below another path than the mount")      \
    X(streams_later, counter, "event streams that could not be served, and were told when to")     \
    X(published, counter, "messages published from the web")                                       \
    X(batches, counter, "batches sent")                                                            \
    X(batches_empty, counter, "batches sent without a message")                                    \
    X(messages, counter, "messages sent, counted once for each receiver")                          \
    X(gaps, counter, "gaps told")                                                                  \
    X(gone, counter, "waiting browsers that left")                                                 \
    X(cut_off, counter, "slow readers cut off at max_backlog")                                     \
    X(library_loads, counter, "times that the function library was loaded into Redis")             \
    X(prefix_conflicts, counter, "times that another installation was found in the way")           \
    X(prefix_renewals, counter, "times that the database had to be told again whose it is")        \
    X(tags_uncounted, counter, "requests counted under no tag because there were too many")        \
    X(log_lost, counter, "lines of the log that nobody took")                                      \
    X(bytes_in, counter, "bytes of requests, as HTTP has them")                                    \
    X(bytes_out, counter, "bytes of answers")                                                      \
    X(waiters, gauge, "requests that wait now, each at a place that is known")                     \
    X(clients, gauge, "requests being held or answered now, WebSockets among them")                \
    X(sockets, gauge, "WebSockets open now")                                                       \
    X(line_clients, gauge, "connections of the line feed open now")                                \
    X(connections, gauge, "connections from web servers and browsers now, WebSockets not counted") \
    X(connections_kept, gauge, "connections that are kept for their next request")

struct stats {
#define STATS_FIELD(name, kind, help) uint64_t name;
    STATS_LIST(STATS_FIELD)
#undef STATS_FIELD
    struct follow_counts follow;
};

#endif

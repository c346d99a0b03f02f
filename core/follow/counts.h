/*
 * What is counted of following channels. One list names every figure: the status page
 * and the metrics are written from it. One thread; a field is changed by whoever knows.
 */
#ifndef HALLEY_FOLLOW_COUNTS_H
#define HALLEY_FOLLOW_COUNTS_H

#include <stdint.h>

/* name, kind (counter or gauge), help */
#define FOLLOW_COUNTS_LIST(X)                                                                      \
    X(live, counter, "messages heard from Redis")                                                  \
    X(reads, counter, "reads of a history in Redis")                                               \
    X(polls_fresh, counter, "polls answered without asking Redis, which had told of no change")    \
    X(pulses, counter, "fences asked of Redis, each for all polls that had come")                  \
    X(resyncs, counter, "channels read again after a hole or a lost connection")                   \
    X(phantoms, counter, "messages heard that history does not hold, dropped")                     \
    X(misled, counter, "channels told anew because history holds another message of an id")        \
    X(channels_refused, counter, "times that Redis refused to read or to subscribe to a channel")  \
    X(channels_dropped, counter, "unused channels let go because there were too many")             \
    X(tails_forgot, counter, "messages that tails forgot because all had tail_memory together")    \
    X(tail_bytes, gauge, "bytes that the tails of all channels take now")                          \
    X(tracking, gauge, "1 while polls rest on what Redis tells of changes")                        \
    X(channels, gauge, "channels subscribed now")

struct follow_counts {
#define FOLLOW_COUNTS_FIELD(name, kind, help) uint64_t name;
    FOLLOW_COUNTS_LIST(FOLLOW_COUNTS_FIELD)
#undef FOLLOW_COUNTS_FIELD
};

#endif

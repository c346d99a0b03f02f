#ifndef HALLEY_TESTS_FOLLOWER_H
#define HALLEY_TESTS_FOLLOWER_H

#include "tests/lib/http.h"

#include <stdbool.h>
#include <stdint.h>

/* A subscriber, as a page is one. Begin with follower_begin(). */
struct follower {
    struct lab *lab;
    const char *channels; /* "a" or "a&channel=b" */
    const char *cursor;   /* encoded */
    struct flight *flight;
    json_t *messages; /* all of them, as they came; kept */
    json_t *last;     /* channel -> id of its last message; kept */
    json_t *told;     /* channel -> there was a gap since its last message; kept */
    size_t gaps;      /* batches that named a gap */
    size_t answers, refusals;
    bool forgives;       /* answers that are no batch count as refusals */
    int64_t next_ask_ms; /* after a refusal */
};

/* Starts to follow from a cursor (encoded), "now" or "start". When it returns,
 * no later message can be missed. */
void follower_begin(struct follower *follower, struct lab *lab, const char *channels,
                    const char *since);

/* Takes what has come, asks for more. */
void follower_turn(struct follower *follower);

/* Turns until each of the `count` followers has `messages` messages. */
void followers_reach(struct follower *followers, size_t count, size_t messages);

/* Turns until the follower was told of `gaps` gaps. */
void follower_reach_gap(struct follower *follower, size_t gaps);

size_t follower_count(const struct follower *follower);
const json_t *follower_data(const struct follower *follower, size_t which);
const char *follower_id(const struct follower *follower, size_t which);

/* Fails unless it has exactly the numbers `from` to `to`, in order, and no gap. */
void follower_must_have(const struct follower *follower, int from, int to);

void follower_end(struct follower *follower);

#endif

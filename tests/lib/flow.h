#ifndef HALLEY_TESTS_FLOW_H
#define HALLEY_TESTS_FLOW_H

#include "tests/lib/reader.h"

enum { FLOW_READERS = 3 };

/* A channel of numbers, published in every way and followed in several, all of it straight from
 * an application's socket. Begin with flow_begin(). */
struct flow {
    struct lab *programs; /* whose application 0 and workers are asked */
    struct lab *redis;    /* whose Redis is the master */
    const char *channel;
    int last; /* the last number that was acknowledged */
    struct reader readers[FLOW_READERS];
};

/* Begins to follow; the channel has no messages yet, and /comet/health is good. */
void flow_begin(struct flow *flow, struct lab *programs, struct lab *redis, const char *channel);

/* The next number: by POST, by FCALL, by a bare PUBLISH; tried until it is acknowledged, and
 * never published twice. */
void flow_post(struct flow *flow);
void flow_add(struct flow *flow);
void flow_bare(struct flow *flow);

/* All three, and each reader has had them. Prints how long it took from `since_ms` on. */
void flow_must_run(struct flow *flow, const char *after, int64_t since_ms);

/* Each reader has had every number once, in order. */
void flow_must_be_whole(const struct flow *flow);

void flow_end(struct flow *flow);

/* GET /comet/<path> of application 0. */
const struct answer *flow_ask(struct lab *programs, const char *path);

/* Until its health is 200. */
void flow_until_well(struct lab *programs);

/* Until its health is 503 with these words. */
void flow_until_ill(struct lab *programs, const char *words);

/* The text of a log file of the lab, and how many of its lines have `words` in them; kept. */
char *flow_log(struct lab *lab, const char *name);
size_t flow_lines(struct lab *lab, const char *name, const char *words);

/* Starts a worker that need not get as far as listening. */
void flow_worker(struct lab *lab, size_t which);

#endif

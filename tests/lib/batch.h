#ifndef HALLEY_TESTS_BATCH_H
#define HALLEY_TESTS_BATCH_H

#include "tests/lib/http.h"

#include <stdbool.h>
#include <stdint.h>

/* A message's id, "<epoch>-<n>". */
struct message_id {
    uint64_t epoch, n;
};

struct message_id id_parse(const char *text);

/* Fails unless the answer is a batch exactly as the contract has it: 200, its
 * headers, the fields it must have and none that it must not. Returns it. */
const struct answer *must_be_batch(const struct answer *answer);

/* Fails unless it is a problem of this status, with title, status and detail,
 * and `names` (NULL: nothing) somewhere in the detail. Returns it. */
const struct answer *must_be_problem(const struct answer *answer, int status, const char *names);

/* All of these are for a batch. */
size_t batch_count(const struct answer *answer);
const char *batch_cursor(const struct answer *answer); /* encoded for a query */
bool batch_gap(const struct answer *answer, const char *channel);
bool batch_any_gap(const struct answer *answer);
bool batch_retry(const struct answer *answer);
const json_t *batch_message(const struct answer *answer, size_t which);
const json_t *batch_data(const struct answer *answer, size_t which);
const char *batch_id(const struct answer *answer, size_t which);
const char *batch_channel(const struct answer *answer, size_t which);

/* The data of all messages, as compact JSON with "," between; kept. */
const char *batch_all_data(const struct answer *answer);

/* Where the channel (or channels: "a&channel=b") ends now; encoded, kept. */
const char *cursor_now(struct lab *lab, const char *channels);

/* One poll: everything since a cursor (encoded), or "start", "-3", ... */
const struct answer *read_since(struct lab *lab, const char *channels, const char *since);

#endif

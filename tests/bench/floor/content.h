#ifndef HALLEY_BENCH_FLOOR_CONTENT_H
#define HALLEY_BENCH_FLOOR_CONTENT_H

#include "tests/bench/floor/wire.h"

/* All that can be sent, as of the last message. */
struct content {
    struct image batch, empty_batch; /* with that message, and without */
    struct image stream_head, event;
    struct image published, not_found;
};
extern struct content content;

/* Once: there is no message yet. */
void content_begin(const struct wire *wire, const char *channel);

/* A message that came by POST. */
void content_take(const char *data, size_t length);

/* One from the live feed, "<epoch>-<n> <at> <payload>"; false: that is none. */
bool content_take_live(const char *text, size_t length);

/* Whether a "since" is where the channel ends. */
bool content_is_end(const char *since, size_t length);

#endif

/*
 * Positions and cursors. A position is a place in one channel: the id of the
 * last message that a subscriber has. A cursor is the text that holds a
 * position for each of its channels: `chat@1795219200000-7,news@1795219200001-2`.
 *
 * A position whose `n` is 0 lies before the first message of `epoch`. Where a
 * channel does not exist yet, Redis's time stands in the epoch's place: such a
 * position sorts before everything that is published later.
 */
#ifndef HALLEY_CURSOR_H
#define HALLEY_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/data/channel.h"

struct position {
    uint64_t epoch;
    uint64_t n;
};

/* Bytes that a position takes as text, at the most, with its NUL. */
enum { POSITION_TEXT = 44 };

/* Less than, equal to or greater than zero, as memcmp. */
int position_compare(struct position a, struct position b);

/*
 * The place right before the message of that id. Before `<epoch>-0`, which only somebody
 * else can have written into a stream, it is the last place of the epoch before.
 */
struct position position_before(struct position id);

/* Writes `<epoch>-<n>` with a NUL; returns its length. */
size_t position_format(struct position position, char out[POSITION_TEXT]);

/* Parses `<epoch>-<n>`: both decimal, without sign or leading zeros, below 2^53. */
enum err position_parse(const char *text, size_t len, struct position *out) MUST_CHECK;

struct cursor_item {
    const char *channel; /* in the cursor's memory, without a NUL behind it */
    size_t channel_len;
    struct position position;
};

struct cursor {
    size_t count;
    struct cursor_item items[]; /* by their channels' names; and behind them the names */
};

/*
 * Parses a cursor of up to `max` channels, in a time that is linear in its length but for
 * sorting them. `*out` is the caller's to free(). ERR_SYNTAX for anything that cursor_add()
 * does not write, a channel named twice included; ERR_RANGE for more than `max` channels.
 */
enum err cursor_parse(const char *text, size_t len, size_t max, struct cursor **out) MUST_CHECK;

/* The position of `channel`, by halving; or NULL if the cursor does not know it. NULL is no cursor.
 */
const struct position *cursor_find(const struct cursor *cursor, const char *channel, size_t len);

/*
 * Appends one channel's position to a cursor text; the text stays safe in a URL,
 * a header and an SSE field: bytes other than letters, digits and -_.:/ stand
 * as ~XX.
 */
void cursor_add(struct buf *out, const char *channel, size_t len, struct position position);

/* Appends a channel's name as it stands there, with the "@" behind it. */
void cursor_add_name(struct buf *out, const char *channel, size_t len);

#endif

/*
 * A feed is a channel as this process follows it: subscribed once, whatever the
 * number of those who want it, with the tail of its history in memory. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_FEED_H
#define HALLEY_FEED_H

#include <stdbool.h>
#include <stddef.h>

#include "core/config/config.h"
#include "core/data/cursor.h"
#include "core/data/message.h"
#include "core/follow/counts.h"
#include "core/redis/history.h"
#include "core/redis/redis.h"

struct feed;
struct feeds;

/*
 * What a follower is told of its feeds, and what it keeps with each: `room` bytes, zeroed, which
 * feed_room() gives. Any function may be NULL but `message`, `moved`, `refused` and `misled`.
 */
struct feeds_events {
    size_t room;
    void (*made)(void *ctx, struct feed *feed); /* its room may be filled */
    void (*gone)(void *ctx, struct feed *feed); /* nobody uses it; it is freed now */
    /* a message was appended to the tail; it is not shown yet */
    void (*message)(void *ctx, struct feed *feed, const struct message *message);
    /* there is more to show, or the feed is live again and may stand somewhere else */
    void (*moved)(void *ctx, struct feed *feed);
    /* Redis refuses the channel: feed_refusal() says why. Nobody is served by it for now */
    void (*refused)(void *ctx, struct feed *feed);
    /*
     * what was shown of the messages behind `from`, up to `to`, is not what history holds:
     * whoever stands behind `from` may have missed something; who stands up to `to` goes on
     * at `from`
     */
    void (*misled)(void *ctx, struct feed *feed, struct position from, struct position to);
};

struct feeds *feeds_new(struct ev_loop *loop, struct follow_counts *counts,
                        const struct config *config, const struct feeds_events *events, void *ctx);

/* Both are borrowed, and outlive the feeds. Once, before the loop runs. */
void feeds_attach(struct feeds *feeds, struct redis *subscriber, struct history *history);

/* Frees every feed; no reads may be under way (the connections are freed first). */
void feeds_free(struct feeds *feeds);

/* The owner of the connections passes on what they say. */
void feeds_up(struct feeds *feeds);
void feeds_down(struct feeds *feeds);
void feeds_ready(struct feeds *feeds);
void feeds_doubt(struct feeds *feeds); /* messages may have passed unheard: all are read again */
void feeds_subscribed(struct feeds *feeds, const char *channel, size_t len, bool on);
void feeds_refused(struct feeds *feeds, const char *channel, size_t len, const char *words);
void feeds_message(struct feeds *feeds, const char *channel, size_t len, const char *text,
                   size_t text_len);

/*
 * The feed of a channel, used once more: made if there was none, and subscribed unless it
 * is used by a few polls only. When there are FEEDS_MAX, the one that nobody has used for
 * longest is let go; NULL when all are in use. Give it back with feed_release().
 */
enum { FEEDS_MAX = 65536 };
struct feed *feeds_take(struct feeds *feeds, const char *channel, size_t len, bool polls);
void feed_release(struct feed *feed);

/* Whether there is a feed of the channel. */
bool feeds_know(const struct feeds *feeds, const char *channel, size_t len);

/* Whether it is not followed, so that whoever uses it, a poll, asks the history. */
bool feed_bare(const struct feed *feed);

const char *feed_name(const struct feed *feed, size_t *len);

/* Whether the feed is subscribed and knows where the channel stands. */
bool feed_live(const struct feed *feed);

/*
 * Whether everything that was heard of a live feed is explained. Where it is not, something
 * may be acknowledged that the feed does not know yet.
 */
bool feed_sure(const struct feed *feed);

/* What Redis said when it refused to subscribe to, or to read, the channel; NULL: it did not. */
const char *feed_refusal(const struct feed *feed);

/* A read that began after it stood at its place found the channel behind that: it looks itself. */
void feed_doubt(struct feed *feed);

/* Where the channel stands, as far as this process knows. Only of a live feed. */
struct position feed_position(const struct feed *feed);

/*
 * Up to where those who wait are shown messages: its position, or somewhat before it while
 * messages are gathered (gather.h).
 */
struct position feed_shown(const struct feed *feed);

/*
 * Counts how often the feed lost its place (a gap, or too much to catch up
 * with). What Redis said of a position ahead of the feed holds until it changes.
 */
unsigned feed_resets(const struct feed *feed);

/*
 * The index in the tail of the first message after `position`; feed_count() if
 * there is none; -1 if memory cannot tell, so that the history must be asked.
 */
long feed_after(const struct feed *feed, struct position position);
long feed_count(const struct feed *feed);
struct message *feed_at(const struct feed *feed, long index);

/* What its follower keeps with the feed (feeds_events.room). */
void *feed_room(struct feed *feed);

/* Calls `each` with every feed there is; it must not make or release any. */
void feeds_each(struct feeds *feeds, void (*each)(void *ctx, struct feed *feed), void *ctx);

/* No two feeds of a process have the same. */
uint64_t feed_serial(const struct feed *feed);

#endif

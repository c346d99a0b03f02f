/*
 * Tails stand in a ring, in the order in which they were added to last. A tail is only ever
 * added to, shortened and emptied here, so that their sum is known.
 */
#include "core/follow/memory.h"

#include "core/base/log.h"

/* What a message costs beside its payload: its struct, its channel's name, its place. */
enum { BESIDE = sizeof(struct message) + 64 };

static size_t weight(const struct tail *tail) {
    return tail->bytes + tail->count * BESIDE;
}

/* Counts what has become of a tail that weighed `before`. */
static void count(struct feed *feed, size_t before) {
    struct follow_counts *counts = feed->feeds->counts;

    counts->tail_bytes += weight(&feed->tail);
    counts->tail_bytes -= before;
    if (feed->tail.count == 0)
        ring_remove(&feed->kept);
}

static bool is_full(const struct feeds *feeds) {
    uint64_t most = (uint64_t)feeds->config->tail_memory;
    return most > 0 && feeds->counts->tail_bytes > most;
}

static void say_short(struct feeds *feeds) {
    unsigned long quiet;

    if (log_allowed(&feeds->shorts, ev_now(feeds->loop), &quiet))
        log_warning("tails.full",
                    "tail_memory=%d: the oldest messages are read of Redis again not_logged=%lu",
                    feeds->config->tail_memory, quiet);
}

/* Makes room in the tail that was added to least lately; the feed's own keeps its last message. */
static bool shorten(struct feeds *feeds, const struct feed *own) {
    struct feed *feed = RING_OF(feeds->kept.next, struct feed, kept);
    size_t before = weight(&feed->tail);

    if (feed == own && feed->tail.count == 1)
        return false;
    tail_shorten(&feed->tail);
    count(feed, before);
    feeds->counts->tails_forgot++;
    say_short(feeds);
    return true;
}

void memory_append(struct feed *feed, struct message *message) {
    struct feeds *feeds = feed->feeds;
    size_t before = weight(&feed->tail);

    tail_add(&feed->tail, message, (size_t)feeds->config->tail);
    count(feed, before);
    ring_remove(&feed->kept);
    ring_add(&feeds->kept, &feed->kept);
    while (is_full(feeds) && shorten(feeds, feed))
        ;
}

void memory_reset(struct feed *feed, struct position base) {
    size_t before = weight(&feed->tail);

    tail_reset(&feed->tail, base);
    count(feed, before);
}

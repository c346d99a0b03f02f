/*
 * Whoever has been unused for longest stands first; the spent are freed by a timer that is
 * due when the loop comes round, because whoever used a feed last may be on the stack.
 */
#include "core/follow/unused.h"

void unused_rest(struct feed *feed) {
    feed->idle_since = ev_now(feed->feeds->loop);
    ring_remove(&feed->unused);
    ring_add(&feed->feeds->unused, &feed->unused);
}

void unused_spend(struct feed *feed) {
    struct feeds *feeds = feed->feeds;

    ring_remove(&feed->unused);
    ring_add(&feeds->spent, &feed->unused);
    if (!ev_is_active(&feeds->tidy))
        ev_timer_start(feeds->loop, &feeds->tidy);
}

struct feed *unused_longest(struct feeds *feeds) {
    return ring_empty(&feeds->unused) ? NULL : RING_OF(feeds->unused.next, struct feed, unused);
}

/*
 * Of two messages of one id, one is forged, and it may be the one that was passed on. Here
 * the messages that a feed remembers are compared with those that history holds. Nothing
 * is changed. Belongs to the loop's thread.
 */
#include "core/follow/verify.h"

#include <string.h>

bool verify_same(const struct message *a, const struct message *b) {
    return a->at == b->at && a->payload_len == b->payload_len &&
           memcmp(a->payload, b->payload, a->payload_len) == 0;
}

const struct message *verify_told(const struct feed *feed, struct position id) {
    const struct message *told = suspects_find(&feed->suspects, id);
    return told != NULL ? told : tail_find(&feed->tail, id);
}

bool verify_too_far(const struct feed *feed, const struct history_page *page) {
    return feed->known && page->tail.epoch == feed->position.epoch &&
           page->tail.n < feed->position.n;
}

static bool begins_with(const struct history_page *page, struct position id) {
    return page->count > 0 && position_compare(page->messages[0]->id, id) == 0;
}

/* Whether what was passed on, if anything was, is the message that history holds. */
static bool agrees(const struct message *told, const struct message *held) {
    return told == NULL || (position_compare(told->id, held->id) == 0 && verify_same(told, held));
}

struct position verify_page(const struct feed *feed, const struct history_page *page) {
    struct position good = position_before(feed->suspects.list[0]->id);
    bool held_no_more = !feed->suspects.rival && !begins_with(page, feed->suspects.list[0]->id);

    if (held_no_more) /* nothing speaks against it */
        good = page->count > 0 ? position_before(page->messages[0]->id) : feed->position;
    for (size_t i = 0; i < page->count; i++) {
        const struct message *held = page->messages[i];
        bool first = i == 0 && !held_no_more;
        if (!agrees(first ? feed->suspects.list[0] : verify_told(feed, held->id), held) ||
            !agrees(verify_told(feed, (struct position){good.epoch, good.n + 1}), held))
            return good;
        good = held->id;
    }
    bool lacks = verify_told(feed, (struct position){good.epoch, good.n + 1}) != NULL;
    if (verify_too_far(feed, page))
        return page->count > 0 ? good : page->tail;
    return page->count == 0 || (lacks && !page->more) ? good : feed->position;
}

/*
 * Hearing. A live message that follows the one before is appended to the tail; one that was
 * passed on already is dropped, and compared; any other is a doubt, which mend.c settles. While
 * a feed is being read messages are kept aside, as many as there is room for. Belongs to the
 * loop's thread.
 */
#include "core/follow/hear.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/follow/memory.h"
#include "core/follow/verify.h"

enum { ASIDE_MAX = 256 }; /* messages kept aside while a feed is being read */

void hear_show(struct feed *feed) {
    feed->shown = feed->position;
    feed->feeds->events->moved(feed->feeds->ctx, feed);
}

void hear_append(struct feed *feed, struct message *message) {
    memory_append(feed, message);
    feed->position = message->id;
    feed->feeds->events->message(feed->feeds->ctx, feed, message);
    if (gather_note(&feed->gather))
        hear_show(feed);
}

void hear_forget_aside(struct feed *feed) {
    for (size_t i = 0; i < feed->aside_count; i++)
        message_unref(feed->aside[i]);
    feed->aside_count = 0;
    free(feed->aside);
    feed->aside = NULL;
    feed->aside_lost = false;
}

/* Keeps a message aside. The oldest gives way: the read most likely brings that one. */
static void aside_add(struct feed *feed, struct message *message) {
    if (feed->aside == NULL)
        feed->aside = mem_new(ASIDE_MAX * sizeof *feed->aside);
    if (feed->aside_count == ASIDE_MAX) {
        feed->aside_lost = true;
        message_unref(feed->aside[0]);
        feed->aside_count--;
        memmove(feed->aside, feed->aside + 1, feed->aside_count * sizeof *feed->aside);
    }
    feed->aside[feed->aside_count++] = message_ref(message);
}

/* All that was passed on, as far as memory goes. False: that is nothing. */
bool hear_suspect_tail(struct feed *feed) {
    if (feed->tail.count > 0)
        suspects_add(&feed->suspects, tail_at(&feed->tail, 0));
    return feed->tail.count > 0;
}

/* Whether a message was passed on already, as far as one can tell. */
static bool is_known(struct feed *feed, const struct message *message) {
    struct position at = feed->position, id = message->id;
    struct message *told = tail_find(&feed->tail, id);

    if (told != NULL && !verify_same(told, message)) {
        suspects_add(&feed->suspects, told);
        feed->suspects.rival = true;
    }
    return id.epoch == at.epoch && id.n <= at.n;
}

/* Of a message that is passed on, another may be among the doubts. */
static void compare_doubts(struct feed *feed, struct message *message) {
    bool rival = doubts_has(&feed->doubts, message->id);

    if (rival || doubts_overflowed(&feed->doubts))
        suspects_add(&feed->suspects, message);
    feed->suspects.rival = feed->suspects.rival || rival;
}

/* Takes a message of a live feed: the next one, one already known, or a doubt. */
static void take(struct feed *feed, struct message *message) {
    struct position at = feed->position, id = message->id;

    if (id.epoch == at.epoch && id.n == at.n + 1) {
        if (doubts_any(&feed->doubts))
            compare_doubts(feed, message);
        hear_append(feed, message);
    } else if (!is_known(feed, message))
        doubts_add(&feed->doubts, id);
}

void hear_take_aside(struct feed *feed) {
    struct message **aside = feed->aside;
    size_t count = feed->aside_count;
    bool lost = feed->aside_lost;

    if (lost)
        doubts_add_forgotten(&feed->doubts);
    feed->aside = NULL;
    feed->aside_count = 0;
    feed->aside_lost = false;
    for (size_t i = 0; i < count; i++) {
        take(feed, aside[i]);
        message_unref(aside[i]);
    }
    free(aside);
    if (lost)
        hear_suspect_tail(feed);
}

/* The read that begins now comes after all that was heard, and explains that too. */
void hear_doubt_aside(struct feed *feed) {
    for (size_t i = 0; i < feed->aside_count; i++) {
        struct message *message = feed->aside[i];
        if (!feed->known || !is_known(feed, message))
            doubts_add(&feed->doubts, message->id);
    }
    if (feed->aside_lost) {
        doubts_add_forgotten(&feed->doubts);
        hear_suspect_tail(feed); /* what was lost may have been another message of one of its ids */
    }
    hear_forget_aside(feed);
}

/* A number was given, and no message has it: the history says so, if it is asked from now on. */
static void hear_number(struct feed *feed, struct position id) {
    struct message *told = tail_find(&feed->tail, id);

    if (told != NULL) {
        suspects_add(&feed->suspects, told);
        feed->suspects.rival = true;
    }
    if (feed->state != FEED_LIVE)
        feed->aside_lost = true;
    else if (told == NULL)
        doubts_add(&feed->doubts, id);
}

void hear_live(struct feed *feed, const struct page_live *live) {
    if (live->payload == NULL) {
        hear_number(feed, live->id);
    } else {
        struct message *message = message_new(feed->name, feed->len, live->id, live->at,
                                              live->payload, live->payload_len);
        if (feed->state == FEED_LIVE)
            take(feed, message);
        else
            aside_add(feed, message);
        message_unref(message);
    }
}

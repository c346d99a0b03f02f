/*
 * Mending. A live message that follows the one before is passed on at once. Any other is a
 * doubt, and a read of the history settles it: the read begins after the message was heard,
 * and history is written before it is announced. So either the read brings the message, or
 * explains why it did not follow; or there is no such message, and it is dropped (somebody
 * else published into our name: another database of the same Redis, say).
 *
 * A read that brings everything, without a gap, is appended like live messages. Otherwise
 * the tail is emptied, the feed goes on at the end of the channel, and `resets` counts up:
 * every subscriber then stands somewhere that memory knows nothing about, and its owner reads
 * the history for it, which tells a gap exactly.
 *
 * A read that refuted a doubt, or brought nothing, is followed by a pause, which doubles. In
 * it the feed stays live: what follows is passed on, what does not waits for the next read.
 *
 * Two messages of one id: one of them is forged, and it may be the one that was passed on.
 * The feed then reads from before that id. Where history does not hold what was told, those
 * who were told it are led back (`misled`), and told of a gap.
 */
#include "core/follow/mend.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"
#include "core/follow/hear.h"
#include "core/follow/memory.h"
#include "core/follow/verify.h"

/* Seconds between reads for doubts, and between attempts where Redis refuses. */
#define DOUBT_FIRST   0.02
#define DOUBT_MOST    0.25
#define REFUSED_FIRST 0.1
#define REFUSED_MOST  2.0

struct mend_call {
    struct feed *feed;
    unsigned attempt;
    bool from_told; /* begins before the message that may be forged */
};

static double now_of(const struct feed *feed) {
    return ev_now(feed->feeds->loop);
}

/* ------------------------------------------------------------------------ states */

void mend_set_state(struct feed *feed, enum feed_state state) {
    struct follow_counts *counts = feed->feeds->counts;
    bool was_on = feed->state != FEED_OFF, is_on = state != FEED_OFF;

    feed->state = state;
    counts->channels += (uint64_t)is_on - (uint64_t)was_on;
    if (state != FEED_LIVE)
        ring_remove(&feed->due);
    if (state == FEED_OFF || state == FEED_LEAVING) {
        hear_forget_aside(feed);
        doubts_clear(&feed->doubts); /* what follows is read from its place on */
    }
}

void mend_forget(struct feed *feed) {
    mend_set_state(feed, FEED_OFF);
    suspects_clear(&feed->suspects);
    free(feed->refusal);
    feed->refusal = NULL;
    memory_reset(feed, feed->position);
}

void mend_refuse(struct feed *feed, const char *words) {
    unsigned long quiet;

    if (log_allowed(&feed->feeds->refusals, now_of(feed), &quiet))
        log_error("channel.refused", "channel=\"%.*s\" why=\"%s\" not_logged=%lu", (int)feed->len,
                  feed->name, words, quiet);
    free(feed->refusal);
    feed->refusal = mem_string(words);
    feed->feeds->counts->channels_refused++;
    pause_begin(&feed->pause, now_of(feed), REFUSED_FIRST, REFUSED_MOST);
    feed->feeds->events->refused(feed->feeds->ctx, feed);
}

static void go_live(struct feed *feed) {
    mend_set_state(feed, FEED_LIVE);
    free(feed->refusal);
    feed->refusal = NULL;
    hear_take_aside(feed);
    hear_show(feed);
    mend_settle(feed);
}

/* ------------------------------------------------------------------------- pages */

static void complain(struct feed *feed, uint64_t refuted) {
    struct feeds *feeds = feed->feeds;
    unsigned long quiet;

    feeds->counts->phantoms += refuted;
    if (refuted > 0 && log_allowed(&feeds->complaint, now_of(feed), &quiet))
        log_warning(
            "feed.phantom",
            "channel=\"%.*s\" dropped=%llu why=\"heard, but not in history\" not_logged=%lu",
            (int)feed->len, feed->name, (unsigned long long)refuted, quiet);
}

/* Drops what the read refutes, and decides how soon the next one may follow. */
static void settle_doubts(struct feed *feed, const struct history_page *page) {
    struct position from = feed->known ? feed->position : (struct position){0};
    uint64_t refuted = doubts_refuted(&feed->doubts, from, page->tail);
    bool doubtful = doubts_any(&feed->doubts) || feed->suspects.count > 0;

    complain(feed, refuted);
    doubts_clear(&feed->doubts);
    if (!doubtful || (refuted == 0 && position_compare(page->tail, from) != 0))
        pause_end(&feed->pause);
    else
        pause_begin(&feed->pause, now_of(feed), DOUBT_FIRST, DOUBT_MOST);
}

static void reset_to(struct feed *feed, struct position position) {
    if (feed->known)
        feed->resets++;
    memory_reset(feed, position);
    feed->position = position;
    feed->known = true;
}

static void append_page(struct feed *feed, const struct history_page *page) {
    for (size_t i = 0; i < page->count; i++) {
        if (position_compare(page->messages[i]->id, feed->position) > 0)
            hear_append(feed, page->messages[i]);
    }
    feed->position = page->tail;
    if (feed->tail.count == 0)
        feed->tail.base = page->tail;
}

/* The feed goes on at the end of the channel; who was told what is behind `good` is led back. */
static void lead_back(struct feed *feed, struct position good, struct position tail) {
    struct feeds *feeds = feed->feeds;
    struct position to = feed->position;

    feeds->counts->misled++;
    reset_to(feed, tail);
    feeds->events->misled(feeds->ctx, feed, good, to);
}

static void complain_forged(struct feed *feed, bool rightly) {
    struct feeds *feeds = feed->feeds;
    struct position id = feed->suspects.list[0]->id;
    unsigned long quiet;

    feeds->counts->phantoms += rightly && feed->suspects.rival;
    if ((!rightly || feed->suspects.rival) && log_allowed(&feeds->complaint, now_of(feed), &quiet))
        log_warning("feed.forged", "channel=\"%.*s\" id=%llu-%llu told=%s not_logged=%lu",
                    (int)feed->len, feed->name, (unsigned long long)id.epoch,
                    (unsigned long long)id.n, rightly ? "rightly" : "wrongly", quiet);
}

/* What was passed on behind the end of a page is looked for with the next. */
static void suspect_behind(struct feed *feed, struct position end) {
    struct message *told = tail_find(&feed->tail, (struct position){end.epoch, end.n + 1});

    suspects_clear_to(&feed->suspects, end);
    if (told != NULL)
        suspects_add(&feed->suspects, told);
}

/* A page that begins before the suspected messages. False: what was passed on was forged. */
static bool clear_suspects(struct feed *feed, const struct history_page *page) {
    struct position good = verify_page(feed, page);
    bool rightly = position_compare(good, feed->position) == 0;

    complain_forged(feed, rightly);
    if (rightly && page->more) {
        suspect_behind(feed, page->messages[page->count - 1]->id);
        return true;
    }
    suspects_clear(&feed->suspects);
    if (!rightly)
        lead_back(feed, good, page->tail);
    return rightly;
}

/* A page that begins where the feed stands. True: it is read again, from further back. */
static bool take_end(struct feed *feed, const struct history_page *page) {
    if (feed->known && !page->gap && !page->more)
        append_page(feed, page);
    else if (!verify_too_far(feed, page))
        reset_to(feed, page->tail);
    else if (hear_suspect_tail(feed))
        return true;
    else
        lead_back(feed, page->tail, page->tail);
    return false;
}

/* Does what a page says. True: it is to be read again, from where the feed is now. */
static bool apply(struct feed *feed, const struct history_page *page, bool from_told) {
    if (!from_told)
        return take_end(feed, page);
    if (clear_suspects(feed, page)) {
        if (page->gap || page->more)
            return true; /* what it lacks behind its place, this page does not say */
        append_page(feed, page);
    }
    return false;
}

static void take_page(struct feed *feed, const struct history_page *page, bool from_told) {
    bool lost = feed->aside_lost && feed->tail.count > 0;
    struct message *first = lost ? message_ref(tail_at(&feed->tail, 0)) : NULL;

    settle_doubts(feed, page);
    bool again = apply(feed, page, from_told);
    if (first != NULL)
        suspects_add(&feed->suspects,
                     first); /* what was lost may have been another message of a known id */
    message_unref(first);
    if (again)
        mend_read(feed);
    else
        go_live(feed);
}

static void on_page(void *ctx, const struct history_page *page) {
    struct mend_call *call = ctx;
    struct feed *feed = call->feed;
    bool counts = call->attempt == feed->attempt && feed->state == FEED_SYNCING;
    bool from_told = call->from_told;

    feed->reads--;
    free(call);
    if (!counts)
        return;
    if (page->err == ERR_OK) {
        take_page(feed, page, from_told);
        return;
    }
    mend_set_state(feed, FEED_SUBSCRIBED); /* read again when the history is ready */
    if (page->err == ERR_REFUSED)
        mend_refuse(feed, page->why);
}

void mend_read(struct feed *feed) {
    char since[POSITION_TEXT] = "now";
    struct feeds *feeds = feed->feeds;

    hear_doubt_aside(feed);
    if (feed->known) {
        position_format(feed->suspects.count > 0 ? position_before(feed->suspects.list[0]->id)
                                                 : feed->position,
                        since);
        feeds->counts->resyncs++;
    }
    struct mend_call *call = mem_new(sizeof *call);
    *call = (struct mend_call){
        .feed = feed, .attempt = ++feed->attempt, .from_told = feed->suspects.count > 0};
    feeds->counts->reads++;
    mend_set_state(feed, FEED_SUBSCRIBED);
    if (history_read(feeds->history, feed->name, feed->len, since, (unsigned)feeds->config->tail,
                     HISTORY_PAGE, 0, on_page, call) != ERR_OK) {
        free(call);
        return;
    }
    feed->reads++;
    mend_set_state(feed, FEED_SYNCING);
}

/* ------------------------------------------------------------------------- doubts */

void mend_settle(struct feed *feed) {
    struct feeds *feeds = feed->feeds;

    if (feed->state != FEED_LIVE || feed->users == 0 || ring_linked(&feed->due) ||
        (!doubts_any(&feed->doubts) && feed->suspects.count == 0))
        return; /* where nobody looks there is no hurry: whoever comes settles them */
    if (pause_over(&feed->pause, now_of(feed))) {
        mend_read(feed);
        return;
    }
    ring_add(&feeds->due, &feed->due);
    if (!ev_is_active(&feeds->look))
        ev_timer_again(feeds->loop, &feeds->look);
}

void mend_look(struct feeds *feeds) {
    struct ring *at, *next;

    for (at = feeds->due.next; at != &feeds->due; at = next) {
        struct feed *feed = RING_OF(at, struct feed, due);
        next = at->next;
        if (feed->users > 0 && !pause_over(&feed->pause, now_of(feed)))
            continue;
        ring_remove(&feed->due);
        mend_settle(feed);
    }
    if (ring_empty(&feeds->due))
        ev_timer_stop(feeds->loop, &feeds->look);
}

void mend_doubt(struct feed *feed) {
    doubts_add_forgotten(&feed->doubts);
    mend_settle(feed);
}

void mend_hear(struct feed *feed, const struct page_live *live) {
    hear_live(feed, live);
    mend_settle(feed);
}

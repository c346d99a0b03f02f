/*
 * What a waiter is owed. For each channel there is at most one source: a page
 * that was read from the history, or the tail of a live feed. Messages of all
 * channels are merged by time, each channel in the order of its ids. What the
 * limit leaves over is simply not taken: the waiter stands before it, and finds
 * it again the next time.
 *
 * Where there are many channels, none of them brings a long message before it is known
 * which one is due: long ones are only named at first, and the one that comes first of all
 * is read by itself. So a waiter holds LONGEST bytes of each channel, and one whole message.
 */
#include "fcgi-app/hub/waiter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/collections.h"
#include "core/base/mem.h"

enum { LONGEST = 256 * 1024 }; /* bytes of a message that is read with those of other channels */

/* --------------------------------------------------------------------- resolving */

void sub_forget_read(struct sub *sub) {
    if (sub->read == NULL)
        return;
    ring_remove(&sub->read->ring);
    fetch_release(sub->read->fetch);
    free(sub->read);
    sub->read = NULL;
}

static void ask(struct sub *sub, struct fetches *fetches, size_t bytes, size_t longest) {
    const struct waiter *waiter = sub_waiter(sub);
    const struct since since = sub_since(sub);

    sub->read = mem_new(sizeof *sub->read);
    sub->read->sub = sub;
    sub->read->fetch =
        fetch_take(fetches, sub->feed, &since, waiter->limit, bytes / waiter->sub_count, longest);
    ring_add(&sub->read->fetch->waiting, &sub->read->ring);
}

/* Whether memory can serve a position: at the end, in the tail, or known to be ahead. */
static bool in_memory(const struct sub *sub) {
    struct position end = feed_position(sub->feed);
    if (sub->confirmed == feed_resets(sub->feed) && position_compare(sub->at, end) > 0)
        return true;
    return feed_after(sub->feed, sub->at) >= 0;
}

/* Whether memory is good enough: not for a poll where something that was heard is unexplained. */
static bool may_remember(const struct sub *sub) {
    const struct waiter *waiter = sub_waiter(sub);
    return feed_sure(sub->feed) || !waiter->needs_fence || waiter->parked;
}

static bool sub_resolve(struct sub *sub, struct fetches *fetches, size_t bytes, bool now) {
    size_t longest = sub_waiter(sub)->sub_count > 1 ? LONGEST : 0;

    if (sub->read != NULL)
        return sub->read->fetch->done;
    if (feed_bare(sub->feed)) {
        ask(sub, fetches, bytes, longest);
        return false;
    }
    if (!feed_live(sub->feed))
        return sub_waiter(sub)->parked && sub->kind == SINCE_AT;
    if (sub->kind == SINCE_NOW && !now)
        return false;
    if (!may_remember(sub)) {
        ask(sub, fetches, bytes, longest);
        return false;
    }
    if (sub->kind == SINCE_NOW) {
        sub->at = feed_position(sub->feed);
        sub->kind = SINCE_AT;
        sub->confirmed = feed_resets(sub->feed);
    }
    if (sub->kind == SINCE_AT && in_memory(sub))
        return true;
    ask(sub, fetches, bytes, longest);
    return false;
}

const char *waiter_refusal(const struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++) {
        const struct sub *sub = &waiter->subs[i];
        if (!feed_live(sub->feed) && feed_refusal(sub->feed) != NULL)
            return feed_refusal(sub->feed);
        if (sub->read != NULL && sub->read->fetch->done && sub->read->fetch->page.err != ERR_OK)
            return sub->read->fetch->why;
    }
    return NULL;
}

/* -------------------------------------------------------------------- collecting */

struct position sub_end(const struct sub *sub) {
    return sub_waiter(sub)->waits ? feed_shown(sub->feed) : feed_position(sub->feed);
}

/* The messages that one channel offers, and how many of them were taken. */
struct source {
    const struct history_page *page; /* or, if NULL, the tail of ... */
    const struct feed *feed;
    long first;
    size_t count;
    size_t taken;
    bool cut; /* the page goes on behind a hole: that is another batch's */
};

/* How many messages of a page follow each other from the first one on. */
static size_t run_of(const struct history_page *page) {
    size_t run = page->count > 0;

    while (run < page->count && position_compare(position_before(page->messages[run]->id),
                                                 page->messages[run - 1]->id) == 0)
        run++;
    return run;
}

/*
 * A gap is told in front of the message behind the hole. So no batch of a stream goes across
 * one: what is in front of the first hole is a batch without a gap, what is behind it begins
 * the next. An answer that is one batch has it somewhere in between.
 */
static void take_page(struct source *source, const struct history_page *page, bool stream) {
    source->page = page;
    source->count = page->count;
    if (!page->gap || !stream)
        return;
    source->count = page->hole > 0 ? page->hole : run_of(page);
    source->cut = page->hole > 0 || source->count < page->count;
}

static struct source source_of(const struct sub *sub) {
    struct source source = {.feed = sub->feed};

    if (sub->read != NULL) {
        take_page(&source, &sub->read->fetch->page, waiter_stream(sub_waiter(sub)));
    } else if (feed_live(sub->feed)) {
        long end = feed_after(sub->feed, sub_end(sub));
        source.first = feed_after(sub->feed, sub->at);
        source.count = source.first < 0 || end < source.first ? 0 : (size_t)(end - source.first);
    }
    return source;
}

static struct message *source_at(const struct source *source, size_t index) {
    return source->page != NULL ? source->page->messages[index]
                                : feed_at(source->feed, source->first + (long)index);
}

/* Whether the channel's next message is not here: it may be older than what others offer. */
static bool ran_out(const struct source *source) {
    return source->taken == source->count && source->page != NULL && source->page->more;
}

/*
 * The channel whose next message is the oldest; `count` if none has one, or if that of a
 * channel is yet to be read.
 */
static size_t oldest(const struct source *sources, size_t count) {
    size_t best = count;
    uint64_t best_at = 0;

    for (size_t i = 0; i < count; i++) {
        if (ran_out(&sources[i]))
            return count;
        if (sources[i].taken == sources[i].count)
            continue;
        uint64_t at = source_at(&sources[i], sources[i].taken)->at;
        if (best == count || at < best_at) {
            best = i;
            best_at = at;
        }
    }
    return best;
}

static bool is_unread(const struct source *source, size_t index) {
    return source->page != NULL && source->page->unread && index + 1 == source->page->count;
}

static size_t merge(struct source *sources, size_t count, struct batch_entry *entries, size_t limit,
                    const struct portion *portion) {
    size_t used = 0, payload = 0;

    while (used < limit) {
        size_t i = oldest(sources, count);
        if (i == count || is_unread(&sources[i], sources[i].taken))
            break;
        struct message *message = source_at(&sources[i], sources[i].taken);
        if (used > 0 && payload + message->payload_len + portion->each > portion->bytes)
            break;
        payload += message->payload_len + portion->each;
        sources[i].taken++;
        entries[used++] = (struct batch_entry){.message = message, .channel = i};
    }
    return used;
}

static struct source *sources_of(const struct waiter *waiter) {
    struct source *sources = mem_new(waiter->sub_count * sizeof *sources);

    for (size_t i = 0; i < waiter->sub_count; i++)
        sources[i] = source_of(&waiter->subs[i]);
    return sources;
}

static bool any_unread(const struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++) {
        const struct sub *sub = &waiter->subs[i];
        if (sub->read != NULL && sub->read->fetch->page.unread)
            return true;
    }
    return false;
}

/* Whether the message that comes first is here; where it is only named it is asked for. */
static bool have_first(struct waiter *waiter, struct fetches *fetches, size_t bytes) {
    if (!any_unread(waiter))
        return true;
    struct source *sources = sources_of(waiter);
    size_t first = oldest(sources, waiter->sub_count);
    bool here = first == waiter->sub_count || !is_unread(&sources[first], 0);

    if (!here) {
        sub_forget_read(&waiter->subs[first]);
        ask(&waiter->subs[first], fetches, bytes, 0);
    }
    free(sources);
    return here;
}

bool waiter_resolve(struct waiter *waiter, struct fetches *fetches, size_t bytes, bool now) {
    bool all = true;
    for (size_t i = 0; i < waiter->sub_count; i++)
        all = sub_resolve(&waiter->subs[i], fetches, bytes, now) && all;
    return all && have_first(waiter, fetches, bytes);
}

/* What a sub was told wrongly it is told of once. */
static bool take_misled(struct sub *sub) {
    bool misled = sub->misled;
    sub->misled = false;
    return misled;
}

/* Moves one channel forward by what was taken of it; says whether there was a gap. */
static bool advance(struct sub *sub, const struct source *source) {
    const struct history_page *page = source->page;
    bool all = source->taken == source->count;
    bool whole = page != NULL && all && !page->more && !source->cut;

    if (whole) {
        sub->at = page->tail;
        sub->confirmed = feed_resets(sub->feed);
    } else if (source->taken > 0) {
        sub->at = source_at(source, source->taken - 1)->id;
    } else if (sub->kind != SINCE_AT) {
        sub->at = position_before(source_at(source, 0)->id);
    }
    sub->kind = SINCE_AT;
    if (!all && source->taken == 0)
        return false; /* whatever is in front of its messages is told with them */
    bool gap = page != NULL && page->gap && (source->taken > page->hole || whole);
    return take_misled(sub) || gap;
}

static void describe(const struct sub *sub, struct batch_channel *channel) {
    channel->name = feed_name(sub->feed, &channel->len);
    channel->from = channel->to = sub->at;
    channel->gap = false;
}

/* Whether the limit or the portion left something over. */
static bool left_over(const struct source *source) {
    return source->taken < source->count || ran_out(source) || source->cut;
}

struct batch *waiter_collect(struct waiter *waiter, const struct portion *portion) {
    struct source *sources = sources_of(waiter);
    struct batch_channel *channels = mem_new(waiter->sub_count * sizeof *channels);
    struct batch_entry *entries = mem_new(waiter->limit * sizeof *entries);
    struct batch *batch = NULL;
    bool gap = false, more = false;

    size_t used = merge(sources, waiter->sub_count, entries, waiter->limit, portion);
    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        bool first_time = sub->kind != SINCE_AT;
        describe(sub, &channels[i]);
        channels[i].gap = advance(sub, &sources[i]);
        channels[i].to = sub->at;
        if (first_time)
            channels[i].from =
                sources[i].count > 0 ? position_before(source_at(&sources[i], 0)->id) : sub->at;
        gap = gap || channels[i].gap;
        more = more || left_over(&sources[i]);
    }
    if (used > 0 || gap)
        batch = batch_new(channels, waiter->sub_count, entries, used, portion->poll_after);
    if (batch != NULL && more)
        batch_set_more(batch);
    for (size_t i = 0; i < waiter->sub_count; i++)
        sub_forget_read(&waiter->subs[i]);
    free(entries);
    free(channels);
    free(sources);
    return batch;
}

struct batch *waiter_empty(const struct waiter *waiter, unsigned poll_after) {
    struct batch_channel *channels = mem_new(waiter->sub_count * sizeof *channels);
    for (size_t i = 0; i < waiter->sub_count; i++)
        describe(&waiter->subs[i], &channels[i]);
    struct batch *batch = batch_new(channels, waiter->sub_count, NULL, 0, poll_after);
    free(channels);
    return batch;
}

size_t waiter_cursor_bytes(const struct waiter *waiter) {
    size_t bytes = 0, len;

    for (size_t i = 0; i < waiter->sub_count; i++) {
        (void)feed_name(waiter->subs[i].feed, &len);
        bytes += len + sizeof ",@1795219200000-1000000";
    }
    return bytes;
}

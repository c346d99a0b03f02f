/*
 * A waiter is owed what its place decides: its positions, its limit, and where
 * the feeds and reads stand. All of that is the key; waiters with the same key
 * get the same batch and the same new positions. So what is kept never becomes
 * wrong, only useless, and is replaced by what is newer.
 *
 * A broadcast asks for the same key thousands of times in a row: the one that was
 * used last is looked at first, and nothing is allocated.
 */
#include "fcgi-app/hub/memo.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/mem.h"

static void forget(struct memo *memo) {
    batch_unref(memo->batch);
    batch_unref(memo->empty);
    buf_free(&memo->key);
    free(memo->places);
    *memo = (struct memo){.key = buf_make(SIZE_MAX / 2)};
}

struct memo_table memo_make(void) {
    struct memo_table table = {.key = buf_make(SIZE_MAX / 2)};
    for (size_t i = 0; i < MEMO_SLOTS; i++)
        table.memo[i].key = buf_make(SIZE_MAX / 2);
    return table;
}

void memo_clear(struct memo_table *table) {
    for (size_t i = 0; i < MEMO_SLOTS; i++)
        forget(&table->memo[i]);
    table->last = NULL;
    buf_free(&table->key);
}

/* Everything that decides what a waiter is owed, as a row of words. */
static void memo_key(const struct waiter *waiter, const struct portion *portion, struct buf *key) {
    size_t words = 5 + 10 * (size_t)waiter->sub_count;

    buf_clear(key);
    uint64_t *at = (uint64_t *)(void *)buf_reserve(key, words * sizeof *at);
    *at++ = (uint64_t)waiter->limit << 1 | waiter_stream(waiter);
    *at++ = portion->poll_after;
    *at++ = portion->bytes;
    *at++ = portion->each;
    *at++ = waiter->parked;
    for (size_t i = 0; i < waiter->sub_count; i++) {
        const struct sub *sub = &waiter->subs[i];
        struct position end = sub_end(sub);
        *at++ = feed_serial(sub->feed);
        *at++ = feed_live(sub->feed);
        *at++ = (uint64_t)sub->last << 3 | (uint64_t)sub->misled << 2 | sub->kind;
        *at++ = sub->confirmed;
        *at++ = sub->at.epoch;
        *at++ = sub->at.n;
        *at++ = end.epoch;
        *at++ = end.n;
        *at++ = feed_resets(sub->feed);
        *at++ = sub->read != NULL ? sub->read->fetch->serial : 0;
    }
    key->len = words * sizeof *at;
}

static bool has_key(const struct memo *memo, const struct buf *key) {
    return memo->places != NULL && memo->key.len == key->len &&
           memcmp(memo->key.data, key->data, key->len) == 0;
}

/* Moves a waiter to where the first one at its place got to. */
static void apply(const struct memo *memo, struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub->at = memo->places[i].at;
        sub->confirmed = memo->places[i].confirmed;
        sub->kind = SINCE_AT;
        sub->misled = false;
        sub_forget_read(sub);
    }
}

struct memo *memo_find(struct memo_table *table, struct waiter *waiter,
                       const struct portion *portion) {
    struct memo *found = NULL;

    memo_key(waiter, portion, &table->key);
    if (table->last != NULL && has_key(table->last, &table->key))
        found = table->last;
    for (size_t i = 0; i < MEMO_SLOTS && found == NULL; i++) {
        if (has_key(&table->memo[i], &table->key))
            found = &table->memo[i];
    }
    if (found == NULL)
        return NULL;
    table->last = found;
    apply(found, waiter);
    return found;
}

static bool has_everything(const struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++) {
        const struct sub *sub = &waiter->subs[i];
        if (!feed_live(sub->feed) || position_compare(sub->at, sub_end(sub)) != 0)
            return false;
    }
    return true;
}

/*
 * Whether a channel has moved on, as it was heard, since it was read for this waiter: the page is
 * older than what the feed knows, and whoever would wait behind it would not be told of that.
 */
static bool overtaken(const struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++) {
        const struct sub *sub = &waiter->subs[i];
        if (sub->read != NULL && feed_live(sub->feed) &&
            position_compare(sub->read->fetch->stood, feed_position(sub->feed)) != 0)
            return true;
    }
    return false;
}

struct memo *memo_collect(struct memo_table *table, struct waiter *waiter,
                          const struct portion *portion) {
    struct memo *memo = &table->memo[table->next];

    table->next = (table->next + 1) % MEMO_SLOTS;
    forget(memo);
    memo_key(waiter, portion, &memo->key);
    bool again = overtaken(waiter);
    memo->batch = waiter_collect(waiter, portion);
    memo->again = again && memo->batch == NULL;
    memo->places = mem_new((waiter->sub_count + 1U) * sizeof *memo->places);
    for (size_t i = 0; i < waiter->sub_count; i++)
        memo->places[i] = (struct memo_place){waiter->subs[i].at, waiter->subs[i].confirmed};
    memo->whole = has_everything(waiter);
    table->last = memo;
    return memo;
}

struct batch *memo_empty(struct memo *memo, const struct waiter *waiter, unsigned poll_after) {
    if (memo->empty == NULL)
        memo->empty = waiter_empty(waiter, poll_after);
    return memo->empty;
}

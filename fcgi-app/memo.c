/*
 * A waiter is owed what its place decides: its positions, its limit, and where
 * the feeds and reads stand. All of that is the key; waiters with the same key
 * get the same batch and the same new positions.
 */
#include "fcgi-app/memo.h"

#include <stdlib.h>
#include <string.h>

#include "core/collections.h"
#include "core/mem.h"

void memo_clear(struct memo_table *table) {
    for (size_t i = 0; i < table->used; i++) {
        batch_unref(table->memo[i].batch);
        buf_free(&table->memo[i].key);
        free(table->memo[i].places);
    }
    table->used = 0;
}

/* Everything that decides what a resolved waiter is owed. */
static void memo_key(const struct waiter *waiter, size_t bytes, struct buf *key) {
    const uint64_t head[] = {waiter->limit, waiter->retry, bytes};

    buf_add(key, head, sizeof head);
    for (size_t i = 0; i < waiter->sub_count; i++) {
        const struct sub *sub = &waiter->subs[i];
        struct position end = feed_position(sub->feed);
        const uint64_t place[] = {(uintptr_t)sub->feed,
                                  sub->kind,
                                  sub->last,
                                  sub->confirmed,
                                  sub->at.epoch,
                                  sub->at.n,
                                  end.epoch,
                                  end.n,
                                  feed_resets(sub->feed),
                                  sub->fetch != NULL ? sub->fetch->serial : 0};
        buf_add(key, place, sizeof place);
    }
}

static uint64_t memo_hash(const struct buf *key) {
    uint64_t hash;
    HASH_JEN(key->data, key->len, hash);
    return hash;
}

static struct memo *memo_find(struct memo_table *table, uint64_t hash, const struct buf *key) {
    for (size_t i = 0; i < table->used; i++) {
        struct memo *memo = &table->memo[i];
        if (memo->hash == hash && memo->key.len == key->len &&
            memcmp(memo->key.data, key->data, key->len) == 0)
            return memo;
    }
    return NULL;
}

static void memo_store(struct memo_table *table, uint64_t hash, struct buf *key,
                       const struct waiter *waiter, struct batch *batch) {
    if (table->used == MEMO_SLOTS)
        memo_clear(table);
    struct memo *memo = &table->memo[table->used++];
    *memo = (struct memo){.hash = hash, .key = *key, .batch = batch ? batch_ref(batch) : NULL};
    memo->places = mem_new(waiter->sub_count * sizeof *memo->places);
    for (size_t i = 0; i < waiter->sub_count; i++)
        memo->places[i] = (struct memo_place){waiter->subs[i].at, waiter->subs[i].confirmed};
    *key = buf_make(SIZE_MAX / 2);
}

/* Moves a waiter to where the first one at its place got to. */
static struct batch *memo_apply(const struct memo *memo, struct waiter *waiter) {
    for (size_t i = 0; i < waiter->sub_count; i++) {
        struct sub *sub = &waiter->subs[i];
        sub->at = memo->places[i].at;
        sub->confirmed = memo->places[i].confirmed;
        sub->kind = SUB_AT;
        sub_forget_fetch(sub);
    }
    return memo->batch ? batch_ref(memo->batch) : NULL;
}

struct batch *memo_collect(struct memo_table *table, struct waiter *waiter, size_t bytes) {
    struct buf key = buf_make(SIZE_MAX / 2);

    memo_key(waiter, bytes, &key);
    uint64_t hash = memo_hash(&key);
    const struct memo *memo = memo_find(table, hash, &key);
    struct batch *batch = memo != NULL ? memo_apply(memo, waiter) : waiter_collect(waiter, bytes);
    if (memo == NULL)
        memo_store(table, hash, &key, waiter, batch);
    buf_free(&key);
    return batch;
}

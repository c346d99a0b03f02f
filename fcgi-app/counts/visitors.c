/*
 * Two tables without a lock.
 *
 * Held requests: a visitor's rows stand anywhere in a window behind a place that his number says,
 * which is read whole, so that a row that is given back leaves no hole. A row is taken by its
 * line, and only then says whose visitor it counts; it is empty before it is given back. So what is
 * read of it is that of its owner, or nothing.
 *
 * Rates: a moment for each visitor, up to which what he may do is used up (GCRA). Once that has
 * passed the row says nothing, and is another's: it needs not be emptied. One whose moment has not
 * passed loses it only where his whole bucket is of such, and it is given up before its owner
 * changes: so a mistake, if two processes meet there, is that somebody may do more.
 */
#include "fcgi-app/counts/visitors.h"

#include <string.h>

#include "core/base/buf.h"
#include "core/base/crypto.h"

enum { TRIES = 100, NAME = 65536 /* bytes; a token is smaller */ };

#define READ(field) atomic_load_explicit(&(field), memory_order_relaxed)

uint64_t visitors_number(const char *kind, const char *name) {
    unsigned char digest[CRYPTO_SHA256];
    struct buf text = buf_make(NAME);
    uint64_t number;

    buf_add(&text, kind, strlen(kind) + 1);
    buf_text(&text, name);
    crypto_sha256(text.data, text.len, digest);
    buf_free(&text);
    memcpy(&number, digest, sizeof number);
    return number != 0 ? number : 1;
}

/* ------------------------------------------------------------------- held requests */

static size_t place(uint64_t visitor, size_t in_window) {
    return (visitor + in_window) % VISITORS_HOLDINGS;
}

int visitors_take(struct visitors *visitors, size_t line, uint64_t visitor) {
    for (size_t i = 0; i < VISITORS_WINDOW; i++) {
        struct visitors_holding *row = &visitors->holdings[place(visitor, i)];
        uint32_t nobody = 0;
        if (READ(row->line) != nobody ||
            !atomic_compare_exchange_strong(&row->line, &nobody, (uint32_t)line + 1))
            continue;
        atomic_store(&row->visitor, visitor);
        return (int)place(visitor, i);
    }
    return VISITORS_NO_ROW;
}

void visitors_set(struct visitors *visitors, int row, uint32_t held) {
    atomic_store(&visitors->holdings[row].held, held);
}

void visitors_give(struct visitors *visitors, int row) {
    atomic_store(&visitors->holdings[row].held, 0);
    atomic_store(&visitors->holdings[row].line, 0);
}

uint64_t visitors_held(const struct visitors *visitors, uint64_t visitor) {
    uint64_t sum = 0;

    for (size_t i = 0; i < VISITORS_WINDOW; i++) {
        const struct visitors_holding *row = &visitors->holdings[place(visitor, i)];
        if (READ(row->visitor) != visitor)
            continue;
        uint32_t held = atomic_load(&row->held);
        if (atomic_load(&row->visitor) == visitor) /* it might have changed hands */
            sum += held;
    }
    return sum;
}

void visitors_bury(struct visitors *visitors, size_t line) {
    for (int i = 0; i < VISITORS_HOLDINGS; i++) {
        if (READ(visitors->holdings[i].line) == line + 1)
            visitors_give(visitors, i);
    }
}

/* --------------------------------------------------------------------------- rates */

static struct visitors_use *find(struct visitors_use *bucket, uint64_t visitor) {
    for (size_t i = 0; i < VISITORS_BUCKET; i++) {
        if (READ(bucket[i].visitor) == visitor)
            return &bucket[i];
    }
    return NULL;
}

static struct visitors_use *least_used(struct visitors_use *bucket) {
    struct visitors_use *least = bucket;

    for (size_t i = 1; i < VISITORS_BUCKET; i++) {
        if (READ(bucket[i].until) < READ(least->until))
            least = &bucket[i];
    }
    return least;
}

/* Makes a row the visitor's. False: another process was quicker. */
static bool take_over(struct visitors_use *row, uint64_t visitor, int64_t now, bool *crowded) {
    uint64_t owner = atomic_load(&row->visitor);
    int64_t until = atomic_load(&row->until);

    if (until > now && !atomic_compare_exchange_strong(&row->until, &until, 0))
        return false;
    *crowded = *crowded || until > now;
    return atomic_compare_exchange_strong(&row->visitor, &owner, visitor);
}

/* The visitor's row; NULL: others are always quicker. */
static struct visitors_use *row_of(struct visitors *visitors, uint64_t visitor, int64_t now,
                                   bool *crowded) {
    struct visitors_use *bucket =
        &visitors->uses[visitor % (VISITORS_USES / VISITORS_BUCKET) * VISITORS_BUCKET];

    for (int tries = 0; tries < TRIES; tries++) {
        struct visitors_use *row = find(bucket, visitor);
        if (row != NULL)
            return row;
        row = least_used(bucket);
        if (take_over(row, visitor, now, crowded))
            return row;
    }
    *crowded = true;
    return NULL;
}

int64_t visitors_use(struct visitors *visitors, uint64_t visitor, int64_t spent, int64_t burst,
                     int64_t now, bool *crowded) {
    struct visitors_use *row = row_of(visitors, visitor, now, crowded);
    int64_t until = row != NULL ? atomic_load(&row->until) : 0;

    while (row != NULL) {
        int64_t from = until > now ? until : now;
        int64_t wait = from + (spent < burst ? spent : burst) - now - burst;
        if (wait > 0)
            return wait;
        if (atomic_compare_exchange_weak(&row->until, &until, from + spent))
            break;
    }
    return 0;
}

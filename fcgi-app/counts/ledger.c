/*
 * There are two pasts, of which one counts. A row is added to it in the other one, and then one
 * store says that this counts now, and that it has the row already (`turn`); then the row is
 * emptied, and then it is in no past any more. So who reads, and who goes on for somebody who was
 * killed, knows at each step what has been added.
 */
#include "fcgi-app/counts/ledger.h"

#include <string.h>

#define NOBODY 0

enum { READS = 100 };

/* The past that counts, the line (from 1) whose row it has while that is not emptied, a serial. */
static uint64_t turn_of(uint64_t serial, size_t line_from_1, unsigned past) {
    return serial << 16 | (uint64_t)line_from_1 << 1 | past;
}

static unsigned past_of(uint64_t turn) {
    return turn & 1;
}

static size_t added_of(uint64_t turn) {
    return turn >> 1 & 0x7fff;
}

static uint64_t get(const struct row *row, size_t at) {
    return atomic_load_explicit(&row->numbers[at], memory_order_relaxed);
}

static void set(struct row *row, size_t at, uint64_t number) {
    atomic_store_explicit(&row->numbers[at], number, memory_order_relaxed);
}

void ledger_tell(struct ledger *ledger, size_t line, const uint64_t numbers[ROW_NUMBERS]) {
    for (size_t i = 0; i < ROW_NUMBERS; i++)
        set(&ledger->rows[line], i, numbers[i]);
}

void ledger_read(const struct ledger *ledger, size_t line, uint64_t numbers[ROW_NUMBERS]) {
    for (size_t i = 0; i < ROW_NUMBERS; i++)
        numbers[i] = get(&ledger->rows[line], i);
}

void ledger_mend(struct ledger *ledger) {
    uint64_t turn = atomic_load(&ledger->turn);

    if (added_of(turn) == NOBODY)
        return;
    for (size_t i = 0; i < ROW_NUMBERS; i++)
        set(&ledger->rows[added_of(turn) - 1], i, 0);
    atomic_store(&ledger->turn, turn_of((turn >> 16) + 1, NOBODY, past_of(turn)));
}

void ledger_bury(struct ledger *ledger, size_t line, size_t growing) {
    ledger_mend(ledger);
    uint64_t turn = atomic_load(&ledger->turn);
    const struct row *past = &ledger->past[past_of(turn)];
    struct row *next = &ledger->past[!past_of(turn)];

    for (size_t i = 0; i < ROW_NUMBERS; i++)
        set(next, i, get(past, i) + (i < growing ? get(&ledger->rows[line], i) : 0));
    atomic_store(&ledger->turn, turn_of((turn >> 16) + 1, line + 1, !past_of(turn)));
    ledger_mend(ledger);
}

static void add(const struct row *row, uint64_t sum[ROW_NUMBERS]) {
    for (size_t i = 0; i < ROW_NUMBERS; i++)
        sum[i] += get(row, i);
}

void ledger_sum(const struct ledger *ledger, size_t lines,
                bool (*used)(const void *ctx, size_t line), const void *ctx,
                uint64_t sum[ROW_NUMBERS]) {
    uint64_t turn = atomic_load(&ledger->turn), before;
    int reads = 0;

    do { /* again if somebody was buried meanwhile; but not for ever */
        before = turn;
        memset(sum, 0, ROW_NUMBERS * sizeof *sum);
        add(&ledger->past[past_of(before)], sum);
        for (size_t i = 0; i < lines; i++) {
            if (i + 1 != added_of(before) && used(ctx, i))
                add(&ledger->rows[i], sum);
        }
        turn = atomic_load(&ledger->turn);
    } while (turn != before && ++reads < READS);
}

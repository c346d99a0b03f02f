/*
 * The figures of many processes in memory that they share: a row of numbers for each line of a
 * board (roster.h), and the past, which has what processes that are no more have counted. A process
 * writes its own row alone. What is added to the past counts by one store: who is killed before it
 * has added nothing, and who is killed behind it everything.
 */
#ifndef HALLEY_LEDGER_H
#define HALLEY_LEDGER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROW_NUMBERS = 384, LEDGER_LINES = 4096 };

struct row {
    _Atomic uint64_t numbers[ROW_NUMBERS];
};

/* All zeros when it is new. */
struct ledger {
    _Atomic uint64_t turn; /* ledger.c only */
    struct row past[2];
    struct row rows[LEDGER_LINES];
};

/* Writes the row of a line. */
void ledger_tell(struct ledger *ledger, size_t line, const uint64_t numbers[ROW_NUMBERS]);

/* Reads it. */
void ledger_read(const struct ledger *ledger, size_t line, uint64_t numbers[ROW_NUMBERS]);

/*
 * Adds the first `growing` numbers of a row whose process is no more to the past, and empties the
 * row. Among all processes one at a time does that.
 */
void ledger_bury(struct ledger *ledger, size_t line, size_t growing);

/* Ends what somebody who was killed has begun. Likewise; before a line is used again. */
void ledger_mend(struct ledger *ledger);

/* Adds up the past and the rows of the first `lines` lines for which `used` says so. */
void ledger_sum(const struct ledger *ledger, size_t lines,
                bool (*used)(const void *ctx, size_t line), const void *ctx,
                uint64_t sum[ROW_NUMBERS]);

#endif

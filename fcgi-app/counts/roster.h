/*
 * How many requests all processes of one configuration hold, on this machine: each process has a
 * line on a board that they share, a mapped file, and writes there what it holds itself. A line
 * belongs to whoever has a lock on it, which the kernel takes back from a process however it
 * ends: so a kill -9 leaves nothing behind that counts for long. There is no daemon, and nothing
 * waits. Belongs to the loop's thread.
 */
#ifndef HALLEY_ROSTER_H
#define HALLEY_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/err.h"
#include "fcgi-app/counts/ledger.h"
#include "fcgi-app/counts/visitors.h"

enum {
    ROSTER_LINES = LEDGER_LINES, /* processes that are counted together at most */
    ROSTER_KEY = 33,             /* of a key: 32 hexadecimal digits */
    ROSTER_PATH = 512,
    ROSTER_PROBLEM = ROSTER_PATH + 100 /* room for one line that says why not */
};

struct roster;

/* What others hold, this process not counted. */
struct roster_sum {
    uint64_t all;
    uint64_t class; /* those of the same class */
};

/* The key of what is named by these texts, each of which ends with a NUL. */
void roster_key(char key[ROSTER_KEY], const char *const *texts, size_t count);

/*
 * Takes a line of the board of `key` in the folder `dir`; `class` names the kind of process. The
 * board is made where it is not there, and removed by whoever leaves it last. ERR_SYSTEM: it cannot
 * be had, and `problem` says why. `now` is in Unix seconds, as below. The first `growing` figures
 * of a process are kept when it ends; all who join a board mean the same figures.
 */
enum err roster_join(const char *dir, const char *key, const char *class, size_t growing,
                     double now, struct roster **roster, char problem[ROSTER_PROBLEM]) MUST_CHECK;

/* Safe on NULL. */
void roster_leave(struct roster *roster);

/* How many this process holds now: a store. */
void roster_set(struct roster *roster, uint32_t held);

/*
 * Where all of them count visitors, and the line under which this process does: what it has taken
 * there is given back when it is no more. Room for them is taken of the folder when the first one
 * asks. NULL: there is none.
 */
struct visitors *roster_visitors(struct roster *roster, size_t *line);

/* A sum over what the lines say, those of processes that were killed since the last sweep too. */
struct roster_sum roster_others(const struct roster *roster);

/*
 * Clears the lines of processes that are no more. Processes do that in turn, four times a second
 * at most, as it asks the kernel for each line.
 */
void roster_sweep(struct roster *roster, double now);

/* What this process has counted so far, and what all have, those that ended too: since the board
 * was made. */
void roster_tell(struct roster *roster, const uint64_t numbers[ROW_NUMBERS]);
void roster_figures(const struct roster *roster, uint64_t sum[ROW_NUMBERS]);

/* Calls `each` with what every process that is there has counted, and its class. */
void roster_each(const struct roster *roster,
                 void (*each)(void *ctx, const char *class, const uint64_t numbers[ROW_NUMBERS]),
                 void *ctx);

/* When the board was made, in Unix seconds. */
double roster_since(const struct roster *roster);

/* Whether the board is still where others look for it: somebody may have emptied the folder. */
bool roster_stands(const struct roster *roster);

#endif

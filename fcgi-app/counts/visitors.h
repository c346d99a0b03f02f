/*
 * Visitors in memory that processes share (roster.h): how many requests each process holds for each
 * of them, and what each has used of a rate. What a process holds stands in rows of its own, under
 * its line of the board: so what it held when it was killed is known, and given back. Nothing
 * waits, and whoever is killed at whatever point leaves at most a row that its line's next owner
 * empties. All of it has a maximum; who does not fit in is not counted, and never refused for it.
 */
#ifndef HALLEY_VISITORS_H
#define HALLEY_VISITORS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    VISITORS_HOLDINGS = 65536, /* rows: one for each visitor of each process */
    VISITORS_WINDOW = 512,     /* of those in which a visitor's stand: so many processes may hold
                                  requests of one */
    VISITORS_USES = 65536,     /* rows: one for each visitor and rate */
    VISITORS_BUCKET = 32,      /* of those in which a visitor's stands */
    VISITORS_NO_ROW = -1
};

/* All zeros when it is new. */
struct visitors {
    struct visitors_holding {
        _Atomic uint64_t visitor;
        _Atomic uint32_t line; /* whose row it is, from 1; 0: nobody's */
        _Atomic uint32_t held; /* by that process, which alone writes it */
    } holdings[VISITORS_HOLDINGS];
    struct visitors_use {
        _Atomic uint64_t visitor; /* 0: nobody */
        _Atomic int64_t until;    /* when nothing of the rate is used any more, in microseconds */
    } uses[VISITORS_USES];
};

/* The number under which a visitor is counted: of a name in a kind of names. That nobody can find
 * another name with the same number, which would use up that one's limits, is SHA-256's. */
uint64_t visitors_number(const char *kind, const char *name);

/* ------------------------------------------------------------------- held requests */

/* A row for what the process with this line holds for a visitor, who has none there yet: nothing
 * at first. VISITORS_NO_ROW: there is no room. */
int visitors_take(struct visitors *visitors, size_t line, uint64_t visitor);

/* Writes how many requests are held there now. */
void visitors_set(struct visitors *visitors, int row, uint32_t held);

/* Gives the row back. */
void visitors_give(struct visitors *visitors, int row);

/* How many requests of a visitor are held, by all processes. */
uint64_t visitors_held(const struct visitors *visitors, uint64_t visitor);

/* Gives back all rows of a line whose process is no more. */
void visitors_bury(struct visitors *visitors, size_t line);

/* --------------------------------------------------------------------------- rates */

/*
 * Uses `spent` of a rate that has `burst`, both as the microseconds in which so much comes back;
 * `now` is in microseconds. 0: it may. Else microseconds after which it might. More than the burst
 * may be spent when nothing of it is used. Processes to which a new visitor comes at the same
 * moment may each let him do so once more. `*crowded` is set where another visitor had to be
 * forgotten: of those who stand in the way the one who has used least.
 */
int64_t visitors_use(struct visitors *visitors, uint64_t visitor, int64_t spent, int64_t burst,
                     int64_t now, bool *crowded);

#endif

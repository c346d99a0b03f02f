/*
 * The function library in Redis (core/redis/halley.lua), and beside it that of the sessions
 * (core/redis/session.lua) where a program asks for it; and the installation that they work
 * for. Both programs have one: it sees to it that the functions are there, as long as
 * the program runs, and that the database says whose it is. Belongs to the loop's thread.
 */
#ifndef HALLEY_LIBRARY_H
#define HALLEY_LIBRARY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/loop.h"
#include "core/redis/redis.h"

struct library;

/*
 * What a program is told. None is called from inside a function of this header but
 * library_missing(), which may call `refused`.
 */
struct library_events {
    /* the functions can be called, and the database says whose it is */
    void (*ready)(void *ctx);
    /* Redis does not take the library for now: `why` says what it said; it is asked again */
    void (*refused)(void *ctx, const char *why);
    /* nobody could know for a while whose the database is: a message may have been announced
     * under another name, so what was heard is to be read again; NULL: nobody asks */
    void (*renewed)(void *ctx);
};

struct library_options {
    const char *prefix; /* borrowed */
    bool sessions;      /* the library of the sessions is kept there too */
    bool strict;        /* never ready before this installation stands in nobody's way */
    const struct library_events *events;
    void *ctx;
};

struct library_counts {
    uint64_t loads;     /* times that this process loaded the library */
    uint64_t conflicts; /* times that it found another installation in the way */
    uint64_t renewals;  /* times that the database had to be told again whose it is */
};

/*
 * Works on `redis`, whose owner calls library_up() when it is up and library_down()
 * when it is lost.
 */
struct library *library_new(struct ev_loop *loop, struct redis *redis,
                            const struct library_options *options);
void library_free(struct library *library);
void library_up(struct library *library);
void library_down(struct library *library);

/* Whether the functions can be called now. */
bool library_ready(const struct library *library);

/*
 * Tells a reply that says our functions are not in Redis (any more): what was called was
 * surely not done. They are then loaded again at once, library_ready() is false until they
 * are, and `ready` is called.
 */
bool library_missing(struct library *library, const redis_reply *reply);

/*
 * Redis said that it cannot serve anybody just now: it is not ready until it has answered a
 * question of the library's own, which is asked in a moment.
 */
void library_doubt(struct library *library, const redis_reply *why);

/* What Redis said last instead of serving us; "" while it does. */
const char *library_trouble(const struct library *library);

/* The program ends: it looks no more, and says no more that this installation is there. */
void library_rest(struct library *library);

/* What another installation has of ours, in a sentence that begins with `prefix`; NULL: nothing. */
const char *library_conflict(const struct library *library);

/* Whether the other one was there before, so that this installation is in the wrong. */
bool library_stands_back(const struct library *library);

/*
 * What the program is to end with, 0 if it may go on; a line in the log has said why.
 * EX_CONFIG: it was started where another installation stands, or a newer release has put a
 * library there that does not serve it any more. EX_TEMPFAIL: a strict one worked, and then
 * found that another has taken its place meanwhile.
 */
int library_exit(const struct library *library);

const struct library_counts *library_counts(const struct library *library);

/* Appends what a process reports of it, members of a JSON object. */
void library_report(const struct library *library, struct buf *out);

#endif

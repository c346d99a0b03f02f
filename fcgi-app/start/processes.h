/*
 * Several processes of one program, so that it uses several processors: a parent
 * that serves nothing, and children that serve. Called by main() alone, before
 * anything but sockets is there.
 */
#ifndef HALLEY_PROCESSES_H
#define HALLEY_PROCESSES_H

#include "core/base/loop.h"
#include "fcgi-app/start/listen.h"

/*
 * Forks `count` children (at most PROCESSES_MAX) and looks after them. Returns in
 * each child with its number, 0 to count - 1, and with TERM, INT and USR1 blocked
 * until program_watch_signals() watches them; a child that is started in the place
 * of another has its number. Returns -1 in the parent when it was told to end and
 * all children have ended, or when one says that the configuration is wrong (EX_CONFIG):
 * `*result` is then what the program ends with. `stop` is called in the parent when it is
 * told to end, before any child is: it lets go of what the children listen on. HUP reads the
 * configuration anew (reload.h) where there are `listeners`; where they are NULL, or the
 * configuration is wrong, the children open their logs anew.
 */
int processes_start(int count, void (*stop)(void *ctx), void *ctx,
                    const struct listeners *listeners, int *result);

/*
 * In a child: calls `leave` when the parent reads the configuration anew, and others take this
 * one's place.
 */
void processes_watch_leaving(struct ev_signal *signal, struct ev_loop *loop,
                             void (*leave)(struct ev_loop *loop, struct ev_signal *signal,
                                           int events),
                             void *ctx);

/*
 * How many seconds a child that ran for `lived` seconds is waited with before it
 * is started again: none at first, then more each time until one has held out.
 * `*next`, which begins as 0, is the pause that follows.
 */
double processes_pause(double lived, double *next);

#endif

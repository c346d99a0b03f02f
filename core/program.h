/*
 * What both programs do before and around their work: configuration, the
 * commands -n and -V, the log, signals.
 */
#ifndef HALLEY_PROGRAM_H
#define HALLEY_PROGRAM_H

#include "core/base/loop.h"
#include "core/config/config.h"

/* TERM, INT and USR1: all of them drain. */
enum { PROGRAM_SIGNALS = 3 };
struct program_signals {
    struct ev_signal watchers[PROGRAM_SIGNALS];
    struct ev_signal hangup;
};

/*
 * Loads the configuration and does what the command line asks for; `work` is
 * called with the configuration if that is the work itself, and returns the exit
 * code. `check` finds what is wrong with the configuration for this program, and says it in
 * `problem`; NULL: nothing is. `explain` prints what holds for the channel that -n names, and
 * returns an exit code; NULL: it is not asked for one. Returns a code of sysexits.h. Called by
 * main() alone.
 */
int program_run(const char *name, int argc, char **argv,
                bool (*check)(const struct config *config, char problem[CONFIG_PROBLEM]),
                int (*explain)(const struct config *config, const struct config_command *command),
                int (*work)(struct config *config));

/* The command line that this program was started with, ended by NULL. */
char **program_arguments(void);

/* Makes drand48(3) this process's own; to be repeated in a child. */
void program_seed(void);

/*
 * Once the command line was read, which everybody sees (ps): of passwords in it, stars stay there.
 * And nobody but root looks into the process any more, or at what it would leave when it dies.
 */
void program_hide_secrets(int argc, char **argv);

/*
 * Calls `drain` on each of the signals, which a parent may have left blocked until
 * now; SIGHUP opens the log anew, SIGPIPE is ignored from now on.
 */
void program_watch_signals(struct program_signals *signals, struct ev_loop *loop,
                           void (*drain)(struct ev_loop *loop, struct ev_signal *signal,
                                         int events),
                           void *ctx);

#endif

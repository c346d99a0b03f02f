#ifndef HALLEY_TESTS_PROC_H
#define HALLEY_TESTS_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct proc {
    pid_t keeper; /* our child: waits for the program, then ends what it left */
    pid_t pid;    /* the program itself */
    char name[32];
};

/* Starts `argv` with `env`, its output appended to the file `log`, its standard
 * input `input` (a descriptor, or -1 for /dev/null). Fails if it cannot. */
void proc_start(struct proc *proc, const char *name, const char *log, int input,
                const char *const argv[], char *const env[]);

/* Sends `signal` to the program and waits for it and its whole family.
 * Returns its exit code, or 128 + the signal that ended it. */
int proc_stop(struct proc *proc, int signal);

/* Waits for the program to end by itself; returns as proc_stop() does. */
int proc_wait(struct proc *proc);

/* Ends the program and its whole family with SIGKILL, now. Nothing if not started. */
void proc_kill(struct proc *proc);

/* Sends a signal to the program alone (SIGSTOP, SIGCONT, ...). */
void proc_signal(struct proc *proc, int signal);

bool proc_started(const struct proc *proc);

/* Whether the program still runs; does not wait. */
bool proc_runs(const struct proc *proc);

/* Descendants of `pid` whose process name is `name`; returns how many. */
size_t proc_family(pid_t pid, const char *name, pid_t *out, size_t room);

/* How many descriptors the program may have from now on; 0: as many as the system lets it. */
void proc_allow_descriptors(const struct proc *proc, size_t count);

/* Memory that the process has now, in KiB. */
long proc_resident_kib(pid_t pid);

/* Whether it was built with AddressSanitizer, which keeps what was freed for a while, and a shadow
 * beside it. */
bool proc_sanitized(pid_t pid);

/* Processor time that it has used, in milliseconds. */
long proc_used_ms(const struct proc *proc);

/* Runs `argv` to its end; returns its exit code. Its output, with an end byte,
 * is kept and goes to *output, *length (either may be NULL). */
int proc_run(const char *const argv[], char *const env[], int input, char **output, size_t *length);

#endif

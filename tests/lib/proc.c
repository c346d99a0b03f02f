/* Starts programs so that nothing outlives its test.
 *
 * Between a test and what it starts stands a keeper, a small process of ours:
 *
 *     test --fork--> keeper --fork--> redis-server, lighttpd, apache2, ...
 *                                       `--> halley.fcgi (spawned by those)
 *
 * The keeper is a subreaper: whatever the program leaves behind becomes its
 * child. When the program ends, it grants the rest of the family a few seconds
 * (an application that drains), ends what remains, and exits with the
 * program's code. When the test ends, however it ends, PR_SET_PDEATHSIG wakes
 * the keeper, which ends the whole family at once. Everything is ended by its
 * own pid.
 *
 * Only the process that started something may stop it: a forked test that
 * wants to stop and start programs opens a lab of its own.
 */
#include "proc.h"

#include "keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { GRACE_MS = 12000 }; /* for a family whose head has ended */

static int exit_code(int status) {
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* Children of this process, by /proc: includes orphans that it has inherited. */
static void kill_children(void) {
    char path[64], list[4096] = "";
    FILE *file;

    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    file = fopen(path, "r");
    if (!file)
        return;
    if (fgets(list, sizeof list, file))
        for (char *at = strtok(list, " \n"); at; at = strtok(NULL, " \n"))
            kill((pid_t)atol(at), SIGKILL);
    fclose(file);
}

/* Ends every descendant; each death may hand down further children. */
_Noreturn static void end_family(int code) {
    for (;;) {
        kill_children();
        if (waitpid(-1, NULL, 0) < 0 && errno == ECHILD)
            _exit(code);
    }
}

/* Waits until the program has ended; fetches its code. False: told to end. */
static bool watch(pid_t program, const sigset_t *signals, int *code) {
    int64_t end = 0;

    for (;;) {
        struct timespec span = {0, 50000000};
        int status, signal = sigtimedwait(signals, NULL, &span);
        pid_t pid;

        if (signal == SIGTERM)
            return false;
        while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == program) {
                *code = exit_code(status);
                end = now_ms() + GRACE_MS;
            }
        if (pid < 0 || (end && now_ms() > end))
            return true;
    }
}

static void redirect(const char *log, int input) {
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    int in = input >= 0 ? input : open("/dev/null", O_RDONLY | O_CLOEXEC);

    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
}

_Noreturn static void be_program(const sigset_t *old, const char *const argv[], char *const env[]) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigprocmask(SIG_SETMASK, old, NULL);
    signal(SIGPIPE, SIG_DFL);
    execvpe(argv[0], (char *const *)argv, env);
    fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
    _exit(127);
}

_Noreturn static void be_keeper(int tell, pid_t parent, const char *const argv[],
                                char *const env[]) {
    sigset_t signals, old;
    pid_t program;
    int code = 128 + SIGKILL;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &old);
    signal(SIGCHLD, SIG_DFL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    program = fork();
    if (program == 0)
        be_program(&old, argv, env);
    if (write(tell, &program, sizeof program) != sizeof program)
        end_family(1);
    close(tell);
    watch(program, &signals, &code);
    end_family(code);
}

void proc_start(struct proc *proc, const char *name, const char *log, int input,
                const char *const argv[], char *const env[]) {
    int tell[2];
    pid_t parent = getpid();

    memset(proc, 0, sizeof *proc);
    snprintf(proc->name, sizeof proc->name, "%s", name);
    must(pipe2(tell, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    fflush(NULL);
    proc->keeper = fork();
    must(proc->keeper >= 0, "fork: %s", strerror(errno));
    if (proc->keeper == 0) {
        setpgid(0, 0);
        redirect(log, input);
        if (dup2(tell[1], 3) < 0 || close_range(4, ~0U, 0) < 0 || fcntl(3, F_SETFD, FD_CLOEXEC) < 0)
            _exit(1);
        be_keeper(3, parent, argv, env);
    }
    close(tell[1]);
    must(read(tell[0], &proc->pid, sizeof proc->pid) == sizeof proc->pid && proc->pid > 0,
         "%s: its keeper could not start it", name);
    close(tell[0]);
}

bool proc_started(const struct proc *proc) {
    return proc->keeper > 0;
}

bool proc_runs(const struct proc *proc) {
    siginfo_t info = {0};

    if (!proc_started(proc))
        return false;
    if (waitid(P_PID, (id_t)proc->keeper, &info, WEXITED | WNOHANG | WNOWAIT) == 0)
        return info.si_pid == 0;
    return kill(proc->pid, 0) == 0; /* the runner's child, asked about by a forked test */
}

static bool ended(const struct proc *proc) {
    return !proc_runs(proc);
}

int proc_wait(struct proc *proc) {
    int status = 0;

    until(ended(proc), "%s (pid %d) does not end", proc->name, (int)proc->pid);
    must(waitpid(proc->keeper, &status, 0) == proc->keeper, "%s: cannot wait for it", proc->name);
    memset(proc, 0, sizeof *proc);
    return exit_code(status);
}

int proc_stop(struct proc *proc, int signal) {
    must(proc_started(proc), "asked to stop what was not started");
    kill(proc->pid, signal);
    return proc_wait(proc);
}

void proc_kill(struct proc *proc) {
    if (!proc_started(proc))
        return;
    kill(proc->keeper, SIGTERM);
    waitpid(proc->keeper, NULL, 0);
    memset(proc, 0, sizeof *proc);
}

void proc_signal(struct proc *proc, int signal) {
    must(kill(proc->pid, signal) == 0, "%s: %s", proc->name, strerror(errno));
}

/* Parent and name of a process, from /proc/PID/stat. */
static bool look_up(pid_t pid, pid_t *parent, char name[64]) {
    char path[64], line[512], *open_mark, *close_mark;
    bool found = false;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    file = fopen(path, "r");
    if (!file)
        return false;
    if (fgets(line, sizeof line, file) && (open_mark = strchr(line, '(')) &&
        (close_mark = strrchr(line, ')'))) {
        snprintf(name, 64, "%.*s", (int)(close_mark - open_mark - 1), open_mark + 1);
        *parent = (pid_t)atol(close_mark + 4);
        found = true;
    }
    fclose(file);
    return found;
}

static bool descends(pid_t pid, pid_t from) {
    char name[64];

    for (int depth = 0; depth < 8 && pid > 1; depth++) {
        if (!look_up(pid, &pid, name))
            return false;
        if (pid == from)
            return true;
    }
    return false;
}

size_t proc_family(pid_t pid, const char *name, pid_t *out, size_t room) {
    DIR *folder = opendir("/proc");
    struct dirent *entry;
    size_t count = 0;
    char own[64];
    pid_t parent;

    must(folder, "cannot read /proc");
    while ((entry = readdir(folder)) && count < room) {
        pid_t each = (pid_t)atol(entry->d_name);

        if (each > 1 && look_up(each, &parent, own) && strcmp(own, name) == 0 &&
            descends(each, pid))
            out[count++] = each;
    }
    closedir(folder);
    return count;
}

static char *read_all(int fd, size_t *length) {
    size_t room = 65536, used = 0;
    char *text = malloc(room);
    ssize_t got;

    while (text && (got = read(fd, text + used, room - used - 1)) > 0) {
        used += (size_t)got;
        if (room - used < 4096)
            text = realloc(text, room *= 2);
    }
    if (text)
        text[used] = '\0';
    if (length)
        *length = used;
    return keep(text);
}

void proc_allow_descriptors(const struct proc *proc, size_t count) {
    struct rlimit limit;

    must(prlimit(proc->pid, RLIMIT_NOFILE, NULL, &limit) == 0, "prlimit: %s", strerror(errno));
    limit.rlim_cur = count > 0 ? count : limit.rlim_max;
    must(prlimit(proc->pid, RLIMIT_NOFILE, &limit, NULL) == 0, "prlimit: %s", strerror(errno));
}

long proc_resident_kib(pid_t pid) {
    char line[256];
    long kib = -1;
    FILE *file = fopen(keepf("/proc/%d/status", (int)pid), "r");

    must(file != NULL, "/proc tells nothing of %d", (int)pid);
    while (fgets(line, sizeof line, file) != NULL)
        sscanf(line, "VmRSS: %ld kB", &kib);
    fclose(file);
    must(kib >= 0, "/proc does not tell the memory of %d", (int)pid);
    return kib;
}

bool proc_sanitized(pid_t pid) {
    char line[4096];
    bool found = false;
    FILE *file = fopen(keepf("/proc/%d/maps", (int)pid), "r");

    must(file != NULL, "/proc tells nothing of %d", (int)pid);
    while (fgets(line, sizeof line, file) != NULL)
        found = found || strstr(line, "libasan") != NULL;
    fclose(file);
    return found;
}

long proc_used_ms(const struct proc *proc) {
    unsigned long user = 0, system = 0;
    FILE *file = fopen(keepf("/proc/%d/stat", (int)proc->pid), "r");

    must(file != NULL &&
             fscanf(file, "%*d (%*[^)]) %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
                    &system) == 2,
         "/proc tells nothing of %s", proc->name);
    fclose(file);
    return (long)((user + system) * 1000 / (unsigned long)sysconf(_SC_CLK_TCK));
}

int proc_run(const char *const argv[], char *const env[], int input, char **output,
             size_t *length) {
    int out[2], status = 0, in = input >= 0 ? input : open("/dev/null", O_RDONLY | O_CLOEXEC);
    char *text;
    pid_t pid;

    must(pipe2(out, O_CLOEXEC) == 0, "pipe: %s", strerror(errno));
    fflush(NULL);
    pid = fork();
    must(pid >= 0, "fork: %s", strerror(errno));
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGPIPE, SIG_DFL);
        dup2(in, 0);
        dup2(out[1], 1);
        close_range(3, ~0U, 0);
        execvpe(argv[0], (char *const *)argv, env);
        fprintf(stderr, "cannot run %s: %s\n", argv[0], strerror(errno));
        _exit(127);
    }
    close(out[1]);
    if (in != input)
        close(in);
    text = read_all(out[0], length);
    close(out[0]);
    must(waitpid(pid, &status, 0) == pid, "%s: cannot wait for it", argv[0]);
    if (output)
        *output = text;
    return exit_code(status);
}

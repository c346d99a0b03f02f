/*
 * The board, a file in a folder that all processes can write in (/dev/shm), named by its key and
 * by the group that may open it: web server and services run as other users of one group.
 *
 *   line i    what one process holds, its class and its pid (0: nobody's). Whoever has the
 *             lock on byte i of the file, by an open file description (fcntl(2), F_OFD_SETLK),
 *             owns it: the kernel gives it free when the process ends, however that is
 *   the gate  the byte behind those: shared by whoever joins, alone by whoever removes the
 *             file, so that nobody takes a line of a board that is about to go
 *   the grave the byte behind that: whoever adds the row of a process that is no more to the past
 *   row i     the figures of that process (ledger.h)
 *
 * A process writes its own line alone, by plain stores, and reads all others': so a sum is as
 * good as the moment in which each line was read, and nobody ever waits for anybody. Pages of the
 * file are allocated when it is made, those of a row when its line is first taken: a store into a
 * full tmpfs would end the process.
 */
#include "fcgi-app/counts/roster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "core/base/crypto.h"
#include "core/base/mem.h"

#define PREFIX "halley-2-" /* another layout of the board has another number */
#define SWEEP  0.25        /* seconds between two sweeps */

enum {
    GATE = ROSTER_LINES,
    GRAVE,
    TRIES = 200,
    PAUSE_NS = 1000000,
    LINE_BYTES = 64,
    NAME_BYTES = 48
};

/* A line fills a line of the processor's cache: a store must not take another's away. */
union line {
    struct {
        _Atomic uint32_t held, class, pid;
        char name[NAME_BYTES]; /* of the class, cut off where it is too long */
    };
    char bytes[LINE_BYTES];
};

struct board {
    union {
        struct {
            _Atomic uint32_t used;  /* lines from the first to the last that was ever taken */
            _Atomic uint64_t swept; /* when, in milliseconds */
            _Atomic uint64_t made;  /* when, likewise */
        };
        char bytes[LINE_BYTES];
    };
    union line lines[ROSTER_LINES];
    struct ledger ledger;
};

struct roster {
    struct board *board;
    uint32_t own, class;
    const char *name; /* of the class; borrowed while it takes a line */
    size_t growing;   /* numbers of a row that are kept when its process ends */
    int fd;
    char path[ROSTER_PATH];
};

void roster_key(char key[ROSTER_KEY], const char *const *texts, size_t count) {
    unsigned char digest[CRYPTO_SHA256];
    struct buf text = buf_make(1024 * 1024);

    for (size_t i = 0; i < count; i++)
        buf_add(&text, texts[i], strlen(texts[i]) + 1);
    crypto_sha256(text.data, text.len, digest);
    crypto_hex(key, digest, ROSTER_KEY / 2);
    buf_free(&text);
}

/* Another class is another number, but for one in four thousand millions (FNV-1a). */
static uint32_t number_of(const char *text) {
    uint32_t hash = 2166136261U;

    for (; *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619U;
    return hash;
}

/* ------------------------------------------------------------------------ locks */

static bool lock(int fd, short type, off_t at, off_t count) {
    struct flock range = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = count};
    return fcntl(fd, F_OFD_SETLK, &range) == 0;
}

/* Whether anybody else has a lock on one of the lines. */
static bool lives(int fd) {
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = ROSTER_LINES};
    return fcntl(fd, F_OFD_GETLK, &range) != 0 || range.l_type != F_UNLCK;
}

/* Waits for a lock that nobody has for longer than microseconds. */
static bool wait_for(int fd, short type, off_t at) {
    const struct timespec pause = {.tv_nsec = PAUSE_NS};

    for (int tries = 0; tries < TRIES; tries++) {
        if (lock(fd, type, at, 1))
            return true;
        nanosleep(&pause, NULL);
    }
    return false;
}

/* Somebody may be removing the file. */
static bool pass_gate(int fd) {
    return wait_for(fd, F_RDLCK, GATE);
}

/* --------------------------------------------------------------------- the file */

/* Whether only our group can write there, so that nobody cuts the file short under us. */
static bool trusted(int fd) {
    struct stat file;

    return fstat(fd, &file) == 0 && S_ISREG(file.st_mode) && file.st_gid == getegid() &&
           (file.st_mode & S_IWOTH) == 0 && file.st_size == (off_t)sizeof(struct board);
}

static bool removed(int fd) {
    struct stat file;
    return fstat(fd, &file) != 0 || file.st_nlink == 0;
}

/* Removes a board that nobody uses. */
static void remove_unused(int fd, const char *path) {
    struct stat file, there;

    if (!lock(fd, F_WRLCK, GATE, 1))
        return; /* somebody joins, and will leave after us */
    if (!lives(fd) && fstat(fd, &file) == 0 && lstat(path, &there) == 0 &&
        file.st_ino == there.st_ino && file.st_dev == there.st_dev)
        unlink(path);
    (void)lock(fd, F_UNLCK, GATE, 1);
}

/* Removes what killed processes of other configurations have left in the folder. */
static void remove_leftovers(const char *dir) {
    DIR *folder = opendir(dir);
    const struct dirent *entry;
    char path[ROSTER_PATH + NAME_MAX];

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        if (strncmp(entry->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && trusted(fd))
            remove_unused(fd, path);
        if (fd >= 0)
            close(fd);
    }
    if (folder != NULL)
        closedir(folder);
}

/* Puts an empty board there; it is whole when others can see it. Fails where there is one. */
static bool make(const char *dir, const char *path) {
    char own[ROSTER_PATH + 16]; /* and a pid */

    remove_leftovers(dir);
    snprintf(own, sizeof own, "%s.%d", path, (int)getpid());
    int fd = open(own, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    int err = posix_fallocate(fd, 0, (off_t)offsetof(struct board, ledger.rows));
    bool made = err == 0 && ftruncate(fd, (off_t)sizeof(struct board)) == 0 &&
                fchown(fd, (uid_t)-1, getegid()) == 0 && fchmod(fd, 0660) == 0 &&
                link(own, path) == 0;
    err = err != 0 ? err : errno;
    unlink(own);
    close(fd);
    errno = err;
    return made;
}

/* The board's file, made if it is not there; -1 and errno. */
static int open_file(const char *dir, const char *path) {
    for (int tries = 0; tries < TRIES; tries++) {
        int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
        if (fd >= 0 && !trusted(fd)) {
            close(fd);
            errno = EPERM;
            return -1;
        }
        if (fd >= 0)
            return fd;
        /* another may have made it, or swept away what was being made */
        if (errno != ENOENT || (!make(dir, path) && errno != EEXIST && errno != ENOENT))
            return -1;
        if (access(dir, W_OK | X_OK) != 0)
            return -1;
    }
    return -1;
}

/* ------------------------------------------------------------------------ lines */

static void clear(union line *line) {
    atomic_store(&line->held, 0);
    atomic_store(&line->class, 0);
    atomic_store(&line->pid, 0);
}

/* Keeps what a process that is no more has counted, and clears its line, whose lock is ours. */
static bool bury(struct roster *roster, uint32_t at) {
    union line *line = &roster->board->lines[at];

    atomic_store(&line->held, 0);
    if (!wait_for(roster->fd, F_WRLCK, GRAVE))
        return false;
    if (atomic_load(&line->pid) != 0)
        ledger_bury(&roster->board->ledger, at, roster->growing);
    else
        ledger_mend(&roster->board->ledger);
    clear(line);
    (void)lock(roster->fd, F_UNLCK, GRAVE, 1);
    return true;
}

static bool take(struct roster *roster, uint32_t at) {
    union line *line = &roster->board->lines[at];
    uint32_t used = atomic_load(&roster->board->used);
    off_t row = (off_t)offsetof(struct board, ledger.rows) + (off_t)at * (off_t)sizeof(struct row);

    if (posix_fallocate(roster->fd, row, (off_t)sizeof(struct row)) != 0 || !bury(roster, at))
        return false;
    roster->own = at;
    atomic_store(&line->class, roster->class);
    snprintf(line->name, sizeof line->name, "%s", roster->name);
    atomic_store(&line->pid, (uint32_t)getpid());
    while (used <= at && !atomic_compare_exchange_weak(&roster->board->used, &used, at + 1))
        ;
    return true;
}

/* Takes a line that is nobody's: first of those that say so, then of those of killed processes. */
static bool take_any(struct roster *roster) {
    for (int killed = 0; killed < 2; killed++) {
        for (uint32_t i = 0; i < ROSTER_LINES; i++) {
            bool said = atomic_load(&roster->board->lines[i].pid) == 0;
            if ((!said && !killed) || !lock(roster->fd, F_WRLCK, i, 1))
                continue;
            if (take(roster, i))
                return true;
            (void)lock(roster->fd, F_UNLCK, i, 1);
            return false;
        }
    }
    return false;
}

void roster_sweep(struct roster *roster, double now) {
    struct board *board = roster->board;
    uint64_t at = (uint64_t)(now * 1000), last = atomic_load(&board->swept);
    uint32_t used = atomic_load(&board->used);

    if (at >= last && at - last < (uint64_t)(SWEEP * 1000))
        return;
    if (!atomic_compare_exchange_strong(&board->swept, &last, at))
        return;    /* somebody else does it now */
    if (last == 0) /* the first one who joined */
        atomic_store(&board->made, at);
    for (uint32_t i = 0; i < used && i < ROSTER_LINES; i++) {
        if (i == roster->own || atomic_load(&board->lines[i].pid) == 0 ||
            !lock(roster->fd, F_WRLCK, i, 1))
            continue;
        (void)bury(roster, i);
        (void)lock(roster->fd, F_UNLCK, i, 1);
    }
}

struct roster_sum roster_others(const struct roster *roster) {
    const struct board *board = roster->board;
    uint32_t used = atomic_load_explicit(&board->used, memory_order_relaxed);
    struct roster_sum sum = {0, 0};

    for (uint32_t i = 0; i < used && i < ROSTER_LINES; i++) {
        const union line *line = &board->lines[i];
        uint32_t held = atomic_load_explicit(&line->held, memory_order_relaxed);
        if (held == 0 || i == roster->own)
            continue;
        sum.all += held;
        if (atomic_load_explicit(&line->class, memory_order_relaxed) == roster->class)
            sum.class += held;
    }
    return sum;
}

void roster_set(struct roster *roster, uint32_t held) {
    atomic_store_explicit(&roster->board->lines[roster->own].held, held, memory_order_relaxed);
}

static bool is_used(const void *board, size_t line) {
    return atomic_load(&((const struct board *)board)->lines[line].pid) != 0;
}

void roster_tell(struct roster *roster, const uint64_t numbers[ROW_NUMBERS]) {
    ledger_tell(&roster->board->ledger, roster->own, numbers);
}

void roster_figures(const struct roster *roster, uint64_t sum[ROW_NUMBERS]) {
    const struct board *board = roster->board;
    uint32_t used = atomic_load(&board->used);

    ledger_sum(&board->ledger, used < ROSTER_LINES ? used : ROSTER_LINES, is_used, board, sum);
}

void roster_each(const struct roster *roster,
                 void (*each)(void *ctx, const char *class, const uint64_t numbers[ROW_NUMBERS]),
                 void *ctx) {
    const struct board *board = roster->board;
    uint64_t numbers[ROW_NUMBERS];
    char name[NAME_BYTES];

    for (uint32_t i = 0; i < atomic_load(&board->used) && i < ROSTER_LINES; i++) {
        if (!is_used(board, i))
            continue;
        memcpy(name, board->lines[i].name, sizeof name);
        name[sizeof name - 1] = '\0';
        ledger_read(&board->ledger, i, numbers);
        each(ctx, name, numbers);
    }
}

double roster_since(const struct roster *roster) {
    return (double)atomic_load(&roster->board->made) / 1000;
}

bool roster_stands(const struct roster *roster) {
    return !removed(roster->fd);
}

/* ---------------------------------------------------------------- coming and going */

static void unmap(struct roster *roster) {
    if (roster->board != NULL)
        munmap(roster->board, sizeof *roster->board);
    if (roster->fd >= 0)
        close(roster->fd);
    free(roster);
}

/* Takes a line of the file that is there now. ERR_GONE: somebody has removed it meanwhile. */
static enum err enter(struct roster *roster, const char *dir) {
    roster->fd = open_file(dir, roster->path);
    if (roster->fd < 0 || !pass_gate(roster->fd))
        return ERR_SYSTEM;
    if (removed(roster->fd))
        return ERR_GONE;
    void *map =
        mmap(NULL, sizeof *roster->board, PROT_READ | PROT_WRITE, MAP_SHARED, roster->fd, 0);
    if (map == MAP_FAILED)
        return ERR_SYSTEM;
    roster->board = map;
    bool taken = take_any(roster);
    (void)lock(roster->fd, F_UNLCK, GATE, 1);
    errno = taken ? 0 : ENOSPC;
    return taken ? ERR_OK : ERR_SYSTEM;
}

enum err roster_join(const char *dir, const char *key, const char *class, size_t growing,
                     double now, struct roster **out, char problem[ROSTER_PROBLEM]) {
    enum err err = ERR_GONE;

    for (int tries = 0; err == ERR_GONE && tries < TRIES; tries++) {
        struct roster *roster = mem_new(sizeof *roster);
        roster->fd = -1;
        roster->class = number_of(class);
        roster->name = class;
        roster->growing = growing;
        int len = snprintf(roster->path, sizeof roster->path, "%s/" PREFIX "%s-%u", dir, key,
                           (unsigned)getegid());
        errno = ENAMETOOLONG;
        err = len < (int)sizeof roster->path ? enter(roster, dir) : ERR_SYSTEM;
        if (err == ERR_OK) {
            roster_sweep(roster, now);
            *out = roster;
            return ERR_OK;
        }
        snprintf(problem, ROSTER_PROBLEM, "%s: %s", roster->path, strerror(errno));
        unmap(roster);
    }
    return ERR_SYSTEM;
}

void roster_leave(struct roster *roster) {
    if (roster == NULL)
        return;
    (void)bury(roster, roster->own); /* else somebody else will */
    (void)lock(roster->fd, F_UNLCK, roster->own, 1);
    remove_unused(roster->fd, roster->path);
    unmap(roster);
}

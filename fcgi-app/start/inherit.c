/*
 * The protocol of sd_listen_fds(3), whole: a process id that is not ours means that the
 * environment is meant for somebody else; descriptors begin at 3; names stand between colons. What
 * is no listening stream socket, or nobody's, is refused: a socket that is silently not served
 * would let everybody who connects wait for ever.
 */
#include "fcgi-app/start/inherit.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FIRST = 3, NAME = 256 };

/* A whole number that is all of a variable; -1: it is not there, or is none. */
static long number_in(const char *variable) {
    const char *text = getenv(variable);
    char *end;

    if (text == NULL || *text < '0' || *text > '9')
        return -1;
    long number = strtol(text, &end, 10);
    return *end == '\0' ? number : -1;
}

static bool is_listening_stream(int fd) {
    int listens = 0, type = 0;
    socklen_t size = sizeof listens, type_size = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0 &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) == 0 && type == SOCK_STREAM;
}

/* The name at `*names`, which moves behind it. */
static void next_name(const char **names, char out[NAME]) {
    size_t len = strcspn(*names, ":");

    snprintf(out, NAME, "%.*s", (int)(len < NAME ? len : NAME - 1), *names);
    *names += len + ((*names)[len] == ':');
}

static const char *take_one(struct listening *listening, int fd) {
    if (listening->fd >= 0)
        return "there are two of this name";
    listening->fd = fd;
    return NULL;
}

/* NULL, or why the socket is of no use. */
static const char *take(struct listeners *listeners, const char *name, int fd, bool alone) {
    if (!is_listening_stream(fd))
        return "it is no listening stream socket";
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (strcmp(name, "http") == 0)
        return take_one(&listeners->http, fd);
    if (strcmp(name, "feed") == 0)
        return take_one(&listeners->feed, fd);
    if (strcmp(name, "listen") != 0 && !alone)
        return "its name must be listen, http or feed (FileDescriptorName=)";
    if (listeners->count == PROCESSES_MAX)
        return "there are too many";
    listeners->fcgi[listeners->count++] = (struct listening){.fd = fd};
    return NULL;
}

static enum err take_all(struct listeners *listeners, long count, const char *names,
                         char *problem) {
    char name[NAME];
    const char *wrong = NULL;

    for (int i = 0; i < count && wrong == NULL; i++) {
        next_name(&names, name);
        wrong = take(listeners, name, FIRST + i, count == 1);
        if (wrong != NULL)
            snprintf(problem, LISTEN_PROBLEM, "LISTEN_FDS: socket %d (%.64s): %s", FIRST + i, name,
                     wrong);
    }
    listeners->inherited = wrong == NULL;
    return wrong == NULL ? ERR_OK : ERR_SYSTEM;
}

/* "listen:5:2049:77": a socket that the program before had (reload.c), and which file it is. */
static bool take_over(struct listeners *listeners, const char *text) {
    struct listening socket;
    unsigned long long device, inode;
    char name[8];

    if (sscanf(text, "%7[a-z]:%d:%llu:%llu", name, &socket.fd, &device, &inode) != 4 ||
        take(listeners, name, socket.fd, false) != NULL)
        return false;
    struct listening *taken = strcmp(name, "http") == 0   ? &listeners->http
                              : strcmp(name, "feed") == 0 ? &listeners->feed
                                                          : &listeners->fcgi[listeners->count - 1];
    taken->device = (dev_t)device;
    taken->inode = (ino_t)inode;
    return true;
}

static enum err take_over_all(struct listeners *listeners, const char *text,
                              char problem[LISTEN_PROBLEM]) {
    while (text != NULL && take_over(listeners, text)) {
        text = strchr(text, ',');
        text += text != NULL;
    }
    listeners->inherited = text == NULL;
    if (text != NULL)
        snprintf(problem, LISTEN_PROBLEM, "HALLEY_RELOAD: %.64s is no socket", text);
    unsetenv("HALLEY_RELOAD");
    return text == NULL ? ERR_OK : ERR_SYSTEM;
}

enum err inherit_sockets(struct listeners *listeners, int processes, char problem[LISTEN_PROBLEM]) {
    long count = number_in("LISTEN_PID") == (long)getpid() ? number_in("LISTEN_FDS") : 0;
    const char *names = getenv("LISTEN_FDNAMES");
    const char *before = getenv("HALLEY_RELOAD");
    enum err err = ERR_OK;

    if (before != NULL)
        return take_over_all(listeners, before, problem);
    if (count > 2 + PROCESSES_MAX) {
        snprintf(problem, LISTEN_PROBLEM, "LISTEN_FDS: %ld sockets are too many", count);
        err = ERR_SYSTEM;
    } else if (count > 0) {
        err = take_all(listeners, count, names != NULL ? names : "", problem);
    }
    if (err == ERR_OK && listeners->count > 1 && listeners->count != processes) {
        snprintf(
            problem, LISTEN_PROBLEM,
            "LISTEN_FDS: %d sockets are named listen; must be one, or as many as processes: %d",
            listeners->count, processes);
        err = ERR_SYSTEM;
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return err;
}

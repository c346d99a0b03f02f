/*
 * Standard error, a file, or syslog's socket. Syslog's protocol is so small (RFC 3164: a
 * datagram "<priority>time program[pid]: text") that it is spoken here: syslog(3) would
 * wait for a syslog that does not read, and with it everybody who waits on this process.
 */
#include "core/base/log_target.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { RETRY = 10 }; /* seconds between two tries to open */

static struct {
    enum log_target_kind kind;
    char path[PATH_MAX];
    int fd;     /* of the file or the socket; -1: it is not to be had */
    bool bytes; /* the socket is a stream: messages need an end */
    time_t next_try;
} target = {.fd = -1};

void log_target_set(enum log_target_kind kind, const char *path) {
    target.kind = kind;
    snprintf(target.path, sizeof target.path, "%s", path);
}

static int open_file(void) {
    mode_t before = umask(0);
    /* non-blocking: the path may be a pipe whose reader has gone */
    int fd =
        open(target.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    umask(before);
    return fd;
}

static int connect_as(int type) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};

    if (strlen(target.path) >= sizeof name.sun_path)
        return -1;
    memcpy(name.sun_path, target.path, strlen(target.path));
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&name, sizeof name) == 0)
        return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

static int open_syslog(void) {
    int fd = connect_as(SOCK_DGRAM);

    target.bytes = fd < 0 && errno == EPROTOTYPE;
    return target.bytes ? connect_as(SOCK_STREAM) : fd;
}

static time_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec;
}

bool log_target_open(void) {
    if (target.kind == LOG_TO_STDERR)
        return true;
    int fd = target.kind == LOG_TO_FILE ? open_file() : open_syslog();
    target.next_try = now() + RETRY;
    if (fd < 0)
        return false;
    if (target.fd >= 0)
        close(target.fd);
    target.fd = fd;
    return true;
}

enum log_target_kind log_target_now(void) {
    if (target.fd < 0 && target.kind != LOG_TO_STDERR && now() >= target.next_try)
        (void)log_target_open();
    return target.fd >= 0 ? target.kind : LOG_TO_STDERR;
}

/* A pipe, a terminal or a socket that nobody reads would have the writer wait. */
static bool takes(int fd) {
    struct pollfd one = {.fd = fd, .events = POLLOUT};
    return poll(&one, 1, 0) == 1 && (one.revents & POLLOUT) != 0;
}

static bool send_to_syslog(const char *line, size_t len) {
    if (send(target.fd, line, len + (target.bytes ? 1 : 0), MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    if (errno != EAGAIN && errno != ENOBUFS) { /* it is being started again */
        close(target.fd);
        target.fd = -1;
    }
    return false;
}

bool log_target_write(const char *line, size_t len) {
    switch (log_target_now()) {
    case LOG_TO_SYSLOG:
        return send_to_syslog(line, len);
    case LOG_TO_FILE:
        return takes(target.fd) && write(target.fd, line, len) >= 0;
    case LOG_TO_STDERR:
        break;
    }
    return takes(STDERR_FILENO) && write(STDERR_FILENO, line, len) >= 0;
}

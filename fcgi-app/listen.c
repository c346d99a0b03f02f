/*
 * Listening sockets. Called once, by main(), before the loop runs.
 */
#include "fcgi-app/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static enum err fail(char *problem, const char *address, const char *why, int fd) {
    snprintf(problem, LISTEN_PROBLEM, "listen = %s: %s", address, why);
    if (fd >= 0)
        close(fd);
    return ERR_SYSTEM;
}

/* Whether a process answers at `path`; if nobody does, it is left over and may go. */
static int somebody_listens(const struct sockaddr_un *to) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int connected = fd >= 0 && connect(fd, (const struct sockaddr *)to, sizeof *to) == 0;
    if (fd >= 0)
        close(fd);
    return connected;
}

static enum err listen_unix(const char *address, int mode, int *fd, char *problem) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const char *path = address + strlen("unix:");

    if (strlen(path) >= sizeof name.sun_path)
        return fail(problem, address, "the path is too long for a socket", -1);
    memcpy(name.sun_path, path, strlen(path));
    if (somebody_listens(&name))
        return fail(problem, address, "another process listens there", -1);
    (void)unlink(path);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t before = umask((mode_t)(~mode & 0777));
    int bound = s < 0 ? -1 : bind(s, (const struct sockaddr *)&name, sizeof name);
    umask(before);
    if (bound != 0 || listen(s, BACKLOG) != 0)
        return fail(problem, address, strerror(errno), s);
    *fd = s;
    return ERR_OK;
}

static enum err listen_tcp(const char *address, int *fd, char *problem) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    const char *colon = strrchr(address, ':');
    char host[256];
    const char *from = address + strlen("tcp:");
    size_t len = colon > from ? (size_t)(colon - from) : 0;
    int on = 1;

    if (len == 0 || len >= sizeof host)
        return fail(problem, address, "must be tcp:host:port", -1);
    memcpy(host, from, len);
    host[len] = '\0';
    int failed = getaddrinfo(host, colon + 1, &hints, &found);
    if (failed != 0)
        return fail(problem, address, gai_strerror(failed), -1);
    int s = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
    if (s >= 0)
        (void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    int bound = s < 0 ? -1 : bind(s, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    if (bound != 0 || listen(s, BACKLOG) != 0)
        return fail(problem, address, strerror(errno), s);
    *fd = s;
    return ERR_OK;
}

enum err listen_on(const char *address, int mode, int *fd, char problem[LISTEN_PROBLEM]) {
    if (strncmp(address, "unix:/", 6) == 0)
        return listen_unix(address, mode, fd, problem);
    if (strncmp(address, "tcp:", 4) == 0)
        return listen_tcp(address, fd, problem);
    return fail(problem, address, "must be unix:/path or tcp:host:port", -1);
}

void listen_remove(const char *address) {
    if (strncmp(address, "unix:/", 6) == 0)
        (void)unlink(address + strlen("unix:"));
}

/*
 * Listening sockets. Called by main() alone, before the loop runs and when it ends.
 *
 * Of several processes each has a FastCGI socket of its own at a path: the first at
 * the path itself, the others at path.2, path.3 ... A web server that knows them
 * all spreads its connections exactly, those that it keeps too. A tcp address is
 * one socket for all, as those of HTTP and of the line feed are: what waits in its queue is taken
 * by whoever is there, where a queue for each process (SO_REUSEPORT) would be lost
 * with its process, and would let two programs share a port unnoticed.
 */
#include "fcgi-app/start/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096, TCP_HOST = 256, LOCK_TRIES = 100, LOCK_PAUSE = 50 /* milliseconds */ };

static enum err fail(char *problem, const char *address, const char *why, int fd) {
    snprintf(problem, LISTEN_PROBLEM, "%s: %s", address, why);
    if (fd >= 0)
        close(fd);
    return ERR_SYSTEM;
}

/* Whether certainly nobody answers at a socket's path. A full queue (EAGAIN) and a socket
 * of another kind (EPROTOTYPE) are somebody's. */
static bool nobody_answers(const struct sockaddr_un *name) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = fd >= 0 && connect(fd, (const struct sockaddr *)name, sizeof *name) != 0 &&
                   errno == ECONNREFUSED;

    if (fd >= 0)
        close(fd);
    return refused;
}

/* Makes room at a path: only a socket that a dead process left goes. NULL, or why it is
 * not free. */
static const char *clear_path(const struct sockaddr_un *name) {
    struct stat file;

    if (lstat(name->sun_path, &file) != 0)
        return errno == ENOENT ? NULL : strerror(errno);
    if (!S_ISSOCK(file.st_mode))
        return "what is there is no socket, and stays";
    if (!nobody_answers(name))
        return "another process listens there";
    return unlink(name->sun_path) == 0 ? NULL : strerror(errno);
}

/*
 * Between looking at a path and listening there, no other Halley does the same in its
 * folder: two that start together would each find, and remove, what the other has bound
 * and does not answer yet. Where the folder cannot be locked, nobody waits.
 */
static int lock_folder(const char *path) {
    char folder[sizeof((struct sockaddr_un *)0)->sun_path + 1];

    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int tries = 0; fd >= 0 && tries < LOCK_TRIES; tries++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            break;
        (void)poll(NULL, 0, LOCK_PAUSE);
    }
    return fd;
}

static const char *bind_at(const struct sockaddr_un *name, int mode, struct listening *listening) {
    struct stat file;

    listening->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (listening->fd < 0)
        return strerror(errno);
    mode_t before = umask((mode_t)(~mode & 0777));
    int bound = bind(listening->fd, (const struct sockaddr *)name, sizeof *name);
    umask(before);
    if (bound != 0 || listen(listening->fd, BACKLOG) != 0)
        return strerror(errno);
    if (lstat(name->sun_path, &file) != 0)
        return strerror(errno);
    listening->device = file.st_dev;
    listening->inode = file.st_ino;
    return NULL;
}

static enum err listen_unix(const char *address, int mode, struct listening *listening,
                            char *problem) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    const char *path = address + strlen("unix:");

    if (strlen(path) >= sizeof name.sun_path)
        return fail(problem, address, "the path is too long for a socket", -1);
    memcpy(name.sun_path, path, strlen(path));
    int lock = lock_folder(path);
    const char *wrong = clear_path(&name);
    if (wrong == NULL)
        wrong = bind_at(&name, mode, listening);
    if (lock >= 0)
        close(lock);
    if (wrong == NULL)
        return ERR_OK;
    enum err err = fail(problem, address, wrong, listening->fd);
    listening->fd = -1;
    return err;
}

/* The host of tcp:host:port, where an IPv6 address stands in brackets; returns the port, or
 * NULL where this is neither. */
static const char *tcp_parts(const char *address, char host[TCP_HOST]) {
    const char *from = address + strlen("tcp:"), *colon = strrchr(from, ':');
    bool bracketed = colon != NULL && colon > from && from[0] == '[' && colon[-1] == ']';
    size_t len = colon == NULL ? 0 : (size_t)(colon - from);

    if (bracketed) {
        from++;
        len -= 2;
    }
    if (len == 0 || len >= TCP_HOST || colon[1] == '\0')
        return NULL;
    memcpy(host, from, len);
    host[len] = '\0';
    return strpbrk(host, "[]") == NULL ? colon + 1 : NULL;
}

static enum err listen_tcp(const char *address, int *fd, char *problem) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *found = NULL;
    char host[TCP_HOST];
    const char *port = tcp_parts(address, host);
    int on = 1;

    if (port == NULL)
        return fail(problem, address, "must be tcp:host:port or tcp:[IPv6]:port", -1);
    int failed = getaddrinfo(host, port, &hints, &found);
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

static enum err listen_at(const char *address, int mode, struct listening *listening,
                          char *problem) {
    *listening = (struct listening){.fd = -1};
    if (strncmp(address, "unix:/", 6) == 0)
        return listen_unix(address, mode, listening, problem);
    if (strncmp(address, "tcp:", 4) == 0)
        return listen_tcp(address, &listening->fd, problem);
    return fail(problem, address, "must be unix:/path or tcp:host:port", -1);
}

static enum err listen_on(const char *option, const char *address, int mode,
                          struct listening *listening, char *problem) {
    char why[LISTEN_PROBLEM];
    enum err err = listen_at(address, mode, listening, why);

    if (err != ERR_OK)
        snprintf(problem, LISTEN_PROBLEM, "%s = %.*s", option, LISTEN_PROBLEM - 16, why);
    return err;
}

static bool is_path(const char *address) {
    return strncmp(address, "unix:/", 6) == 0;
}

/* Removes what was bound here, and nothing that somebody has put there since. */
static void remove_path(const char *address, const struct listening *listening) {
    const char *path = address + strlen("unix:");
    struct stat file;

    if (is_path(address) && lstat(path, &file) == 0 && S_ISSOCK(file.st_mode) &&
        file.st_dev == listening->device && file.st_ino == listening->inode)
        (void)unlink(path);
}

void listeners_init(struct listeners *listeners, const char *address, const char *http_address,
                    const char *feed_address) {
    *listeners = (struct listeners){.address = address,
                                    .http_address = http_address,
                                    .feed_address = feed_address,
                                    .http.fd = -1,
                                    .feed.fd = -1};
}

void listeners_address(const struct listeners *listeners, int number, char out[LISTEN_ADDRESS]) {
    if (number == 0 || !is_path(listeners->address))
        snprintf(out, LISTEN_ADDRESS, "%s", listeners->address);
    else
        snprintf(out, LISTEN_ADDRESS, "%s.%d", listeners->address, number + 1);
}

enum err listeners_open(struct listeners *listeners, int mode, int processes,
                        char problem[LISTEN_PROBLEM]) {
    char address[LISTEN_ADDRESS];
    bool open = listeners->count > 0; /* inherited */
    int wanted = open || listeners->address[0] == '\0' ? 0
                 : is_path(listeners->address)         ? processes
                                                       : 1;

    for (; listeners->count < wanted; listeners->count++) {
        listeners_address(listeners, listeners->count, address);
        enum err err =
            listen_on("listen", address, mode, &listeners->fcgi[listeners->count], problem);
        if (err != ERR_OK) {
            listeners_remove(listeners);
            listeners_close(listeners);
            return err;
        }
    }
    return ERR_OK;
}

enum err listeners_open_http(struct listeners *listeners, int mode, char problem[LISTEN_PROBLEM]) {
    if (listeners->http_address[0] == '\0' || listeners->http.fd >= 0)
        return ERR_OK;
    return listen_on("http", listeners->http_address, mode, &listeners->http, problem);
}

enum err listeners_open_feed(struct listeners *listeners, int mode, char problem[LISTEN_PROBLEM]) {
    if (listeners->feed_address[0] == '\0' || listeners->feed.fd >= 0)
        return ERR_OK;
    return listen_on("feed", listeners->feed_address, mode, &listeners->feed, problem);
}

void listeners_choose(struct listeners *listeners, int number) {
    listeners->child = true;
    if (listeners->count <= 1)
        return;
    for (int i = 0; i < listeners->count; i++) {
        if (i != number)
            close(listeners->fcgi[i].fd);
    }
    listeners->fcgi[0] = listeners->fcgi[number];
    listeners->count = 1;
}

void listeners_remove(const struct listeners *listeners) {
    char address[LISTEN_ADDRESS];

    if (listeners->child)
        return;
    /* an inherited socket has no inode here, so its path stays */
    for (int i = 0; i < listeners->count; i++) {
        listeners_address(listeners, i, address);
        remove_path(address, &listeners->fcgi[i]);
    }
    if (listeners->http.fd >= 0)
        remove_path(listeners->http_address, &listeners->http);
    if (listeners->feed.fd >= 0)
        remove_path(listeners->feed_address, &listeners->feed);
}

void listeners_close(struct listeners *listeners) {
    for (int i = 0; i < listeners->count; i++)
        close(listeners->fcgi[i].fd);
    listeners->count = 0;
    if (listeners->http.fd >= 0)
        close(listeners->http.fd);
    listeners->http.fd = -1;
    if (listeners->feed.fd >= 0)
        close(listeners->feed.fd);
    listeners->feed.fd = -1;
}

/*
 * halley doctor, this machine: the sockets of the configuration, as the web server would meet them,
 * and descriptors.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "operator/doctor.h"

enum { SPARE_FILES = 128 };

/* 0, or why nobody can be reached there. */
static int reach(const char *path) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), why = 0;

    if (strlen(path) >= sizeof name.sun_path)
        why = ENAMETOOLONG;
    memcpy(name.sun_path, path, strnlen(path, sizeof name.sun_path - 1));
    if (fd < 0 || (why == 0 && connect(fd, (struct sockaddr *)&name, sizeof name) != 0))
        why = errno;
    if (fd >= 0)
        close(fd);
    return why == EAGAIN ? 0 : why; /* its queue is full: somebody is there */
}

static void look_at_socket(const char *option, const char *address, struct findings *findings) {
    const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : NULL;
    struct stat found;
    int why;

    if (path == NULL || path[0] != '/')
        return;
    if ((why = reach(path)) != 0) {
        findings_add(
            findings, FINDING_ERROR, "halley", "sockets",
            "systemctl enable --now halley.socket halley-http.socket; or start halley.fcgi",
            "nobody is to be reached at %s = %s: %s", option, address, strerror(why));
    } else if (stat(path, &found) == 0 && (found.st_mode & S_IWOTH) != 0) {
        findings_add(
            findings, FINDING_WARNING, "halley", "sockets",
            "halley.conf: listen_mode = 0660 (halley.socket: SocketMode=0660), with the "
            "web server's group",
            "%s = %s is open (%03o) to every user of this machine, who may pose as the web "
            "server, and say who asks",
            option, address, (unsigned)found.st_mode & 0777);
    }
}

static void look_at_descriptors(const struct config *config, struct findings *findings) {
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_max == RLIM_INFINITY ||
        files.rlim_max >= (rlim_t)config->max_waiters + SPARE_FILES)
        return;
    findings_add(findings, FINDING_WARNING, "machine", "descriptors",
                 "LimitNOFILE= in the unit, or ulimit -Hn, or a smaller max_waiters",
                 "who starts programs as this user gives them %llu descriptors, fewer than "
                 "max_waiters = %d waiting browsers need",
                 (unsigned long long)files.rlim_max, config->max_waiters);
}

void doctor_machine(const struct config *config, struct findings *findings) {
    look_at_socket("listen", config->listen, findings);
    look_at_socket("http", config->http, findings);
    look_at_descriptors(config, findings);
}

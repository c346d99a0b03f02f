/* The command line, the listening socket and the subscription. */
#include "tests/bench/floor/start.h"

#include "tests/lib/keep.h"

#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 4096 };

static int listen_unix(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    must(strlen(path) < sizeof address.sun_path, "%s: too long for a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    unlink(path);
    umask(0); /* whoever runs the web server connects */
    must(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0,
         "%s: %s", path, strerror(errno));
    return fd;
}

static int listen_tcp(const char *port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                  .sin_port = htons((uint16_t)strtoul(port, NULL, 10))};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    must(bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, BACKLOG) == 0,
         "%s: %s", port, strerror(errno));
    return fd;
}

static void subscribe(struct start *start, const char *socket) {
    start->redis = redisConnectUnix(socket);
    must(start->redis && !start->redis->err, "%s: %s", socket,
         start->redis ? start->redis->errstr : "out of memory");
    freeReplyObject(redisCommand(start->redis, "SUBSCRIBE halley.live:{%s}", start->channel));
}

static void allow_descriptors(void) {
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

void start_up(struct start *start, int argc, char **argv) {
    static const struct option options[] = {{"listen", required_argument, NULL, 'l'},
                                            {"redis", required_argument, NULL, 'r'},
                                            {"channel", required_argument, NULL, 'c'},
                                            {NULL, 0, NULL, 0}};
    const char *where = NULL, *store = NULL;
    bool wrong = false;
    int id;

    *start = (struct start){.channel = "bench"};
    while ((id = getopt_long(argc, argv, "l:r:c:", options, NULL)) != -1) {
        where = id == 'l' ? optarg : where;
        store = id == 'r' ? optarg : store;
        start->channel = id == 'c' ? optarg : start->channel;
        wrong = wrong || id == '?';
    }
    if (wrong || !where || optind != argc) {
        printf("%s --listen unix:PATH|PORT [--redis SOCKET] [--channel bench]\n", argv[0]);
        exit(64);
    }
    allow_descriptors();
    start->tcp = strncmp(where, "unix:", 5) != 0;
    start->listener = start->tcp ? listen_tcp(where) : listen_unix(where + 5);
    if (store)
        subscribe(start, store);
}

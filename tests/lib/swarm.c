/* Many browsers that wait, for the tests and the bench of parked requests.
 *
 * libcurl would spend more on each of them than Halley does, so these are bare
 * sockets in one epoll set: connect, send one request, keep what comes until
 * the server closes.
 */
#include "tests/lib/swarm.h"

#include "tests/lib/keep.h"
#include "tests/lib/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

struct client {
    int fd;
    size_t used, room;
    char *text;
};

struct swarm {
    int epoll;
    size_t count, answered;
    struct client *clients;
};

void swarm_allow(size_t descriptors) {
    struct rlimit limit;

    must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit: %s", strerror(errno));
    if (limit.rlim_cur >= descriptors)
        return;
    limit.rlim_cur = descriptors;
    if (limit.rlim_max < descriptors)
        limit.rlim_max = descriptors;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "this needs %zu descriptors (ulimit -n): %s",
         descriptors, strerror(errno));
}

static void begin_client(struct swarm *swarm, size_t which, int port, const char *request) {
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = which};
    struct client *client = &swarm->clients[which];

    client->fd = wire_tcp(port);
    must(client->fd >= 0, "client %zu cannot connect: %s", which, strerror(errno));
    must(wire_send(client->fd, request, strlen(request)), "client %zu cannot send", which);
    must(epoll_ctl(swarm->epoll, EPOLL_CTL_ADD, client->fd, &event) == 0, "epoll: %s",
         strerror(errno));
}

struct swarm *swarm_begin(int port, size_t count, const char *request) {
    struct swarm *swarm = keep(calloc(1, sizeof *swarm));

    swarm->epoll = epoll_create1(EPOLL_CLOEXEC);
    swarm->count = count;
    swarm->clients = keep(calloc(count, sizeof *swarm->clients));
    for (size_t i = 0; i < count; i++)
        begin_client(swarm, i, port, request);
    return swarm;
}

static void hang_up(struct client *client) {
    if (client->fd >= 0)
        close(client->fd);
    client->fd = -1;
}

/* False: there is no more to come. */
static bool take(struct client *client) {
    ssize_t got;

    if (client->room - client->used < 2048) {
        client->room += 4096;
        client->text = realloc(client->text, client->room);
        must(client->text, "out of memory");
    }
    got = recv(client->fd, client->text + client->used, client->room - client->used - 1,
               MSG_DONTWAIT);
    if (got > 0)
        client->used += (size_t)got;
    client->text[client->used] = '\0';
    return got > 0 || (got < 0 && errno == EAGAIN);
}

size_t swarm_pump(struct swarm *swarm, int ms) {
    struct epoll_event events[512];
    int count = epoll_wait(swarm->epoll, events, 512, ms);

    for (int i = 0; i < count; i++) {
        struct client *client = &swarm->clients[events[i].data.u64];

        if (client->fd < 0 || take(client))
            continue;
        hang_up(client);
        swarm->answered++;
    }
    return swarm->answered;
}

size_t swarm_holding(const struct swarm *swarm, const char *text) {
    size_t count = 0;

    for (size_t i = 0; i < swarm->count; i++)
        count += swarm->clients[i].text && strstr(swarm->clients[i].text, text);
    return count;
}

const char *swarm_first(const struct swarm *swarm) {
    for (size_t i = 0; i < swarm->count; i++)
        if (swarm->clients[i].text)
            return swarm->clients[i].text;
    return "";
}

void swarm_leave(struct swarm *swarm, size_t count) {
    for (size_t i = 0; i < swarm->count && count; i++)
        if (swarm->clients[i].fd >= 0) {
            hang_up(&swarm->clients[i]);
            count--;
        }
}

void swarm_end(struct swarm *swarm) {
    for (size_t i = 0; i < swarm->count; i++) {
        hang_up(&swarm->clients[i]);
        free(swarm->clients[i].text);
        swarm->clients[i].text = NULL;
    }
    close(swarm->epoll);
}

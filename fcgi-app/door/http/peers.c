/*
 * A table that grows with the largest descriptor: the kernel gives the smallest that is free.
 */
#include "fcgi-app/door/http/peers.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/base/mem.h"

enum { STEP = 256 };

struct peers {
    struct in6_addr *of; /* IPv4 as ::ffff:a.b.c.d; all zeros: none */
    size_t room;
};

struct peers *peers_new(void) {
    return mem_new(sizeof(struct peers));
}

void peers_free(struct peers *peers) {
    free(peers->of);
    free(peers);
}

static struct in6_addr address_of(const struct sockaddr_storage *peer) {
    struct in6_addr address = {0};

    if (peer->ss_family == AF_INET6) {
        address = ((const struct sockaddr_in6 *)(const void *)peer)->sin6_addr;
    } else if (peer->ss_family == AF_INET) {
        memset(address.s6_addr + 10, 0xff, 2);
        memcpy(address.s6_addr + 12, &((const struct sockaddr_in *)(const void *)peer)->sin_addr,
               4);
    }
    return address;
}

void peers_note(struct peers *peers, int fd) {
    struct sockaddr_storage peer = {0};
    socklen_t size = sizeof peer;

    if ((size_t)fd >= peers->room) {
        size_t room = (size_t)fd + STEP;
        peers->of = mem_resize(peers->of, room * sizeof *peers->of);
        memset(peers->of + peers->room, 0, (room - peers->room) * sizeof *peers->of);
        peers->room = room;
    }
    if (getpeername(fd, (struct sockaddr *)&peer, &size) != 0)
        peer.ss_family = AF_UNSPEC;
    peers->of[fd] = address_of(&peer);
}

static char *put_byte(char *out, unsigned value) {
    if (value >= 100)
        *out++ = (char)('0' + value / 100);
    if (value >= 10)
        *out++ = (char)('0' + value / 10 % 10);
    *out++ = (char)('0' + value % 10);
    return out;
}

/* For each request: inet_ntop(3) is a printf. */
static void write_four(const unsigned char *bytes, char *out) {
    for (int i = 0; i < 4; i++) {
        out = put_byte(out, bytes[i]);
        *out++ = '.';
    }
    out[-1] = '\0';
}

void peers_write(const struct peers *peers, int fd, char out[ADDRESS_TEXT]) {
    const struct in6_addr *peer = &peers->of[fd];

    if (IN6_IS_ADDR_V4MAPPED(peer))
        write_four(peer->s6_addr + 12, out);
    else if (IN6_IS_ADDR_UNSPECIFIED(peer) || inet_ntop(AF_INET6, peer, out, ADDRESS_TEXT) == NULL)
        memcpy(out, "-", sizeof "-");
}

/* A site that is asked. It runs in the test's own process and loop, so nothing is waited for. */
#include "tests/unit/site.h"

#include <arpa/inet.h>
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/mem.h"
#include "tests/unit/sockets.h"

static void hang_up(struct site_connection *connection) {
    struct site *site = connection->site;

    ev_io_stop(site->loop, &connection->io);
    close(connection->io.fd);
    for (unsigned i = 0; i < SITE_CONNECTIONS; i++) {
        if (site->all[i] == connection)
            site->all[i] = NULL;
    }
    for (unsigned i = 0; i < site->held_count; i++) {
        if (site->held[i] == connection)
            memmove(&site->held[i], &site->held[i + 1],
                    (size_t)(--site->held_count - i) * sizeof site->held[0]);
    }
    free(connection);
}

static void say(struct site_connection *connection, const char *text) {
    bool closes = connection->site->closes;

    socket_send(connection->io.fd, text, strlen(text));
    if (closes)
        hang_up(connection);
}

static void take_request(struct site_connection *connection) {
    struct site *site = connection->site;

    site->asked++;
    memcpy(site->last, connection->head, connection->len + 1);
    connection->len = 0;
    if (site->says != NULL)
        say(connection, site->says);
    else
        site->held[site->held_count++] = connection;
}

static void on_stir(struct ev_loop *loop, struct ev_io *io, int events) {
    struct site_connection *connection = io->data;
    size_t room = SITE_HEAD - 1 - connection->len;
    ssize_t n = recv(io->fd, connection->head + connection->len, room, MSG_DONTWAIT);
    (void)loop, (void)events;

    if (n <= 0) {
        hang_up(connection);
        return;
    }
    connection->len += (size_t)n;
    connection->head[connection->len] = '\0';
    if (strstr(connection->head, "\r\n\r\n") != NULL)
        take_request(connection);
}

static void on_connection(struct ev_loop *loop, struct ev_io *io, int events) {
    struct site *site = io->data;
    int fd = accept(io->fd, NULL, NULL);
    unsigned i = 0;
    (void)events;

    ck_assert_int_ge(fd, 0);
    while (site->all[i] != NULL)
        ck_assert_uint_lt(++i, SITE_CONNECTIONS);
    site->accepted++;
    struct site_connection *connection = mem_new(sizeof *connection);
    site->all[i] = connection;
    connection->site = site;
    ev_io_init(&connection->io, on_stir, fd, EV_READ);
    connection->io.data = connection;
    ev_io_start(loop, &connection->io);
}

void site_open(struct site *site, struct ev_loop *loop) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    *site = (struct site){.loop = loop};
    ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(listen(fd, SITE_CONNECTIONS), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    site->port = ntohs(address.sin_port);
    ev_io_init(&site->accepts, on_connection, fd, EV_READ);
    site->accepts.data = site;
    ev_io_start(loop, &site->accepts);
}

void site_answer(struct site *site, const char *text) {
    struct site_connection *first = site->held[0];

    ck_assert_uint_gt(site->held_count, 0);
    memmove(&site->held[0], &site->held[1], (size_t)--site->held_count * sizeof site->held[0]);
    say(first, text);
}

void site_close(struct site *site) {
    for (unsigned i = 0; i < SITE_CONNECTIONS; i++) {
        if (site->all[i] != NULL)
            hang_up(site->all[i]);
    }
    ev_io_stop(site->loop, &site->accepts);
    close(site->accepts.fd);
}

/*
 * Who connects here is judged by address, as over HTTP: where a rate is counted by address,
 * everybody at the unix socket is one. The limit max_connections holds for all connections that
 * come to this process by itself: of HTTP, open WebSockets, and these.
 */
#include "fcgi-app/door/line/server.h"

#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/mem.h"
#include "fcgi-app/door/accept.h"
#include "fcgi-app/door/http/forwarded.h"
#include "fcgi-app/door/http/peers.h"
#include "fcgi-app/door/site.h"

struct line_server {
    struct connections *all; /* gone already when the server goes */
    struct stats *stats;
    const struct line_taker *taker;
    struct acceptor *acceptor; /* NULL once closed */
    struct peers *peers;
    size_t most; /* connections that there may be */
    bool local;  /* at a unix socket */
};

/* Says why, as far as the socket takes that at once, and closes. */
static void turn_away(struct line_server *server, int fd, const char *detail) {
    char line[128];
    int len = snprintf(line, sizeof line, "ERROR 503 %s\n", detail);

    (void)!send(fd, line, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)shutdown(fd, SHUT_WR);
    stats_problem(server->stats, 503, detail);
    close(fd);
}

static void on_taken(void *ctx, int fd) {
    struct line_server *server = ctx;
    char who[ADDRESS_TEXT] = FORWARDED_UNIX;

    if (stats_connected(server->stats) >= server->most) {
        server->stats->connections_over++;
        turn_away(server, fd, "there are max_connections already");
        return;
    }
    if (!server->local) {
        peers_note(server->peers, fd);
        peers_write(server->peers, fd, who);
    }
    server->taker->take(server->taker->ctx, fd, who);
}

static bool make_room(void *ctx) {
    const struct line_server *server = ctx;
    return connections_spare(server->all);
}

static void refuse_for_want_of_descriptors(void *ctx, int fd) {
    turn_away(ctx, fd, "no descriptor is left for another connection");
}

/* Nobody is asked for a password here: who listens to others than this machine is told so. */
static void warn_of_others(int listen_fd, const char *address) {
    struct sockaddr_storage own = {0};
    socklen_t size = sizeof own;
    char text[ADDRESS_TEXT];
    bool named =
        getsockname(listen_fd, (struct sockaddr *)&own, &size) == 0 &&
        getnameinfo((struct sockaddr *)&own, size, text, sizeof text, NULL, 0, NI_NUMERICHOST) == 0;

    if (!named || !site_local(text, false))
        log_warning("feed.open", "feed=\"%s\": other machines can connect, without a password",
                    address);
}

static const struct acceptor_calls calls = {
    .taken = on_taken, .make_room = make_room, .refuse = refuse_for_want_of_descriptors};

struct line_server *line_server_new(struct connections *all, int listen_fd,
                                    const struct config *config, const struct line_taker *taker) {
    struct line_server *server = mem_new(sizeof *server);

    server->all = all;
    server->stats = all->stats;
    server->taker = taker;
    server->most = (size_t)config->max_connections;
    server->peers = peers_new();
    server->local = acceptor_prepare(listen_fd);
    if (!server->local)
        warn_of_others(listen_fd, config->feed);
    server->acceptor = acceptor_new(all->loop, all->stats, listen_fd, &calls, server);
    if (config->processes > 1)
        acceptor_share(server->acceptor, server->most);
    return server;
}

void line_server_close(struct line_server *server) {
    if (server->acceptor == NULL)
        return;
    acceptor_take_waiting(server->acceptor);
    acceptor_free(server->acceptor);
    server->acceptor = NULL;
}

void line_server_free(struct line_server *server) {
    if (server == NULL)
        return;
    acceptor_free(server->acceptor);
    peers_free(server->peers);
    free(server);
}

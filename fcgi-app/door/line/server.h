/*
 * The door of the line feed: accepts connections over TCP or at a unix socket. Belongs to the
 * loop's thread.
 */
#ifndef HALLEY_LINE_SERVER_H
#define HALLEY_LINE_SERVER_H

#include "core/config/config.h"
#include "fcgi-app/door/connection.h"

/* What is done with a connection: `fd`, which does not block, is the callee's; `who` is the
 * address of the other side, borrowed. */
struct line_taker {
    void (*take)(void *ctx, int fd, const char *who);
    void *ctx;
};

struct line_server;

/* Accepts on `listen_fd`, which it owns from now on; the rest is borrowed and outlives it. */
struct line_server *line_server_new(struct connections *all, int listen_fd,
                                    const struct config *config, const struct line_taker *taker);

/* Accepts what waits already, and no more. */
void line_server_close(struct line_server *server);

/* Safe on NULL. */
void line_server_free(struct line_server *server);

#endif

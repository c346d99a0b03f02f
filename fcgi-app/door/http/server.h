/*
 * The HTTP door: accepts connections, reads requests of HTTP/1.1 and 1.0 from them, and hands
 * each over once it is whole. Belongs to the loop's thread.
 */
#ifndef HALLEY_HTTP_SERVER_H
#define HALLEY_HTTP_SERVER_H

#include "core/config/config.h"
#include "fcgi-app/door/request.h"

struct connections;
struct http_server;

/* Accepts on `listen_fd`, which it owns from now on; its connections stand in `all`. `config`
 * and `taker` are borrowed and outlive it. */
struct http_server *http_server_new(struct connections *all, int listen_fd,
                                    const struct config *config, const struct request_taker *taker);

/* Accepts what is already waiting, then closes the listening socket. Connections end with their
 * next answer (connections_finish); a request that has begun to arrive may go on to do so until its
 * deadline. */
void http_server_close(struct http_server *server);

/* Stops at once. Its connections need it until they are closed: connections_free() comes first.
 * Safe on NULL. */
void http_server_free(struct http_server *server);

#endif

/*
 * Takes requests in: accepts connections, waits without blocking until a request
 * has wholly arrived, has libfcgi read it in place, and hands it over. Belongs
 * to the loop's thread.
 */
#ifndef HALLEY_INTAKE_H
#define HALLEY_INTAKE_H

#include <stdbool.h>

#include "core/config/config.h"
#include "fcgi-app/door/client.h"
#include "fcgi-app/door/request.h"

struct connections;
struct intake;

/*
 * Accepts on `listen_fd`, which it owns from now on; its connections stand in `all`. Both that and
 * the taker are borrowed and outlive it.
 */
struct intake *intake_new(struct connections *all, int listen_fd, const struct config *config,
                          const struct request_taker *taker);

/*
 * Accepts what is already waiting, then closes the listening socket. Connections end with their
 * next answer (connections_finish); requests that have not wholly arrived may go on to do so until
 * their deadline.
 */
void intake_close(struct intake *intake);

/* Stops at once. Its connections need it until they are closed: connections_free() comes first.
 * Safe on NULL. */
void intake_free(struct intake *intake);

#endif

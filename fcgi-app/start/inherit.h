/*
 * Sockets that whoever starts the program listens on already (sd_listen_fds(3)): systemd's
 * halley.socket and halley-http.socket, or any parent that keeps them while the program is
 * restarted, so that nobody is refused meanwhile.
 */
#ifndef HALLEY_INHERIT_H
#define HALLEY_INHERIT_H

#include "fcgi-app/start/listen.h"

/*
 * Takes what the environment tells of (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES) into `listeners`,
 * which were just initialised, and takes it out of the environment. Sockets named `listen` are for
 * FastCGI: one, which all of `processes` share, or one for each; `http` and `feed` are one each; a
 * single socket without a name of these is for FastCGI. They stand for the addresses of the same
 * options, and their paths are not ours to remove. ERR_OK where there are none, too. Before
 * anything else is opened.
 */
enum err inherit_sockets(struct listeners *listeners, int processes,
                         char problem[LISTEN_PROBLEM]) MUST_CHECK;

#endif

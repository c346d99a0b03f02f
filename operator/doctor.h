/*
 * The parts of `halley doctor`: each looks at one layer and adds what it found.
 */
#ifndef HALLEY_DOCTOR_H
#define HALLEY_DOCTOR_H

#include "operator/desk.h"
#include "operator/findings.h"

/* Redis: that it answers, its version, rights, memory, persistence, clock; functions; worker. */
void doctor_redis(struct desk *desk, struct findings *findings);

/* This machine: the sockets that the configuration names, and descriptors. */
void doctor_machine(const struct config *config, struct findings *findings);

/* What INFO says, as Redis writes it but with a line end in front. Pure. */
void doctor_info(const char *info, struct findings *findings);

/* That Redis's clock and this machine's are so many seconds apart. Pure. */
void doctor_clock(double apart, struct findings *findings);

/*
 * The way through a web server. `url` is the site's, "http://host:port", or Halley's own address
 * there. A request on which nothing is sent takes at most so many seconds (10 at least), all of it
 * a minute.
 */
void doctor_web(struct desk *desk, const char *url, double seconds, struct findings *findings);

#endif

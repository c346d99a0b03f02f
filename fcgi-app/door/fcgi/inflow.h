/*
 * Reads records from a FastCGI connection, where they are not read in place: into its
 * arrival (arrival.h), and answers those that are about the connection itself. For the other
 * files of this door. Belongs to the loop's thread.
 */
#ifndef HALLEY_FCGI_INFLOW_H
#define HALLEY_FCGI_INFLOW_H

#include <stdbool.h>

#include "fcgi-app/door/connection.h"
#include "fcgi-app/door/fcgi/arrival.h"

/* A carrier of FastCGI connections. */
struct fcgi_carrier {
    struct carrier base; /* first */
    struct arrival_limits limits;
};

/* Its arrival, or NULL; and one that is made if it is not there. */
static inline struct arrival *inflow_arrival(const struct connection *connection) {
    return connection->aside != NULL ? connection->aside->arrival : NULL;
}
struct arrival *inflow_gather(struct connection *connection);

/*
 * Reads records into its arrival until one of them calls for something, or there are no
 * more now; replies are sent. With ARRIVAL_MORE and ARRIVAL_END all has been read.
 */
enum arrival_event inflow_read(struct connection *connection);

/* Its request has been handed over, or is given up: what was read of it is forgotten. */
void inflow_over(struct connection *connection);

/* A carrier's `forget`. */
void inflow_forget(struct connection *connection, bool idle);

#endif

/*
 * What comes on a FastCGI connection, record by record, where it cannot be read in
 * place: a request that is too large to lie in the socket, or that comes with records
 * which are not its own; and whatever comes while a request is being answered. Pure: it
 * is given bytes, and says what to do. Belongs to the loop's thread.
 */
#ifndef HALLEY_ARRIVAL_H
#define HALLEY_ARRIVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "fcgi-app/door/fcgi/fcgi.h"

/* What those that are refused or asked are told: how much may come, how many at a time. */
struct arrival_limits {
    size_t params_max; /* bytes of parameters in one request */
    size_t body_max;   /* bytes kept of a body; the rest is counted and forgotten */
    unsigned most;     /* requests, for GET_VALUES */
};

enum arrival_state {
    ARRIVAL_BEGINS,    /* no request has begun */
    ARRIVAL_COMES,     /* one is on its way */
    ARRIVAL_ANSWERING, /* it is here, and is being answered: see arrival_answering() */
};

struct arrival {
    const struct arrival_limits *limits;
    enum arrival_state state;
    uint16_t request_id; /* of the request that COMES or is answered */
    bool keep;           /* FCGI_KEEP_CONN of it */
    bool params_whole, body_whole;
    struct buf params; /* their bytes */
    struct buf body;   /* what is kept of it */
    size_t body_bytes; /* all of it */
    /* the record that is being read */
    unsigned char header[FCGI_HEADER];
    size_t header_len;
    bool next_waits; /* its header is that of the next request: it is read after this one */
    struct fcgi_record record;
    size_t content_left, padding_left;
    struct buf content; /* of records that are read whole: BEGIN_REQUEST, GET_VALUES */
};

enum arrival_event {
    ARRIVAL_MORE,     /* go on */
    ARRIVAL_WHOLE,    /* the request is here */
    ARRIVAL_TOO_LONG, /* its parameters are over the limit */
    ARRIVAL_ABORTED,  /* the web server gives it up (ABORT_REQUEST) */
    ARRIVAL_REFUSED,  /* it has a role that Halley does not have; `reply` says so */
    ARRIVAL_WAITS,    /* another begins under the id of the one that is answered */
    ARRIVAL_BROKEN,   /* no FastCGI */
    ARRIVAL_END       /* nothing more will come; said by connection_read() */
};

struct arrival *arrival_new(const struct arrival_limits *limits);

/* Safe on NULL. */
void arrival_free(struct arrival *arrival);

/* How many bytes may be given to arrival_take() now: never any of what follows a request.
 * 0 while another request waits. */
size_t arrival_wants(const struct arrival *arrival);

/* Takes at most as many bytes as it wants. Records to be sent are added to `reply`. */
enum arrival_event arrival_take(struct arrival *arrival, const void *data, size_t len,
                                struct buf *reply);

/* A request is being answered from here on, whoever has read it. */
void arrival_answering(struct arrival *arrival, uint16_t request_id);

/* It has been answered, or given up; the next may begin. What was read of it is forgotten. */
void arrival_over(struct arrival *arrival);

/* Whether it stands between two records, and knows of nothing: it may be forgotten itself. */
bool arrival_idle(const struct arrival *arrival);

#endif

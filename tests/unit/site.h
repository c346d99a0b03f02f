/* A site on the loop that is asked over HTTP, and says what the test likes. */
#ifndef HALLEY_TESTS_UNIT_SITE_H
#define HALLEY_TESTS_UNIT_SITE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/loop.h"

enum { SITE_CONNECTIONS = 128, SITE_HEAD = 65536 };

struct site_connection {
    struct ev_io io;
    struct site *site;
    size_t len;
    char head[SITE_HEAD]; /* of the request that is coming */
};

struct site {
    struct ev_loop *loop;
    struct ev_io accepts;
    int port;
    const char *says;  /* the whole answer; NULL: nothing for now */
    bool closes;       /* behind it */
    unsigned asked;    /* requests that came, ... */
    unsigned accepted; /* ... and connections */
    char last[SITE_HEAD];
    struct site_connection *held[SITE_CONNECTIONS]; /* whose request was not answered, in order */
    unsigned held_count;
    struct site_connection *all[SITE_CONNECTIONS];
};

void site_open(struct site *site, struct ev_loop *loop);

/* Answers the first request that waits for that. */
void site_answer(struct site *site, const char *text);

void site_close(struct site *site);

#endif

/*
 * Asks the site by HTTP, on the loop: small requests whose answer is a status. libcurl carries them
 * (its multi interface), which is loaded when the first one who asks is made: where nobody asks,
 * no process bears it. Belongs to the loop's thread.
 */
#ifndef HALLEY_INQUIRY_H
#define HALLEY_INQUIRY_H

#include <stdbool.h>

#include "core/base/loop.h"

enum {
    INQUIRY_AT_ONCE = 32,  /* are on their way at a time, ... */
    INQUIRY_SHARE = 8,     /* ... so many of one share, ... */
    INQUIRY_WAITING = 1000 /* ... and so many wait for that */
};

/* What was answered. */
struct inquiry_answer {
    int status;      /* HTTP; 0: there was no answer */
    long max_age;    /* seconds for which it holds: Cache-Control; 0: for now */
    const char *why; /* there was no answer; else NULL. Borrowed */
};

typedef void inquiry_fn(void *ctx, const struct inquiry_answer *answer);

/* All borrowed for the length of the call, but for `share`. */
struct inquiry {
    const char *url;
    const char *socket;        /* a unix socket's path; NULL: TCP */
    const char *const *fields; /* "Name: value" each, NULL at the end; no control characters */
    double timeout;            /* seconds, of which waiting for its turn is a part */
    unsigned *share;           /* how many of those who share this are on their way: 0 at first. It
                                  outlives them */
    bool alone; /* on a connection of its own: what it says may be the connection's */
};

struct inquiries;

/* Whether libcurl is to be had: it is loaded then. */
bool inquiries_can(void);

/* NULL: it is not. */
struct inquiries *inquiries_new(struct ev_loop *loop);

/* What is on its way is not answered any more. Safe on NULL. */
void inquiries_free(struct inquiries *inquiries);

/*
 * Asks by GET. `done` is called once, later, never from inside this call. Redirects are not
 * followed, and of a body no more than 64 KiB is read. False: too many wait already.
 */
bool inquiry_begin(struct inquiries *inquiries, const struct inquiry *inquiry, inquiry_fn *done,
                   void *ctx);

#endif

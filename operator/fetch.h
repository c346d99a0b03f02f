/*
 * HTTP requests as a browser makes them, several at a time: what came of each so far, and when. One
 * thread; the one file that knows libcurl here.
 */
#ifndef HALLEY_FETCH_H
#define HALLEY_FETCH_H

#include <stdbool.h>
#include <stddef.h>

struct transfers; /* those that are under way */

enum { FETCH_BODY = 65536, FETCH_HEADERS = 4 };

struct fetch {
    int status;            /* 0: no answer yet, or none */
    bool over;             /* it has ended, however */
    const char *why;       /* libcurl's words for what went wrong; else "" */
    bool http2;            /* that is how it came */
    char server[64];       /* what the answer's Server says, or "" */
    char type[64];         /* and its Content-Type */
    char body[FETCH_BODY]; /* its beginning, with an end byte */
    size_t len;
    double seconds; /* from its beginning to its last byte so far */
};

/* `shared`: all of them over one connection, if the server speaks HTTP/2. */
struct transfers *transfers_new(bool shared);
void transfers_free(struct transfers *transfers);

/*
 * Begins a GET. `headers` (NULL, or up to FETCH_HEADERS, ended by NULL) are borrowed for the call;
 * certificates are taken as they are: whether one is good is no question here. Valid until
 * fetch_end() or transfers_free().
 */
struct fetch *fetch_begin(struct transfers *transfers, const char *url,
                          const char *const headers[]);

/* The same by POST, text/plain, with a body that is borrowed until it is over. */
struct fetch *fetch_post(struct transfers *transfers, const char *url, const char *body,
                         size_t len);

/* Hangs up, if it has not ended, and frees it. Safe on NULL. */
void fetch_end(struct transfers *transfers, struct fetch *fetch);

/* Moves all of them on; waits for at most so many seconds until something comes. */
void transfers_turn(struct transfers *transfers, double seconds);

/* Moves all of them on until this one has ended, or for so many seconds. True: it has. */
bool fetch_wait(struct transfers *transfers, const struct fetch *fetch, double seconds);

/* The clock of this file, in seconds. */
double fetch_now(void);

#endif

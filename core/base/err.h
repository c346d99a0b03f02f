/*
 * The one error enum of the project. What can fail returns it; ERR_OK is zero.
 * Details for people travel beside it, in a log line or a `struct problem`.
 */
#ifndef HALLEY_ERR_H
#define HALLEY_ERR_H

#define MUST_CHECK             __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

enum err {
    ERR_OK = 0,
    ERR_SYNTAX,  /* text that does not follow its grammar */
    ERR_RANGE,   /* well formed, but outside of what is allowed */
    ERR_FULL,    /* a buffer, list or queue is at its maximum */
    ERR_REDIS,   /* Redis is away, or what it said is not understood */
    ERR_REFUSED, /* Redis (or our function in it) refused this one request */
    ERR_RATE,    /* over a rate limit */
    ERR_SYSTEM,  /* a system call failed; errno says why */
    ERR_GONE     /* the other side has left */
};

#endif

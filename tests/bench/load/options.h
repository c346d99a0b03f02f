#ifndef HALLEY_BENCH_OPTIONS_H
#define HALLEY_BENCH_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { WATCHED_MAX = 8, WATCHED_PIDS = 256 };

enum mode {
    MODE_FANOUT,
    MODE_RATE,
    MODE_FIXED,
    MODE_LATENCY,
    MODE_POLL,
    MODE_HOLD,
    MODE_AUDIENCE,
    MODE_FAIRNESS,
    MODE_REDIS_RAW,
    MODE_SELFTEST
};

/* A group of processes whose CPU time is reported under one name. */
struct watched {
    char label[32];
    pid_t pids[WATCHED_PIDS];
    size_t count;
};

enum publish { PUBLISH_NOT, PUBLISH_FCALL, PUBLISH_PLAIN, PUBLISH_POST };

/* The command line; see options_help(). Strings are the command line's own. */
struct options {
    enum mode mode;
    const char *mode_name;

    int port;             /* HTTP */
    uint32_t address;     /* of the host, in its own byte order */
    const char *unix_web; /* or HTTP on a unix socket */
    const char *fcgi;     /* or FastCGI on a unix socket */
    bool keep;            /* FastCGI connections are used again */

    const char *proto;
    const char *path;
    const char *channel;
    size_t waiters;
    bool after_last; /* who was served asks again when all are */

    enum publish publish;
    const char *publish_to; /* socket, or path */
    size_t size;            /* bytes of a payload */
    uint64_t base;          /* of audience: its first message is the next number */

    size_t messages, warmup, rounds, connections;
    double rate, seconds;
    int settle_ms;
    double timeout; /* seconds for all of it */

    struct watched watched[WATCHED_MAX];
    size_t watched_count;
};

/* Prints what is wrong and exits with 64, or prints the help and exits with 0. */
void options_read(struct options *options, int argc, char **argv);

#endif

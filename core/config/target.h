/*
 * Where a Redis is, as people write it. Values only: nothing is looked up here.
 *
 *   redis://[[user]:password@]host[:port][/db]        rediss:// the same, over TLS
 *   unix:/path[?user=USER&password=PASSWORD&db=N]
 *   sentinel://[[user]:password@]name@host[:port],host[:port].../db
 *
 * Users, passwords, paths and names may hold anything as %XX (RFC 3986 §2.1); an IPv6
 * address stands in brackets. The login of a sentinel address is Redis's own.
 */
#ifndef HALLEY_TARGET_H
#define HALLEY_TARGET_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/err.h"

enum { TARGET_TEXT_MAX = 8192, TARGET_HOSTS_MAX = 16 };

enum target_kind { TARGET_TCP, TARGET_UNIX, TARGET_SENTINEL };

struct target_host {
    char *name; /* a host name or a number, without brackets */
    int port;
};

struct target {
    enum target_kind kind;
    bool tls;
    struct target_host hosts[TARGET_HOSTS_MAX]; /* one of TCP; the sentinels */
    size_t host_count;
    char *path;     /* of UNIX, else NULL */
    char *master;   /* what sentinels call it, else NULL */
    char *user;     /* "" for none */
    char *password; /* "" for none */
    int db;
};

/* ERR_SYNTAX or ERR_RANGE where `text` is none of the above; `target` is then empty. */
enum err target_parse(const char *text, struct target *target) MUST_CHECK;
void target_free(struct target *target);

/*
 * `text` as people and logs may see it: with *** for every password in it, and where it is no
 * address for whatever may be one. Free it.
 */
char *target_masked(const char *text);

#endif

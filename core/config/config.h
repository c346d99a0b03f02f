/*
 * Configuration: one table of options feeds the file, the environment, the
 * command line and the check (`-n`). Filled once at start, read-only after.
 */
#ifndef HALLEY_CONFIG_H
#define HALLEY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/base/err.h"

#define CONFIG_FILE "/etc/halley/halley.conf"

enum { PROCESSES_MAX = 64 };

/* Who may do a thing with a channel. */
enum access { ACCESS_NONE, ACCESS_ANYONE };

/* Who may see what a process says of itself. */
enum viewers { STATUS_NONE, STATUS_ANYONE, STATUS_LOCAL };

/* What holds for the channels that match `pattern`; the first match wins. */
struct channel_policy {
    char *pattern;          /* fnmatch(3) */
    int subscribe;          /* enum access */
    bool subscribe_said;    /* and the file says so */
    int publish;            /* enum access; from the web: Redis's own clients are Redis's matter */
    int publish_rate_count; /* web publishes of one client address ... */
    int publish_rate_seconds; /* ... in this many seconds; 0 of the first: no limit */
    int history;              /* messages kept */
    int ttl;                  /* seconds that an idle history is kept */
    int max_message;          /* bytes of a payload */
    int batch_ms;             /* milliseconds for which messages are gathered; 0: not at all */
};

/* What is served for other systems' clients, at a path of its own. */
struct service {
    char *path;    /* what follows the mount, or stands at the root of the site */
    char *dialect; /* "": the path's first segment names it */
    /* what is said there, and what it wants to know: "halley", "channel NAME" */
    char *protocol;
    int response_limit; /* bytes of a streaming answer */
    int websocket;      /* bool: whether WebSockets are served */
    int cookie_needed;  /* bool */
    char *sockjs_url;   /* where the page for old browsers finds the client */
};

/* What others publish in Redis, in their own way (worker/formats/). */
enum ingest_format {
    INGEST_RAW,
    INGEST_LARAVEL,
    INGEST_SOCKETIO,
    INGEST_JUGGERNAUT,
    INGEST_CHANNELS,
    INGEST_FORMATS
};

enum { INGEST_MAX = 32 }; /* sections */

struct ingest {
    char *name;
    char *pattern; /* what to PSUBSCRIBE (core/data/glob.h) */
    int format;    /* enum ingest_format */
    char *channel; /* a name in which each `*` stands for a part of what was published */
};

struct config {
    char *redis;                             /* an address (core/config/target.h) */
    char *sentinel_password;                 /* of the sentinels themselves; "": none */
    char *redis_ca, *redis_cert, *redis_key; /* files for TLS, or "" (core/redis/tls.h) */
    char *prefix;                            /* of every pub/sub name (core/data/names.h) */
    char *listen; /* "" is: on the descriptor that we were started with */
    int listen_mode;
    char *class; /* a name for this kind of process: Apache tells kinds by their command lines */
    char *http;  /* an address where HTTP is served, WebSockets too, or "" */
    char *websocket;       /* its old name: the same, or "" */
    char *feed;            /* an address where lines are served, or "" */
    char *trusted_proxies; /* networks (core/config/networks.h) */
    char *mount;           /* the path below which the endpoints are; "" is the root */
    char *origins;         /* besides our own: whose pages may change things; "*": all others */
    int status;            /* enum viewers */
    char *log;             /* where lines go: log_to() */
    int log_level;         /* enum log_level */
    int timeout;           /* seconds, as every time below unless it says otherwise */
    int max_wait;
    int max_channels;
    int max_waiters;
    int processes;
    int linger;
    int tail;        /* messages */
    int max_backlog; /* bytes */
    int keepalive;
    int max_stream;
    int jsonp;            /* bool */
    int tags;             /* bool */
    int tracking;         /* bool */
    int batch_scheduling; /* bool */
    int request_timeout;
    int keepalive_timeout;
    int max_connections; /* 0: as many as there are descriptors, less a reserve */
    int redis_timeout;
    int meta_ttl;
    int idempotency_ttl;
    int retry; /* milliseconds */
    int lease; /* milliseconds */
    struct channel_policy *channels;
    size_t channel_count;
    struct service *services;
    size_t service_count;
    struct channel_policy *guards; /* of the sections, and behind them of all others: the same for
                                    * private channels; NULL: there is nothing to be guarded */
    struct ingest *ingests;
    size_t ingest_count;
};

/* What the command line asked for beside options. */
struct config_command {
    bool check;   /* -n: say what holds, and exit */
    bool version; /* -V */
};

/* Room for one message about what is wrong with a configuration. */
enum { CONFIG_PROBLEM = 512 };

/*
 * Fills `*config` from the defaults, then the file (-f FILE, or CONFIG_FILE if
 * it is there), the environment (HALLEY_<OPTION>) and the command line
 * (-o name=value, -l and -w ADDRESS, -c CLASS), each over the one before. Returns a sysexits.h
 * code: 0, EX_USAGE, EX_NOINPUT or EX_CONFIG with one line in `problem`.
 */
int config_load(struct config *config, struct config_command *command, int argc, char **argv,
                char problem[CONFIG_PROBLEM]) MUST_CHECK;

/* Releases what config_load() filled. Safe after a failure. */
void config_free(struct config *config);

/* The policy of a channel; channels that no section matches have the defaults. Never NULL. */
const struct channel_policy *config_channel(const struct config *config, const char *name,
                                            size_t len);

/* The longest payload that any channel accepts, in bytes. */
int config_longest_message(const struct config *config);

/* Prints every option and section with the value that holds, as a file that could be read back. */
void config_print(const struct config *config, FILE *out);

#endif

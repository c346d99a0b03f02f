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
#include "core/config/access.h"

#define CONFIG_FILE "/etc/halley/halley.conf"

enum { PROCESSES_MAX = 64 };

/* Who may see what a process says of itself. */
enum viewers { STATUS_NONE, STATUS_ANYONE, STATUS_LOCAL };

/* Most sections have a name, or a beginning of names: these are no matter for fnmatch(3). */
enum pattern_kind { PATTERN_ANY, PATTERN_NAME, PATTERN_BEGINNING };

/* What holds for the channels that match `pattern`; the first match wins. */
struct channel_policy {
    char *pattern;             /* fnmatch(3) */
    enum pattern_kind matches; /* what that takes */
    struct access subscribe;
    bool subscribe_said;      /* and the file says so */
    struct access publish;    /* from the web: Redis's own clients are Redis's matter */
    char *authorize;          /* where the site is asked for these; "": where for all */
    int publish_rate_count;   /* web publishes of one client address ... */
    int publish_rate_seconds; /* ... in this many seconds; 0 of the first: no limit */
    int history;              /* messages kept */
    int ttl;                  /* seconds that an idle history is kept */
    int max_message;          /* bytes of a payload */
    int batch_ms;             /* milliseconds for which messages are gathered; 0: not at all */
};

/* How events are told to clients of Socket.IO. */
enum service_style { STYLE_PLAIN, STYLE_ECHO };

/* What is served for other systems' clients, at a path of its own. */
struct service {
    char *path;    /* what follows the mount, or stands at the root of the site */
    char *dialect; /* "": the path's first segment names it */
    /* what is said there, and what it wants to know: "halley", "channel NAME" */
    char *protocol;
    int response_limit;  /* bytes of a streaming answer */
    int websocket;       /* bool: whether WebSockets are served */
    int cookie_needed;   /* bool */
    char *sockjs_url;    /* where the page for old browsers finds the client */
    int ping_interval;   /* milliseconds between pings of Engine.IO */
    int ping_timeout;    /* milliseconds for the answer of one */
    int max_payload;     /* bytes of a payload of Engine.IO, from the client */
    int connect_timeout; /* milliseconds for a client of Socket.IO to join a namespace */
    enum service_style style;
    int recovery; /* bool: whether clients go on where they were */
};

/* A namespace of a service of Socket.IO. */
struct name_space {
    char *service;  /* its path */
    char *name;     /* that begins with a slash */
    char *join;     /* channels that everybody in it joins, with blanks between */
    char *may_join; /* patterns of those that may be joined by event; "": whatever rights allow */
    char *publish;  /* the channel that other events go to; "": they are refused */
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

/* How tokens are signed (RFC 7518 §3.1, RFC 8037 §3.1). */
enum algorithm {
    ALGORITHM_NONE, /* it was not said */
    ALGORITHM_HS256,
    ALGORITHM_RS256,
    ALGORITHM_ES256,
    ALGORITHM_EDDSA /* with Ed25519 */
};

enum { KEYS_MAX = 32 }; /* sections */

/* A key by which tokens are signed. */
struct key {
    char *kid;
    int algorithm; /* enum algorithm */
    char *file;    /* its whole path */
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
    char *group_variable;  /* the CGI variable that lists a user's groups, or "" */
    char *user_header;     /* the field in which a trusted proxy names who has logged in, or "" */
    char *group_header;    /* that in which it lists the groups of that user, or "" */
    char *token_audience, *token_issuer; /* that a token must name, or "" */
    char *token_cookie;                  /* the cookie that carries one, or "" */
    char *authorize;                     /* where the site is asked (core/config/authority.h), "" */
    int authorize_timeout;               /* seconds for its answer */
    int authorize_remote;                /* bool: whether that may be on another machine */
    int status;                          /* enum viewers */
    char *log;                           /* where lines go: log_to() */
    int log_level;                       /* enum log_level */
    int timeout;                         /* seconds, as every time below unless it says otherwise */
    int max_wait;
    int max_channels;
    int max_waiters; /* of all processes of this configuration */
    int share;       /* percent of them that one class may hold */
    int threads;     /* of the web server, one for each request that is held; 0: it needs none */
    int reserve;     /* of those, for the rest of the site */
    char *counts;    /* a folder where processes count together what they hold; "": each alone */
    char *file;      /* where all this was read, its whole path; "": nowhere. No option */
    int room; /* requests that there are descriptors for, in a process; 0: not known. No option */
    int max_waiters_address; /* held requests of one client address, */
    int max_waiters_user;    /* of one user, in a process; 0: any number */
    int read_rate_count;     /* requests that read, of one client address ... */
    int read_rate_seconds;   /* ... in this many seconds; 0 of the first: no limit */
    int channel_rate_count;  /* and channels that the process does not know yet */
    int channel_rate_seconds;
    int tail_memory;          /* bytes of all tails of a process; 0: no limit */
    int max_sessions;         /* in this Redis; 0: any number */
    int session_rate_count;   /* new sessions of one client address ... */
    int session_rate_seconds; /* ... in this many seconds; 0 of the first: no limit */
    int processes;
    int linger;
    int tail;        /* messages */
    int max_backlog; /* bytes */
    int keepalive;
    int heartbeat; /* within which a browser must be found to have left; -1: as the server wants */
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
    struct key *keys;
    size_t key_count;
    struct ingest *ingests;
    size_t ingest_count;
    struct name_space *namespaces;
    size_t namespace_count;
};

/* What the command line asked for beside options. */
struct config_command {
    bool check;          /* -n: say what holds, and exit */
    bool version;        /* -V */
    const char *channel; /* -n CHANNEL: what holds for it; or NULL */
    const char *user;    /* -u USER, or NULL */
    char *groups;        /* -g GROUP, one or more, commas between; or NULL. main()'s to free */
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

/* Where the site is asked about a policy's channels; "": nowhere. */
const char *config_authorize(const struct config *config, const struct channel_policy *policy);

/* The section of a service's namespace, `len` bytes of its name; NULL: there is none. */
const struct name_space *config_namespace(const struct config *config,
                                          const struct service *service, const char *name,
                                          size_t len);

/* The first of the words of a value that has blanks between them, and its length; NULL: none. */
const char *config_word(const char *words, size_t *len);

/* The longest payload that any channel accepts, in bytes. */
int config_longest_message(const struct config *config);

/* Prints every option and section with the value that holds, as a file that could be read back. */
void config_print(const struct config *config, FILE *out);

#endif

#ifndef HALLEY_TESTS_LAB_H
#define HALLEY_TESTS_LAB_H

#include "tests/lib/proc.h"

#include <hiredis/hiredis.h>

enum { LAB_WORKERS = 4, LAB_APPS = 4, LAB_SETTINGS = 32 };

#define LAB_PASSWORD "secret" /* of Redis's users */

enum redis_keeps {
    REDIS_KEEPS_NOTHING,
    REDIS_KEEPS_AOF, /* append-only file, written out with every command */
};

/* One Redis, some workers, some applications, one web server, one folder. */
struct lab {
    char dir[96];
    char conf[128];
    char redis_socket[128];
    enum redis_keeps keeps;
    struct proc redis;
    struct proc worker[LAB_WORKERS];
    struct proc app[LAB_APPS]; /* those that listen by themselves */
    char app_socket[LAB_APPS][128];
    size_t apps;
    struct proc web;
    struct proc door;    /* halley.fcgi -w, where the web server's own cannot have it */
    char websocket[128]; /* the unix socket that it listens on; "": no WebSockets */
    char server[24];     /* as deploy/render names them; but "apache" is its apache-fcgid, and
                          * "apache-proxy" its apache;
                          * "http": none, `web` is halley.fcgi itself */
    bool bare_root;      /* its document root is an empty folder, as of somebody else's site */
    bool users;    /* of Redis: programs log in as those of deploy/redis/users.acl. Always, where
                    * LAB_USERS is in the environment */
    bool rewrites; /* "other addresses" of its configuration are taken in */
    bool logins;   /* so are its "logins": those of alice and bob, whose password is secret */
    bool groups;   /* and Alice is said to be in the group staff: group_variable OIDC_GROUPS,
                    * group_header X-Halley-Groups. Of nginx, Apache and lighttpd */
    int port, tls_port;               /* tls_port: 0, no TLS */
    const char *mpm;                  /* Apache's; NULL: event */
    int threads;                      /* Apache's; 0: as the configuration has it */
    char *settings[LAB_SETTINGS + 1]; /* HALLEY_NAME=value for all that is started */
    redisContext *store;              /* see store.h */
    pid_t store_owner;
};

/* Makes the folder and the configuration file; starts nothing. */
void lab_open(struct lab *lab, const char *name);

/* Ends everything that this lab started. The folder stays for the post mortem. */
void lab_close(struct lab *lab);

/* There are to be WebSockets: directly on lab->websocket, and through the web
 * server, whichever process serves them there. Before anything is started. */
void lab_websockets(struct lab *lab);

/* Starts halley.fcgi -w beside what else runs, on lab->websocket. */
void lab_door(struct lab *lab);

/* HALLEY_<name>=value for what is started from now on. */
void lab_set(struct lab *lab, const char *name, const char *value);

/* Writes a file of the lab's folder; its path, kept. */
char *lab_file(struct lab *lab, const char *name, const char *text);

/* Replaces the channel sections of the configuration file. */
void lab_conf(struct lab *lab, const char *text);

/* Environment for a program of this lab, followed by `more` (NULL or ended by
 * NULL); kept. */
char **lab_env(struct lab *lab, const char *const more[]);

/* $HALLEY_BIN_DIR/<name>, absolute; kept. Fails when it is not there. */
char *lab_program(const char *name);

/* The repository's folder (HALLEY_ROOT, or the current one), absolute; kept. */
char *lab_root(void);

/* Each returns when what it started answers. Starting again what was stopped
 * is allowed, and takes the same data, socket and port. */
void lab_redis(struct lab *lab, enum redis_keeps keeps);
void lab_worker(struct lab *lab, size_t which);
void lab_app(struct lab *lab, size_t which);

/* Starts a worker, and returns before it listens. */
void lab_worker_begins(struct lab *lab, size_t which);

/* A TCP port of 127.0.0.1 that nobody listens at now, and that the kernel gives nobody who
 * connects, now or while a server is away (ip_local_port_range). */
int lab_free_port(void);

/* Whether there is no web server: lab->web is the application ("http"). */
bool lab_is_bare(const struct lab *lab);

/* The web server: "lighttpd" or "apache", which start the application, as the "-cgi" do for each
 * request; or, before one that is started here if it does not run, "nginx", "apache-proxy", the
 * "-fcgi" or "lighttpd-socket", which takes `apps` of them; or before lab->door, "caddy",
 * "nginx-proxy" or "haproxy", over HTTP. "http" is the application without any. */
void lab_web(struct lab *lab, const char *server, size_t apps);

/* Makes a folder, which may not be there yet, the document root in the web server's configuration:
 * from its next start, or reload. */
void lab_pages(struct lab *lab, const char *folder);

/* Redis, one worker, the web server with one application. */
void lab_all(struct lab *lab, const char *name, const char *server);

/* Process ids of halley.fcgi in this lab, whoever started them. */
size_t lab_app_pids(struct lab *lab, pid_t *out, size_t room);

/* How many of them have this word in their command line: under mod_fcgid the kind of a process. */
size_t lab_apps_of(struct lab *lab, const char *word);

/* Sends each of them a signal; fails when there is none. */
void lab_signal_apps(struct lab *lab, int signal);

/* Waits for the end of an application that no web server starts again, and starts it: its exit
 * code (proc_wait), or -1 where the web server does. */
int lab_app_again(struct lab *lab);

/* The folder in which all labs of this test program lie. */
const char *lab_base(void);

/* Prints the last lines of every log below lab_base(). */
void lab_print_logs(void);

/* Removes lab_base(). */
void lab_remove_all(void);

#endif
